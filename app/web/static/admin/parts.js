// What the admin's views share: tags, bars, numbers.

import { el, said } from "../lib/dom.js";

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

/** What is wrong with an input: each problem, and the field it is in. */
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

const SEEN = 2; // lines of a context that are shown unasked

/** The last lines of a context, oldest first; what came before can be opened. */
export function context(texts) {
  const line = (text) => said(text, "p", { class: "context" });
  const lines = texts ?? [];
  const earlier = lines.slice(0, -SEEN);
  const last = lines.slice(-SEEN).map(line);
  if (!earlier.length) return last;
  const summary = el("summary", { text: `${earlier.length} earlier` });
  return [el("details", {}, summary, earlier.map(line)), ...last];
}
