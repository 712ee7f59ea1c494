// The side column; on a small screen it is a drawer over the page.

import { byId } from "../lib/dom.js";

const SMALL = matchMedia("(max-width: 899px)");

export class Drawer {
  #side = byId("side");
  #opener = byId("side-open");

  constructor() {
    this.#opener.addEventListener("click", () => this.open());
    byId("side-close").addEventListener("click", () => this.close());
    byId("shade").addEventListener("click", () => this.close());
    addEventListener("keydown", (event) => event.key === "Escape" && this.isOpen && this.close());
    SMALL.addEventListener("change", () => this.#paint(false));
    this.#paint(false);
  }

  get isOpen() {
    return this.#side.classList.contains("open");
  }

  open() {
    this.#paint(true);
    byId("side-close").focus();
  }

  close() {
    if (!this.isOpen) return;
    this.#paint(false);
    this.#opener.focus();
  }

  #paint(open) {
    this.#side.classList.toggle("open", open);
    this.#side.inert = SMALL.matches && !open;
    byId("talk").inert = open;
    byId("shade").hidden = !open;
    this.#opener.setAttribute("aria-expanded", String(open));
  }
}
