"use strict";
// before anything is drawn, so that a dark page does not flash white
try {
  const theme = localStorage.getItem("onsight-theme");
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
} catch {
  // storage is switched off: as the system has it
}
