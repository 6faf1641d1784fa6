// The program that shows this page defines approve(object) and cancel(). The page holds
// this script, behind the form.
"use strict";
(function () {
  var form = document.getElementById("ondemand");
  if (!form) { return; }
  function parsed(name, empty) {
    var text = form.elements[name].value.trim();
    return text === "" ? empty : JSON.parse(text);
  }
  form.addEventListener("submit", function (event) {
    event.preventDefault();
    if (event.submitter && event.submitter.value === "decline") {
      window.cancel();
      return;
    }
    var capabilities = [];
    form.querySelectorAll("input[name=capabilities]:checked").forEach(function (box) { capabilities.push(box.value); });
    var decision = { oidc_issuer: form.elements.oidc_issuer.value, name: form.elements.name.value, capabilities: capabilities };
    var tags = form.querySelectorAll("input[name=tags]:checked");
    if (form.elements["tags-shown"]) {
      decision.tags = Array.prototype.map.call(tags, function (box) {
        return { tag: box.value, include_children: box.dataset.children === "1" };
      });
    }
    try {
      decision.restrictions = parsed("restrictions", []);
      var rotation = parsed("rotation", null);
      if (rotation) { decision.rotation = rotation; }
    } catch (e) {
      form.querySelector("details").open = true;
      form.elements.restrictions.setCustomValidity("This is not JSON.");
      form.elements.restrictions.reportValidity();
      form.elements.restrictions.setCustomValidity("");
      return;
    }
    window.approve(decision);
  });
})();
