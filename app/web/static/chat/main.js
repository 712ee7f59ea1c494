// The chat page: makes its parts and ties them together.

import { byId, confirmed, toast } from "../lib/dom.js";
import { kept } from "../lib/storage.js";
import { themeButton } from "../lib/theme.js";
import * as api from "./api.js";
import { Composer } from "./composer.js";
import { Conversations } from "./conversations.js";
import { Drawer } from "./drawer.js";
import { Feeling } from "./feeling.js";
import { Memory } from "./memory.js";
import { Outbox } from "./outbox.js";
import { onPersonChange, session, signOut } from "./session.js";
import { Talk } from "./talk.js";
import { Tabs } from "./tabs.js";

const outbox = new Outbox();
const talk = new Talk(outbox);
const feeling = new Feeling(talk);
const drawer = new Drawer();
const memory = new Memory();
const composer = new Composer((text) => talk.send(text));
const list = new Conversations((id) => {
  drawer.close();
  if (id !== talk.id) go(id);
});
const tabs = new Tabs({ turn: (id) => elsewhere(id), erased: () => location.reload() });

/** Show a conversation (null: a new one), and ask about the one that is left. */
function go(id) {
  const ask = feeling.onLeaving();
  if (id) void talk.open(id);
  else talk.begin();
  ask();
  composer.focus();
}

function elsewhere(id) {
  void list.refresh();
  if (id === talk.id) void talk.refresh();
}

let shown = null;
talk.addEventListener("change", () => {
  const began = shown?.thread === talk.thread && !shown.id && talk.id;
  composer.for(talk.id, { carry: Boolean(began) });
  shown = { id: talk.id, thread: talk.thread };
  list.mark(talk.id);
  if (talk.id) kept.set("last", talk.id);
  history.replaceState(null, "", talk.id ? `#${talk.id}` : location.pathname);
});
talk.addEventListener("turn", ({ detail }) => {
  void list.refresh();
  tabs.tell("turn", detail.reply.conversation_id);
  if (detail.reply.source === "safety") talk.crisis = true;
  if (detail.reply.conversation_id === talk.id) feeling.afterTurn(detail.entry.text);
});
onPersonChange(() => {
  toast("Your earlier visit could no longer be continued. You are a new guest here.");
  void list.refresh();
});

byId("new-conversation").addEventListener("click", () => {
  drawer.close();
  go(null);
});
for (const id of ["open-memory", "memory-short"]) {
  byId(id).addEventListener("click", () => {
    drawer.close();
    void memory.open();
  });
}
byId("open-feeling").addEventListener("click", () => {
  drawer.close();
  if (talk.id) feeling.ask(talk.id, undefined, true);
  else toast("After a few words with Kindred, you can say here how you feel.");
});
byId("open-erase").addEventListener("click", async () => {
  drawer.close();
  if (!(await confirmed(byId("ask-erase")))) return;
  try {
    if (session()) await api.erase();
    forgetHere();
    tabs.tell("erased");
    talk.begin();
    feeling.hide();
    await list.refresh();
    toast("Everything of yours is deleted.");
    composer.focus();
  } catch (error) {
    toast(`It could not be deleted. ${error.message}`);
  }
});
for (const start of byId("starts").querySelectorAll("button")) {
  start.addEventListener("click", () => composer.suggest(start.textContent));
}

function forgetHere() {
  signOut();
  outbox.clear();
  composer.clear();
  for (const prefix of ["draft.", "asked.", "last", "out."])
    kept.keys(prefix).forEach((key) => kept.remove(key));
}

function paintOffline() {
  byId("offline").hidden = navigator.onLine;
  byId("offline").textContent = navigator.onLine
    ? ""
    : "You’re offline. What you write is kept here, and sent when you’re back.";
}
addEventListener("online", paintOffline);
addEventListener("offline", paintOffline);
paintOffline();

let left = 0;
document.addEventListener("visibilitychange", () => {
  if (document.hidden) left = Date.now();
  else if (Date.now() - left > 30_000) elsewhere(talk.id);
});

themeButton(byId("theme"));
const wanted = location.hash.slice(1) || kept.get("last"); // an id needs no decoding, and `%` has none
if (wanted && session() && !outbox.unbegun) void talk.open(wanted);
else talk.begin();
void list.refresh();
void outbox.run();
if (matchMedia("(hover: hover)").matches) composer.focus();
