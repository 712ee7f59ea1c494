// The messages of one conversation, in order, with days between them.

import { byId, el } from "../lib/dom.js";
import { dateOf, dayName } from "../lib/time.js";

const NEAR = 120; // px from the end that count as being there

/** Fills #log; adds are announced, fills are not. */
export class Log {
  constructor() {
    this.node = byId("log");
    this.scroll = byId("scroll");
    this.typing = byId("typing");
    this.toEnd = byId("to-end");
    this.scroll.addEventListener("scroll", () => this.#paintToEnd(), { passive: true });
    this.toEnd.addEventListener("click", () => this.end(true));
    new ResizeObserver(() => this.#stick && this.end()).observe(this.scroll);
  }

  #stick = true;

  get empty() {
    return !this.node.querySelector(".message");
  }

  /** Replace all messages without announcing them. */
  fill(nodes) {
    this.#silently(() => this.node.replaceChildren(...nodes));
    this.end();
  }

  /** Put earlier messages in front; what is seen stays where it is. */
  prepend(nodes) {
    const height = this.scroll.scrollHeight;
    this.#silently(() => this.node.prepend(...nodes));
    this.scroll.scrollTop += this.scroll.scrollHeight - height;
  }

  /** Add a message at the end, or right after another one. */
  add(node, after = null) {
    const follow = this.#stick;
    if (after?.isConnected) after.after(node);
    else this.node.append(node);
    this.#days();
    if (follow) this.end(true);
    else this.#paintToEnd();
  }

  /** Days between messages and the mark on the last reply, after any change. */
  #days() {
    for (const old of this.node.querySelectorAll(".day, .latest")) {
      if (old.classList.contains("day")) old.remove();
      else old.classList.remove("latest");
    }
    let last = "";
    for (const message of this.node.querySelectorAll(".message")) {
      const name = dayName(dateOf(message.querySelector("time").dateTime));
      if (name !== last) message.before(el("p", { class: "day", text: name }));
      last = name;
    }
    [...this.node.querySelectorAll(".theirs")].pop()?.classList.add("latest");
  }

  #silently(change) {
    this.node.setAttribute("aria-live", "off");
    change();
    this.#days();
    requestAnimationFrame(() => this.node.setAttribute("aria-live", "polite"));
  }

  /** Kindred is writing, or has stopped. */
  showTyping(on) {
    if (on === Boolean(this.typing.firstChild)) return;
    const dots = el("span", { class: "dots", "aria-hidden": "true" }, el("i"), el("i"), el("i"));
    this.typing.replaceChildren(
      ...(on ? [el("span", { class: "unseen", text: "Kindred is writing" }), dots] : []),
    );
    if (on && this.#stick) this.end(true);
  }

  /** Scroll to the end. */
  end(smooth = false) {
    const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
    this.scroll.scrollTo({
      top: this.scroll.scrollHeight,
      behavior: smooth && !calm ? "smooth" : "instant",
    });
    this.#stick = true;
    this.toEnd.hidden = true;
  }

  #paintToEnd() {
    const left = this.scroll.scrollHeight - this.scroll.scrollTop - this.scroll.clientHeight;
    this.#stick = left < NEAR;
    this.toEnd.hidden = this.#stick;
  }
}
