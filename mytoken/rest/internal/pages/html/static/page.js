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
  // Times are in UTC. This adds what the clocks show where the browser is, and the day if
  // it is another one there.
  var yours = document.currentScript && document.currentScript.dataset.local || "your time";
  document.querySelectorAll("time[datetime]").forEach(function (element) {
    var at = new Date(element.dateTime);
    if (isNaN(at) || at.getTimezoneOffset() === 0) { return; }
    var options = { hour: "2-digit", minute: "2-digit", hourCycle: "h23" };
    if (at.getDate() !== at.getUTCDate()) { options.day = "numeric"; options.month = "long"; options.year = "numeric"; }
    var part = {};
    new Intl.DateTimeFormat(document.documentElement.lang || "en", options).formatToParts(at).forEach(function (p) { part[p.type] = p.value; });
    var day = part.day ? part.day + " " + part.month + " " + part.year + " " : "";
    element.textContent += " (" + day + part.hour + ":" + part.minute + " " + yours + ")";
  });
})();
