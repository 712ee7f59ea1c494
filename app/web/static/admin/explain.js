// One reply taken apart: its slate, why each candidate stands where it does, and the choice again.

import { byId, el, icon, said } from "../lib/dom.js";
import { dateOf, full } from "../lib/time.js";
import * as api from "./api.js";
import { bar, context, heads, number, pairs, tag } from "./parts.js";

export class Explain {
  #form = byId("explain-form");
  #state = byId("explain-state");
  #place = byId("slate");
  #asked = 0;

  constructor(onError) {
    this.onError = onError;
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      const id = this.#form.elements.reply.value.trim();
      if (location.hash === `#/explain/${encodeURIComponent(id)}`) void this.show(id);
      else location.hash = `/explain/${encodeURIComponent(id)}`;
    });
  }

  /** Read and show the slate of a reply; "" shows the empty form. */
  async show(id) {
    const asked = (this.#asked += 1);
    this.#form.elements.reply.value = id;
    if (!id) return this.#form.elements.reply.focus();
    this.#state.textContent = "Reading…";
    try {
      const found = await api.explain(id);
      if (asked !== this.#asked) return undefined;
      this.#state.textContent = "";
      this.#place.replaceChildren(...this.#parts(id, found));
    } catch (error) {
      if (asked !== this.#asked) return undefined;
      this.#place.replaceChildren();
      this.#state.textContent =
        error.status === 404 ? "There is no such reply." : this.onError(error);
    }
    return undefined;
  }

  #parts(id, found) {
    return [
      spoken(found),
      el("div", { class: "panels" }, decision(found), timings(found), this.#replay(id)),
      candidates(found),
    ];
  }

  #replay(id) {
    const answer = el("div", { role: "status" });
    const again = async () => {
      button.disabled = true;
      try {
        answer.replaceChildren(...verdict(await api.replay(id)));
      } catch (error) {
        answer.textContent = this.onError(error);
      }
      button.disabled = false;
    };
    const button = el(
      "button",
      { type: "button", class: "button", id: "replay", on: { click: again } },
      icon("another"),
      "Replay the choice",
    );
    const about = el("p", {
      class: "hint",
      text: "Chooses again from the recorded scores, filters and seed.",
    });
    return panel("Replay", about, button, answer);
  }
}

const panel = (title, ...children) =>
  el("section", { class: "panel", "aria-label": title }, el("h3", { text: title }), ...children);

function spoken(found) {
  const { reply } = found;
  const date = dateOf(reply.created_at);
  const line = el(
    "p",
    { class: "links" },
    tag(reply.source, reply.source),
    reply.degraded ? tag("degraded", "warn") : null,
    found.explored ? tag("explored", "warn") : null,
    found.reaction ? tag(`reaction: ${found.reaction}`) : null,
    link(found.alternative_of, "Alternative of"),
    link(found.alternative, "Its alternative"),
    el("time", { class: "hint", datetime: date.toISOString(), text: full(date) }),
  );
  return panel(
    "What was said",
    ...context(found.context),
    said(reply.text, "p", { class: "response" }),
    line,
  );
}

const link = (id, text) =>
  id ? el("a", { href: `#/explain/${encodeURIComponent(id)}`, text }) : null;

function decision(found) {
  const rows = [
    ["Candidates", `${found.candidates.length} (${found.n} generated asked for)`],
    ["Exploration", number(found.exploration, 2)],
    ["Seed", String(found.seed)],
    ["Too late", (found.late ?? []).join(", ") || "nothing"],
    ["Shown before", String((found.shown ?? []).length)],
  ];
  const list = el(
    "dl",
    {},
    rows.flatMap(([name, value]) => [el("dt", { text: name }), el("dd", { text: value })]),
  );
  list.append(
    el("dt", { text: "Variants" }),
    el("dd", {}, pairs(found.variants)),
    el("dt", { text: "Models" }),
    el("dd", {}, pairs(found.versions)),
  );
  if (found.facts?.length)
    list.append(
      el("dt", { text: "Facts used" }),
      el(
        "dd",
        {},
        found.facts.map((fact) => said(fact)),
      ),
    );
  return panel("Decision", list);
}

function timings(found) {
  const entries = Object.entries(found.timings_ms ?? {});
  const most = Math.max(1, ...entries.map(([, ms]) => ms));
  return panel(
    "Stage times",
    ...entries.map(([stage, ms]) => bar(stage, ms / most, `${number(ms, 1)} ms`)),
    entries.length ? "" : el("p", { class: "hint", text: "None were measured." }),
  );
}

function candidates(found) {
  const order = [...found.candidates].sort((a, b) => rank(b) - rank(a));
  const list = order.map((candidate) => card(candidate, candidate.chosen));
  const none = el("p", {
    class: "hint",
    text: "No candidates: a written text answered this message.",
  });
  return panel("Slate", el("ol", { class: "slate" }, list), list.length ? "" : none);
}

/** The chosen one first, then by score; filtered ones after those that could have been shown. */
function rank(candidate) {
  if (candidate.chosen) return Infinity;
  return (candidate.score ?? -10) - (candidate.filters?.length ? 100 : 0);
}

function card(candidate, chosen) {
  const top = el(
    "p",
    { class: "links" },
    chosen ? tag("chosen", "chosen") : null,
    tag(candidate.source, candidate.source),
    (candidate.filters ?? []).map((filter) => tag(`filtered: ${filter}`, "warn")),
    (candidate.tags ?? []).map((name) => tag(name)),
  );
  const facts = [
    ["score", number(candidate.score)],
    ["propensity", number(candidate.propensity)],
    ["bias", number(candidate.bias)],
    ["retrieval", number(candidate.retrieval_score)],
    ["log p", number(candidate.logprob, 2)],
  ];
  const values = el(
    "dl",
    { class: "values" },
    facts.map(([name, value]) =>
      el("div", {}, el("dt", { text: name }), el("dd", { text: value })),
    ),
  );
  const left = el("div", {}, top, said(candidate.text, "p", { class: "response" }), values);
  const classes = `candidate${chosen ? " chosen" : ""}${candidate.filters?.length ? " out" : ""}`;
  return el(
    "li",
    { class: classes, "aria-current": chosen ? "true" : null },
    left,
    el("div", { class: "heads" }, heads(candidate.heads)),
  );
}

function verdict(answer) {
  const parts = [
    el(
      "p",
      {},
      tag(answer.same ? "the same choice" : "another choice", answer.same ? "chosen" : "warn"),
    ),
  ];
  parts.push(
    answer.text
      ? said(answer.text, "p", { class: "response" })
      : el("p", { class: "hint", text: "No candidate: a written text answers." }),
  );
  return parts;
}
