// "What it remembers": each belief with the sentence it came from, to forget one or all.

import { byId, confirmed, el, icon, said, toast } from "../lib/dom.js";
import * as api from "./api.js";
import { session } from "./session.js";

const KINDS = {
  name: "Your name",
  likes: "You like",
  dislikes: "You don’t like",
  person: "Someone in your life",
  pet: "An animal in your life",
  place: "Where you are",
  work: "What you do",
  age: "Your age",
};

const titleOf = (fact) =>
  KINDS[fact.kind] ?? fact.kind.replace(/^./, (letter) => letter.toUpperCase());

export class Memory {
  #dialog = byId("memory");
  #body = byId("memory-body");
  #all = byId("forget-all");

  constructor() {
    this.#all.addEventListener("click", () => this.#forgetAll());
    this.#dialog.addEventListener(
      "click",
      (event) => event.target === this.#dialog && this.#dialog.close(),
    );
  }

  /** Open the panel and read what is remembered. */
  async open() {
    this.#say("Looking…");
    this.#dialog.showModal();
    if (!session()) return this.#paint([]);
    try {
      const page = await api.memories();
      return this.#paint(page.items);
    } catch (error) {
      return this.#say(`This could not be read. ${error.message}`);
    }
  }

  #say(text) {
    this.#all.hidden = true;
    this.#body.replaceChildren(el("p", { class: "hint", text }));
  }

  #paint(facts) {
    if (!facts.length)
      return this.#say("Nothing yet. As you talk, things you tell about yourself appear here.");
    this.#all.hidden = false;
    const list = el("ul", { class: "facts" }, ...facts.map((fact) => this.#row(fact)));
    return this.#body.replaceChildren(list);
  }

  #row(fact) {
    const id = fact.memory_id;
    const forget = async () => {
      button.disabled = true;
      try {
        await api.forget(id);
      } catch (error) {
        if (error.status !== 404) {
          button.disabled = false;
          return toast(`It could not be forgotten. ${error.message}`);
        }
      }
      const next = row.nextElementSibling ?? row.previousElementSibling;
      row.remove();
      if (next) next.querySelector("button").focus();
      else this.#paint([]);
      return undefined;
    };
    const name = `Forget: ${titleOf(fact)} ${fact.value}`;
    const button = el(
      "button",
      {
        type: "button",
        class: "icon-button",
        "aria-label": name,
        title: "Forget this",
        on: { click: forget },
      },
      icon("trash"),
    );
    const quote = el("blockquote", { dir: "auto", class: "said", text: fact.sentence });
    const row = el(
      "li",
      {},
      el(
        "div",
        {},
        el("p", { class: "label", text: titleOf(fact) }),
        said(fact.value, "p", { class: "value" }),
        quote,
      ),
      button,
    );
    return row;
  }

  async #forgetAll() {
    if (!(await confirmed(byId("ask-forget")))) return;
    try {
      await api.forgetAll();
      this.#paint([]);
      this.#dialog.querySelector("button").focus();
    } catch (error) {
      toast(`It could not be forgotten. ${error.message}`);
    }
  }
}
