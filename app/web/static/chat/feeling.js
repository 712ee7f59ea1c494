// "How do you feel now?": asked gently, once in a conversation, and never in a crisis.

import { byId, el, icon, toast } from "../lib/dom.js";
import { kept } from "../lib/storage.js";
import * as api from "./api.js";

const AFTER_TURNS = 8;
const WHEN_LEAVING = 3; // turns that make it worth asking
const GOODBYE =
  /^(ok(ay)?[,. ]+)?((good ?)?(bye|night)|gn|see (you|ya)|goodbye|talk (to you )?(later|soon)|ttyl|i('| a)?m (going to|off to) (bed|sleep)|(got to|gotta|have to) go)\b/i;
const CHOICES = [
  ["better", "Better", "I’m glad. Thank you for telling me."],
  ["same", "About the same", "Thank you for telling me."],
  [
    "worse",
    "Worse",
    "Thank you for saying so. If it gets too heavy, findahelpline.com lists people who will listen.",
  ],
];

export class Feeling {
  #card = byId("feeling");
  #talk;

  constructor(talk) {
    this.#talk = talk;
  }

  /** Ask where the time seems right: after some turns, or at a goodbye. */
  afterTurn(text) {
    const { id, turns, feeling } = this.#talk;
    if (!isKept(id) || feeling || asked(id) || this.#talk.crisis) return;
    if (turns >= AFTER_TURNS || (turns >= WHEN_LEAVING && GOODBYE.test(text.trim()))) this.ask(id);
  }

  /** The person begins another conversation: ask of the one they leave. */
  onLeaving() {
    const { id, turns, feeling, crisis } = this.#talk;
    const due = isKept(id) && turns >= WHEN_LEAVING && !feeling && !crisis && !asked(id);
    return () =>
      due ? this.ask(id, "Before you go on: how do you feel after that talk?") : this.hide();
  }

  hide() {
    this.#card.hidden = true;
  }

  /** Show the question. `byHand`: the person asked for it, so the focus goes there. */
  ask(id, title = "How do you feel now?", byHand = false) {
    kept.set(`asked.${id}`, true);
    const choices = el("div", {
      class: "choices",
      role: "group",
      "aria-labelledby": "feeling-title",
    });
    for (const [feeling, label, thanks] of CHOICES) {
      choices.append(
        el(
          "button",
          {
            type: "button",
            class: "button",
            data: { feeling },
            on: { click: () => this.#tell(id, feeling, thanks) },
          },
          icon(feeling),
          label,
        ),
      );
    }
    const dismiss = el("button", {
      type: "button",
      class: "text-button",
      text: "Not now",
      on: { click: () => this.#close() },
    });
    this.#card.replaceChildren(el("h2", { id: "feeling-title", text: title }), choices, dismiss);
    this.#show();
    if (byHand) choices.querySelector("button").focus();
  }

  async #tell(id, feeling, thanks) {
    try {
      await api.feel(id, feeling);
      if (this.#talk.id === id) this.#talk.feeling = feeling;
      this.#card.replaceChildren(el("p", { role: "status", text: thanks }));
      byId("message").focus();
    } catch (error) {
      toast(`That was not kept. ${error.message}`);
    }
  }

  #show() {
    this.#card.hidden = false;
    this.#card.scrollIntoView({ block: "nearest" });
  }

  #close() {
    this.hide();
    byId("message").focus();
  }
}

// A conversation that began while the server could keep nothing has an id that says so.
const isKept = (id) => Boolean(id) && !id.startsWith("x");
const asked = (id) => Boolean(kept.get(`asked.${id}`));
