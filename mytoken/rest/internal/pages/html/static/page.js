// What a page can do better with a script. Without it everything works all the same.
"use strict";
(function () {
  // The address held a code that is used up, and nothing is behind it any more.
  if (location.search && location.pathname.endsWith("/redirect")) {
    history.replaceState(null, "", location.pathname);
  }
  document.querySelectorAll("button[data-copy]").forEach(function (button) {
    var field = document.getElementById(button.dataset.copy);
    var status = document.getElementById("copied");
    if (!field || !navigator.clipboard) { return; }
    button.hidden = false;
    button.addEventListener("click", function () {
      navigator.clipboard.writeText(field.value).then(
        function () { status.textContent = "Copied."; },
        function () { field.focus(); field.select(); status.textContent = "Please copy what is selected."; });
    });
  });
})();
