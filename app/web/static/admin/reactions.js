// The reactions table: filters, pages, and the way from a row to its slate.

import { byId, el, icon, said } from "../lib/dom.js";
import { brief, clock, dateOf, full } from "../lib/time.js";
import * as api from "./api.js";
import { context, heads, number, pairs, tag } from "./parts.js";

export class Reactions {
  #body = byId("events");
  #state = byId("reactions-state");
  #more = byId("more-events");
  #form = byId("filters");
  #cursor = null;
  #asked = 0;

  constructor(onError) {
    this.onError = onError;
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      void this.show();
    });
    this.#form.addEventListener("reset", () => setTimeout(() => this.show()));
    byId("reload").addEventListener("click", () => this.show());
    this.#more.addEventListener("click", () => this.#load(this.#cursor));
  }

  /** Read the newest events. */
  async show() {
    await this.#load(null);
  }

  #filters() {
    const form = new FormData(this.#form);
    const moment = (name) => form.get(name) && new Date(form.get(name)).toISOString();
    return {
      since: moment("since"),
      until: moment("until"),
      reaction: form.get("reaction"),
      variant: form.get("variant").trim(),
    };
  }

  async #load(cursor) {
    const asked = (this.#asked += 1);
    this.#say("Reading…");
    try {
      const page = await api.reactions(this.#filters(), cursor);
      if (asked !== this.#asked) return;
      const rows = page.items.map(row);
      if (cursor) this.#body.append(...rows);
      else this.#body.replaceChildren(...rows);
      this.#cursor = page.next_cursor ?? null;
      this.#more.hidden = !this.#cursor;
      this.#say(this.#body.children.length ? "" : "No reactions here yet.");
    } catch (error) {
      if (asked === this.#asked) this.#say(this.onError(error));
    }
  }

  #say(text) {
    this.#state.textContent = text;
  }
}

function row(event) {
  const cell = (label, ...children) => el("td", { role: "cell", data: { label } }, ...children);
  return el(
    "tr",
    { role: "row", data: { reply: event.reply_id } },
    cell("When", when(event)),
    cell("Reaction", ...reaction(event)),
    cell("Message and reply", ...words(event)),
    cell("Scores", ...scores(event)),
    cell("Variants", pairs(event.variants)),
    cell("Models", pairs(event.versions)),
  );
}

function when(event) {
  const date = dateOf(event.created_at);
  const text = brief(date) === clock(date) ? clock(date) : `${brief(date)} ${clock(date)}`;
  return el("time", { datetime: date.toISOString(), title: full(date), text });
}

function reaction(event) {
  const kind = event.reaction ?? event.previous;
  const parts = [
    el(
      "span",
      { class: "kind" },
      kind ? icon(kind) : null,
      el("b", { text: event.reaction ?? `no longer ${kind}` }),
    ),
  ];
  const before =
    event.action === "replaced" && event.previous
      ? el("span", { class: "hint", text: `was ${event.previous}` })
      : null;
  parts.push(el("p", { class: "tags" }, tag(event.action, event.action), before));
  if (event.comment) parts.push(said(`“${event.comment}”`, "p", { class: "comment" }));
  return parts;
}

function words(event) {
  const parts = context(event.context);
  parts.push(
    event.response
      ? said(event.response, "p", { class: "response" })
      : el("p", { class: "hint", text: "Erased or expired." }),
  );
  parts.push(
    el(
      "p",
      { class: "links" },
      tag(event.source ?? "–", event.source),
      el("a", { href: `#/explain/${encodeURIComponent(event.reply_id)}`, text: "Explain" }),
      el("code", { text: event.reply_id }),
    ),
  );
  return parts;
}

function scores(event) {
  const score = event.scores?.score;
  return [
    el("p", { class: "score" }, el("b", { text: number(score) })),
    ...heads(event.scores?.heads),
  ];
}
