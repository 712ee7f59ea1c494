// The theme button: the system's, light, dark, and around. theme.js applies the kept one at load.

import { el, icon } from "./dom.js";

const KEY = "kindred.theme";
const ORDER = ["auto", "light", "dark"];
const ICONS = { auto: "auto", light: "sun", dark: "moon" };
const NAMES = { auto: "as the system", light: "light", dark: "dark" };

function current() {
  return document.documentElement.dataset.theme ?? "auto";
}

function keep(theme) {
  if (theme === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
  try {
    if (theme === "auto") localStorage.removeItem(KEY);
    else localStorage.setItem(KEY, theme);
  } catch {
    // Not kept, still shown.
  }
}

/** Make `button` cycle through the themes. */
export function themeButton(button) {
  const paint = () => {
    const theme = current();
    button.replaceChildren(icon(ICONS[theme]), el("span", { text: `Theme: ${NAMES[theme]}` }));
  };
  button.addEventListener("click", () => {
    keep(ORDER[(ORDER.indexOf(current()) + 1) % ORDER.length]);
    paint();
  });
  paint();
}
