// Messages on their way. Each keeps its message_id until it is answered, so that sending it again,
// after a tunnel, a reload or from a second tab, never makes a second turn.

import { isPassing } from "../lib/http.js";
import { kept } from "../lib/storage.js";
import { uuid } from "../lib/uuid.js";
import * as api from "./api.js";

const TRIES = 8;
const FIRST_WAIT = 1000; // ms
const LONGEST_WAIT = 30_000;

/**
 * One after the other, in the order they were written.
 *
 * Events: "state" {entry}, "typing" {entry}, "reply" {entry, reply}, "elsewhere" {entry} (another
 * tab has sent it). An entry: {id, thread, conversation, text, at, state, reason}; state is
 * "sending", "waiting" (it will be tried again) or "failed" (the person decides). Messages of one
 * `thread` share the conversation that the first of them begins.
 */
export class Outbox extends EventTarget {
  #entries = [];
  #running = false;
  #wake = null;

  /** The lines before an entry, [{speaker, text}]: for a server that cannot reach its memory. */
  contextOf = () => [];

  constructor() {
    super();
    const restored = kept
      .keys("out.")
      .map((key) => kept.get(key))
      .filter((entry) => entry?.id && entry.text);
    this.#entries = restored
      .sort((a, b) => a.at - b.at)
      .map((entry) => ({ ...entry, restored: true, state: "waiting" }));
    addEventListener("online", () => this.#wake?.());
  }

  /** Entries of a thread or conversation, in order. */
  of({ thread, conversation }) {
    return this.#entries.filter(
      (e) => e.thread === thread || (conversation && e.conversation === conversation),
    );
  }

  /** The thread of a message that was written before its conversation began, or null. */
  get unbegun() {
    return this.#entries.find((entry) => !entry.conversation)?.thread ?? null;
  }

  /** Write a message; it is kept before it is sent. */
  add(text, { thread, conversation }) {
    const entry = {
      id: uuid(),
      thread,
      conversation,
      text,
      at: Date.now(),
      state: "sending",
      reason: "",
    };
    this.#entries.push(entry);
    this.#keep(entry);
    void this.run();
    return entry;
  }

  /** Try one again now. */
  retry(entry) {
    entry.tries = 0;
    this.#mark(entry, "sending");
    if (this.#wake) this.#wake();
    else void this.run();
  }

  /** Give one up. */
  drop(entry) {
    this.#entries = this.#entries.filter((other) => other !== entry);
    kept.remove(`out.${entry.id}`);
  }

  /** Give all up (the person was erased). */
  clear() {
    for (const entry of [...this.#entries]) this.drop(entry);
  }

  /** Send what is waiting, until nothing is left that can be sent. */
  async run() {
    if (this.#running) return;
    this.#running = true;
    try {
      for (let entry = this.#next(); entry; entry = this.#next()) await this.#sendAlone(entry);
    } finally {
      this.#running = false;
    }
  }

  #next() {
    return this.#entries.find((entry) => entry.state !== "failed");
  }

  async #sendAlone(entry) {
    if (!navigator.locks) return this.#send(entry);
    return navigator.locks.request(`kindred-out-${entry.id}`, { ifAvailable: true }, (lock) => {
      if (lock && kept.get(`out.${entry.id}`)) return this.#send(entry);
      if (lock && !entry.restored) return this.#send(entry); // a browser that keeps nothing
      this.#entries = this.#entries.filter((other) => other !== entry); // what is kept stays with that tab
      this.#tell("elsewhere", { entry });
      return undefined;
    });
  }

  async #send(entry) {
    entry.tried = true; // from now on its body must stay as it is
    this.#keep(entry);
    this.#mark(entry, "sending");
    try {
      const message = {
        message: entry.text,
        messageId: entry.id,
        conversation: entry.conversation,
        context: this.contextOf(entry),
      };
      const reply = await api.chat(message, () => this.#tell("typing", { entry }));
      this.drop(entry);
      this.#adopt(entry, reply.conversation_id);
      this.#tell("reply", { entry, reply });
    } catch (error) {
      await this.#failed(entry, error);
    }
  }

  /** Messages written before the conversation had an id belong to it now. */
  #adopt(entry, conversation) {
    entry.conversation = conversation;
    for (const other of this.#entries) {
      if (other.thread !== entry.thread || other.conversation || other.tried) continue;
      other.conversation = conversation;
      this.#keep(other);
    }
  }

  async #failed(entry, error) {
    if (error.status === 404 && entry.conversation) return this.#beginAnew(entry);
    entry.tries = (entry.tries ?? 0) + 1;
    if (!isPassing(error) || (entry.tries >= TRIES && navigator.onLine)) {
      return this.#mark(entry, "failed", error.errors?.[0]?.detail ?? error.message);
    }
    this.#mark(entry, "waiting", error.message);
    return this.#pause(waitOf(entry.tries, error.retryAfter));
  }

  /** The conversation is gone (expired, erased, or of a person before): go on in a new one. */
  #beginAnew(entry) {
    const gone = entry.conversation;
    for (const other of this.#entries.filter((e) => e.conversation === gone)) {
      kept.remove(`out.${other.id}`);
      other.conversation = null;
      other.id = uuid();
      other.tried = false;
      this.#keep(other);
    }
    this.#tell("gone", { entry, conversation: gone });
  }

  #pause(ms) {
    return new Promise((resolve) => {
      const timer = setTimeout(() => this.#wake?.(), ms);
      this.#wake = () => {
        clearTimeout(timer);
        this.#wake = null;
        resolve();
      };
    });
  }

  #mark(entry, state, reason = "") {
    entry.state = state;
    entry.reason = reason;
    this.#tell("state", { entry });
  }

  #keep(entry) {
    const { id, thread, conversation, text, at, tried } = entry;
    kept.set(`out.${id}`, { id, thread, conversation, text, at, tried });
  }

  #tell(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}

/** What the server asked for, else twice as long each time, with jitter; in ms. */
export function waitOf(tries, retryAfter) {
  if (retryAfter !== null && retryAfter !== undefined)
    return Math.max(200, retryAfter * 1000) * (1 + Math.random() * 0.2);
  return Math.min(LONGEST_WAIT, FIRST_WAIT * 2 ** (tries - 1)) * (0.7 + Math.random() * 0.6);
}
