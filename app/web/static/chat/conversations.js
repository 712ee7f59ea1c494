// The list of conversations, the last used first.

import { byId, el } from "../lib/dom.js";
import { brief, dateOf } from "../lib/time.js";
import * as api from "./api.js";
import { session } from "./session.js";

export class Conversations {
  #list = byId("conversations");
  #more = byId("more-conversations");
  #cursor = null;
  #items = [];
  #current = null;

  constructor(onOpen) {
    this.onOpen = onOpen;
    this.#more.addEventListener("click", () => this.#load(this.#cursor));
  }

  /** Read the list again; its conversations, the last used first. */
  async refresh() {
    if (session()) await this.#load(null);
    else this.#set([], null);
    return this.#items;
  }

  /** Mark the one on the screen. */
  mark(id) {
    this.#current = id;
    for (const button of this.#list.querySelectorAll("button")) {
      if (button.dataset.id === id) button.setAttribute("aria-current", "true");
      else button.removeAttribute("aria-current");
    }
  }

  async #load(cursor) {
    try {
      const page = await api.conversations(cursor);
      this.#set(cursor ? [...this.#items, ...page.items] : page.items, page.next_cursor ?? null);
    } catch {
      // The list stays as it was; it is read again after the next reply.
    }
  }

  #set(items, cursor) {
    this.#items = items;
    this.#cursor = cursor;
    this.#more.hidden = !cursor;
    byId("no-conversations").hidden = items.length > 0;
    const rows = items.map((item) => el("li", {}, this.#button(item)));
    const focused = document.activeElement?.dataset?.id;
    this.#list.replaceChildren(...rows);
    this.mark(this.#current);
    if (focused) this.#list.querySelector(`[data-id="${CSS.escape(focused)}"]`)?.focus();
  }

  #button(item) {
    const open = () => this.onOpen(item.conversation_id);
    const time = brief(dateOf(item.updated_at));
    const text = item.last_text || "A conversation";
    return el(
      "button",
      {
        type: "button",
        class: "talk-item",
        data: { id: item.conversation_id },
        on: { click: open },
      },
      el("span", { class: "talk-text", dir: "auto", text }),
      el("span", { class: "talk-time", text: time }),
    );
  }
}
