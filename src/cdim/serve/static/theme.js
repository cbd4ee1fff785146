// Before the first paint, so that a chosen theme does not flash. Without a choice: the system's.
"use strict";
{
  const kept = localStorage.getItem("theme");
  if (kept === "light" || kept === "dark") document.documentElement.dataset.theme = kept;
}
