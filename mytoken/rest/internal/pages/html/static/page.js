// Improves pages with a script. Everything works without it.
"use strict";
(function () {
  // The address holds a used code and leads nowhere any more.
  if (location.search && /\/redirect(\/[^/]*)?$/.test(location.pathname)) {
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
