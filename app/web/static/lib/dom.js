// Small helpers for the page's elements. Text enters only as text nodes: markup in it is inert.

const SVG = "http://www.w3.org/2000/svg";

/** An element: `props` may hold class, text, data {}, on {}, and any attribute (false leaves it out). */
export function el(tag, props = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (value === undefined || value === null || value === false) continue;
    if (name === "text") node.textContent = value;
    else if (name === "data") Object.assign(node.dataset, value);
    else if (name === "on") listen(node, value);
    else node.setAttribute(name, value === true ? "" : String(value));
  }
  node.append(
    ...children.flat().filter((child) => child !== null && child !== undefined && child !== false),
  );
  return node;
}

function listen(node, handlers) {
  for (const [event, handler] of Object.entries(handlers)) node.addEventListener(event, handler);
}

/** A drawing of the page's sprite; decorative, so hidden from screen readers. */
export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS(SVG, "use");
  use.setAttribute("href", `#i-${name}`);
  svg.append(use);
  return svg;
}

/** Text that a person or a model wrote: its own direction, isolated from what is around it. */
export function said(text, tag = "p", props = {}) {
  return el(tag, { dir: "auto", ...props, class: `said ${props.class ?? ""}`.trim(), text });
}

/** A button that shows a drawing and is named by `label`. */
export function iconButton(name, label, props = {}) {
  return el(
    "button",
    { type: "button", "aria-label": label, title: label, class: "icon-button", ...props },
    icon(name),
  );
}

export const byId = (id) => document.getElementById(id);

/** Show what must be heard by a screen reader and seen by everyone, for some seconds. */
export function toast(text) {
  const place = byId("toasts");
  const note = el("div", { class: "toast", text });
  place.append(note);
  setTimeout(() => note.remove(), 6000);
}

/** Ask before something that cannot be undone. Resolves to true or false. */
export function confirmed(dialog) {
  return new Promise((resolve) => {
    dialog.returnValue = "";
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), { once: true });
    dialog.showModal();
  });
}
