// Under each reply: six reactions, a note to go with one, and another answer.

import { el, icon, toast } from "../lib/dom.js";
import * as api from "./api.js";

export const REACTIONS = [
  ["love", "Love it"],
  ["funny", "Funny"],
  ["upvote", "Good answer"],
  ["meaningless", "Makes no sense"],
  ["offensive", "Offensive"],
  ["downvote", "Bad answer"],
];
const NAMES = Object.fromEntries(REACTIONS);

/** The tools of one reply; `alternative` (a function of the reply, or false) brings another one. */
export class Tools {
  #reply;
  #buttons = new Map();
  #wanted;
  #comment;
  #last = Promise.resolve();

  constructor(reply, { alternative }) {
    this.#reply = reply;
    this.#wanted = reply.reaction ?? null;
    this.#comment = reply.comment ?? "";
    this.row = el("div", {
      class: "reactions",
      role: "group",
      "aria-label": "Your reaction to this reply",
    });
    for (const [kind, label] of REACTIONS) this.row.append(this.#button(kind, label));
    this.chosen = el("span", { class: "chosen" });
    this.more = el(
      "button",
      {
        type: "button",
        class: "more",
        "aria-expanded": "false",
        "aria-label": "React to this reply",
        title: "React",
        on: { click: () => this.#toggle() },
      },
      icon("react"),
    );
    this.note = el("div", { class: "note", hidden: true });
    this.node = el(
      "div",
      { class: "tools" },
      this.more,
      this.row,
      this.chosen,
      alternative ? this.#another(alternative) : null,
      this.note,
    );
    this.#paint();
  }

  #button(kind, label) {
    const choose = () => this.#choose(this.#wanted === kind ? null : kind);
    const button = el(
      "button",
      {
        type: "button",
        class: "reaction",
        "aria-pressed": "false",
        "aria-label": label,
        "data-tip": label,
        data: { kind },
        on: { click: choose },
      },
      icon(kind),
    );
    this.#buttons.set(kind, button);
    return button;
  }

  #another(alternative) {
    const ask = async () => {
      button.disabled = true;
      if (await alternative(this.#reply)) button.remove();
      else button.disabled = false;
    };
    const button = el(
      "button",
      { type: "button", class: "another", title: "Another answer", on: { click: ask } },
      icon("another"),
      el("span", { text: "Another answer" }),
    );
    return button;
  }

  #toggle() {
    const open = this.node.classList.toggle("open");
    this.more.setAttribute("aria-expanded", String(open));
    if (open) this.row.querySelector("button").focus();
  }

  /** Show it at once; put it back where the server says no. */
  #choose(kind) {
    const before = this.#wanted;
    this.#wanted = kind;
    if (!kind) this.#comment = "";
    this.#paint();
    this.#save(before);
  }

  #save(before) {
    const kind = this.#wanted;
    this.#last = this.#last.then(async () => {
      if (kind !== this.#wanted) return; // a later choice is on its way
      try {
        if (kind) await api.react(this.#reply.reply_id, kind, this.#comment);
        else await api.retract(this.#reply.reply_id);
      } catch (error) {
        if (kind !== this.#wanted) return;
        this.#wanted = before;
        this.#paint();
        toast(`Your reaction was not kept. ${error.message}`);
      }
    });
  }

  #paint() {
    for (const [kind, button] of this.#buttons)
      button.setAttribute("aria-pressed", String(kind === this.#wanted));
    this.node.classList.toggle("reacted", Boolean(this.#wanted));
    this.chosen.replaceChildren();
    this.note.hidden = true;
    if (!this.#wanted) return;
    const words = this.#comment ? "Edit your note" : "Add a note";
    this.chosen.append(
      el("span", { text: NAMES[this.#wanted] }),
      el("button", {
        type: "button",
        class: "text-button",
        text: words,
        on: { click: () => this.#openNote() },
      }),
    );
  }

  #openNote() {
    const field = el("input", {
      type: "text",
      maxlength: "500",
      dir: "auto",
      "aria-label": "Your note on this reply",
      placeholder: "What made you feel so?",
      value: this.#comment,
    });
    const close = () => {
      this.#paint();
      this.chosen.querySelector("button")?.focus();
    };
    const keep = (event) => {
      event.preventDefault();
      this.#comment = field.value.trim();
      this.#save(this.#wanted);
      close();
    };
    const cancel = (event) => {
      if (event.key !== "Escape") return;
      event.stopPropagation();
      close();
    };
    this.note.replaceChildren(
      el(
        "form",
        { on: { submit: keep, keydown: cancel } },
        field,
        el("button", { class: "text-button", text: "Keep" }),
      ),
    );
    this.note.hidden = false;
    field.focus();
  }
}
