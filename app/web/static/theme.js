// Runs before the first paint, so that a kept theme never flashes. Not a module for that reason.
(function () {
  "use strict";
  try {
    const kept = localStorage.getItem("kindred.theme");
    if (kept === "light" || kept === "dark") document.documentElement.dataset.theme = kept;
  } catch {
    // Storage may be forbidden: the system's theme is then used.
  }
})();
