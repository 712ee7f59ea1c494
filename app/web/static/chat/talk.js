// The conversation on the screen: history, messages on their way, replies.

import { byId, toast } from "../lib/dom.js";
import { kept } from "../lib/storage.js";
import { uuid } from "../lib/uuid.js";
import * as api from "./api.js";
import { Log } from "./log.js";
import { mine, notice, paintSending, theirs } from "./message.js";
import { session } from "./session.js";

const CONTEXT_LINES = 12;

/**
 * Events: "change" (another conversation is shown, or it has got its id), "turn" (a reply came),
 * "loaded" (history was shown; `feeling` is known).
 */
export class Talk extends EventTarget {
  #outbox;
  #log = new Log();
  #nodes = new WeakMap(); // entry of the outbox → its message
  #older = null; // cursor
  #shown = ""; // what of the history is shown: the last turn's id
  #opening = 0;
  #said = []; // the last lines here, [{speaker, text}]

  id = null; // of the conversation; null for one that has not begun
  thread = uuid();
  turns = 0; // of the person, in this view
  feeling = null;
  crisis = false;

  constructor(outbox) {
    super();
    this.#outbox = outbox;
    outbox.contextOf = (entry) => (this.#isHere(entry) ? this.#said : []);
    byId("older").addEventListener("click", () => this.#loadOlder());
    outbox.addEventListener("state", ({ detail }) => this.#paint(detail.entry));
    outbox.addEventListener(
      "typing",
      ({ detail }) => this.#isHere(detail.entry) && this.#log.showTyping(true),
    );
    outbox.addEventListener("reply", ({ detail }) => this.#answered(detail));
    outbox.addEventListener(
      "elsewhere",
      ({ detail }) => this.#isHere(detail.entry) && setTimeout(() => this.refresh(), 1500),
    );
    outbox.addEventListener("gone", ({ detail }) => this.#gone(detail));
  }

  /** Begin a conversation; it has no id before its first answer. */
  begin() {
    this.#opening += 1;
    this.#show(null, this.#outbox.unbegun ?? uuid());
    this.#log.fill(this.#pending());
    this.#settle();
  }

  /** Show a conversation of the list. */
  async open(id) {
    const opening = (this.#opening += 1);
    this.#show(id, uuid());
    this.#log.fill([]);
    this.#settle(true);
    try {
      const page = await api.conversation(id);
      if (opening === this.#opening) this.#fill(page);
    } catch (error) {
      if (opening !== this.#opening) return;
      if (error.status === 404) this.begin();
      else this.#unread(error, id, opening);
    }
  }

  /** Load again what other tabs or devices may have added. */
  async refresh() {
    if (!this.id || !session()) return;
    const { id } = this;
    const opening = this.#opening;
    try {
      const page = await api.conversation(id);
      if (opening === this.#opening && page.turns.at(-1)?.turn_id !== this.#shown) this.#fill(page);
    } catch {
      // What is shown stays; the next message will tell.
    }
  }

  /** Send a message. */
  send(text) {
    const entry = this.#outbox.add(text, { thread: this.thread, conversation: this.id });
    this.#log.add(this.#node(entry));
    this.#log.end(true);
    this.turns += 1;
    this.#settle();
  }

  #show(id, thread) {
    this.id = id;
    this.thread = thread;
    this.turns = 0;
    this.feeling = null;
    this.crisis = false;
    this.#shown = "";
    this.#said = [];
    this.#older = null;
    byId("older").hidden = true;
    this.#log.showTyping(false);
    this.dispatchEvent(new Event("change"));
  }

  #fill(page) {
    this.#shown = page.turns.at(-1)?.turn_id ?? "";
    this.#said = [];
    for (const { speaker, text } of arranged(page.turns)) this.#hear(speaker, text);
    this.#older = page.next_cursor ?? null;
    byId("older").hidden = !this.#older;
    this.#log.fill([...this.#history(page.turns), ...this.#pending()]);
    this.turns = page.turns.filter((turn) => turn.speaker === "person").length;
    this.feeling = page.feeling ?? null;
    this.crisis = Boolean(page.crisis);
    this.#settle();
    this.dispatchEvent(new Event("loaded"));
  }

  #history(turns) {
    const lines = arranged(turns);
    return lines.map((turn, i) => {
      if (turn.speaker === "person") return mine(turn.text, turn.created_at);
      const another =
        Boolean(turn.answers) &&
        lines[i - 1]?.speaker === "kindred" &&
        lines[i - 1].answers === turn.answers;
      const superseded = Boolean(turn.answers) && lines[i + 1]?.answers === turn.answers;
      return theirs(turn, {
        another,
        onAlternative: superseded ? null : (reply) => this.#another(reply),
      });
    });
  }

  /** Remember a line for `contextOf`: the last few, and no novels. */
  #hear(speaker, text) {
    this.#said = [...this.#said.slice(1 - CONTEXT_LINES), { speaker, text: text.slice(0, 1000) }];
  }

  #pending() {
    const entries = this.#outbox.of({ thread: this.thread, conversation: this.id });
    return entries.map((entry) => this.#node(entry));
  }

  #node(entry) {
    let node = this.#nodes.get(entry);
    if (!node) {
      node = mine(entry.text, entry.at / 1000);
      this.#nodes.set(entry, node);
    }
    this.#paint(entry);
    return node;
  }

  #paint(entry) {
    const node = this.#nodes.get(entry);
    if (!node) return;
    const retry = () => this.#outbox.retry(entry);
    const drop = () => {
      this.#outbox.drop(entry);
      node.remove();
      this.#settle();
      byId("message").focus();
    };
    paintSending(node, entry, { retry, drop });
    if (!this.#isHere(entry)) return;
    if (entry.state !== "sending") this.#log.showTyping(false);
    else
      setTimeout(
        () => entry.state === "sending" && this.#isHere(entry) && this.#log.showTyping(true),
        250,
      );
  }

  #isHere(entry) {
    return entry.thread === this.thread || Boolean(this.id && entry.conversation === this.id);
  }

  #answered({ entry, reply }) {
    entry.state = "sent";
    const node = this.#nodes.get(entry);
    if (node) paintSending(node, entry, {});
    if (this.#isHere(entry)) {
      this.#hear("person", entry.text);
      this.#hear("kindred", reply.text);
      const began = !this.id;
      this.id = reply.conversation_id;
      this.#log.showTyping(false);
      if (began) this.dispatchEvent(new Event("change"));
      if (entry.restored)
        void this.refresh(); // its turn may already stand in the history
      else this.#reply(reply, node);
    }
    this.dispatchEvent(new CustomEvent("turn", { detail: { entry, reply } }));
  }

  /** A reply behind the message it answers, and the notices that came with it. */
  #reply(reply, after) {
    let last = theirs(reply, { onAlternative: (r) => this.#another(r) });
    this.#log.add(last, after);
    for (const { kind, text } of reply.notices ?? []) {
      const line = notice(kind, text);
      this.#log.add(line, last);
      last = line;
    }
  }

  async #another(reply) {
    try {
      const other = await api.alternative(reply.reply_id);
      const place = byId("log").querySelector(`[data-reply="${CSS.escape(reply.reply_id)}"]`);
      this.#log.add(
        theirs(other, { another: true, onAlternative: (r) => this.#another(r) }),
        place,
      );
      return true;
    } catch (error) {
      toast(error.status === 409 ? "There is no other answer to this one." : error.message);
      return error.status === 409;
    }
  }

  #gone({ entry, conversation }) {
    if (this.id === conversation) {
      this.#show(null, entry.thread);
      this.#log.fill(this.#pending());
      toast("That conversation is no longer kept. This is a new one.");
    }
    if (kept.get("last") === conversation) kept.remove("last");
  }

  async #loadOlder() {
    const button = byId("older");
    const opening = this.#opening;
    button.disabled = true;
    try {
      const page = await api.conversation(this.id, this.#older);
      if (opening !== this.#opening) return;
      this.#older = page.next_cursor ?? null;
      this.#log.prepend(this.#history(page.turns));
      button.hidden = !this.#older;
    } catch (error) {
      toast(error.message);
    } finally {
      button.disabled = false;
    }
  }

  #unread(error, id, opening) {
    toast(`This conversation could not be loaded. ${error.message}`);
    setTimeout(() => opening === this.#opening && this.open(id), 8000);
  }

  #settle(loading = false) {
    byId("hello").hidden = loading || Boolean(this.#older);
    byId("starts").hidden = !this.#log.empty;
    document.body.classList.toggle("begun", !this.#log.empty);
  }
}

/** In order, but the alternatives of a reply stand right after it, whenever they were asked for. */
function arranged(turns) {
  const lines = [];
  for (const turn of turns) {
    const place = turn.answers ? lines.findLastIndex((line) => line.answers === turn.answers) : -1;
    if (place < 0) lines.push(turn);
    else lines.splice(place + 1, 0, turn);
  }
  return lines;
}
