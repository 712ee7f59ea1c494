// What the admin's views share: tags, bars, numbers.

import { el } from "../lib/dom.js";

/** A number with three digits after the point, or a dash. */
export const number = (value, digits = 3) =>
  typeof value === "number" ? value.toFixed(digits) : "–";

/** A small tag; `kind` colours it. */
export const tag = (text, kind = "") => el("span", { class: `tag ${kind}`.trim(), text });

/** The names and values of a mapping, one a line, or a dash. */
export function pairs(mapping) {
  const entries = Object.entries(mapping ?? {});
  if (!entries.length) return el("span", { class: "hint", text: "–" });
  return el(
    "ul",
    { class: "pairs" },
    entries.map(([name, value]) => el("li", {}, el("span", { text: `${name} ` }), value)),
  );
}

/** A labelled bar; `share` is 0…1. The number stands beside it, so colour and length add nothing alone. */
export function bar(label, share, text, kind = "") {
  const fill = el("i");
  fill.style.inlineSize = `${Math.min(1, Math.max(0, share)) * 100}%`;
  return el(
    "div",
    { class: `bar-row ${kind}`.trim() },
    el("span", { text: label }),
    el("span", { class: "track", "aria-hidden": "true" }, fill),
    el("b", { text }),
  );
}

/** Bars of the heads of one candidate. */
export function heads(mapping) {
  const entries = Object.entries(mapping ?? {}).sort(([a], [b]) => a.localeCompare(b));
  return entries.map(([name, value]) => bar(name.replaceAll("_", " "), value, number(value, 2)));
}

/** "chosen" and the like in the words of the page, a list of problems of an input. */
export function problems(error) {
  const items = error.errors?.length ? error.errors : [{ detail: error.message }];
  return el(
    "ul",
    { class: "problem" },
    items.map(({ detail, pointer }) =>
      el("li", {}, pointer ? el("code", { text: pointer }) : null, ` ${detail}`),
    ),
  );
}
