// Where the person writes: grows with the text, keeps what was not sent, knows the keys.

import { byId } from "../lib/dom.js";
import { kept } from "../lib/storage.js";

const SAVE_AFTER = 300; // ms

export class Composer {
  #field = byId("message");
  #button = byId("send");
  #key = "draft.new";
  #timer = 0;

  constructor(onSend) {
    this.onSend = onSend;
    byId("composer").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#send();
    });
    this.#field.addEventListener("input", () => this.#changed());
    this.#field.addEventListener("keydown", (event) => this.#pressed(event));
    addEventListener("pagehide", () => this.#save());
    this.#paint();
  }

  /** Show the draft of this conversation (null: of a new one). */
  for(conversation, { carry = false } = {}) {
    const text = this.#field.value;
    this.#save();
    this.#key = `draft.${conversation ?? "new"}`;
    if (carry) {
      kept.remove("draft.new");
      this.#field.value = text;
      this.#save();
    } else {
      this.#field.value = kept.get(this.#key) ?? "";
    }
    this.#paint();
  }

  /** Put words into an empty field, for the person to send or change. */
  suggest(text) {
    this.#field.value = text;
    this.#changed();
    this.focus();
  }

  focus() {
    this.#field.focus();
  }

  clear() {
    this.#field.value = "";
    this.#changed();
  }

  #pressed(event) {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing || event.keyCode === 229)
      return;
    event.preventDefault();
    this.#send();
  }

  #send() {
    const text = this.#field.value.trim();
    if (!text) return this.focus();
    this.clear();
    this.#save();
    this.onSend(text);
    return this.focus();
  }

  #changed() {
    this.#paint();
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#save(), SAVE_AFTER);
  }

  #save() {
    clearTimeout(this.#timer);
    if (this.#field.value) kept.set(this.#key, this.#field.value);
    else kept.remove(this.#key);
  }

  #paint() {
    this.#button.classList.toggle("ready", Boolean(this.#field.value.trim()));
    this.#field.style.height = "auto";
    this.#field.style.height = `${Math.min(this.#field.scrollHeight, innerHeight * 0.35)}px`;
  }
}
