// One message as it is seen and heard.

import { el, said } from "../lib/dom.js";
import { clock, dateOf, full } from "../lib/time.js";
import { Tools } from "./reactions.js";

function frame(kind, speaker, date, ...parts) {
  const time = el("time", { datetime: date.toISOString(), title: full(date), text: clock(date) });
  return el(
    "article",
    { class: `message ${kind}` },
    el("span", { class: "unseen", text: `${speaker}: ` }),
    ...parts,
    el("div", { class: "under" }, time),
  );
}

/** What the person wrote. */
export function mine(text, createdAt) {
  return frame("mine", "You", dateOf(createdAt), said(text, "p", { class: "bubble" }));
}

/** What Kindred answered: {reply_id, text, source, created_at, saved?, reaction?, comment?}. */
export function theirs(reply, { another = false, onAlternative } = {}) {
  const calm = reply.source === "safety";
  const label = another ? el("p", { class: "label", text: "Another answer" }) : null;
  const kind = calm ? "theirs calm" : "theirs";
  const node = frame(
    kind,
    "Kindred",
    dateOf(reply.created_at),
    label,
    said(reply.text, "p", { class: "bubble" }),
  );
  // One that could not be kept takes no reaction and has no other answer.
  if (reply.reply_id && reply.saved !== false) {
    node.dataset.reply = reply.reply_id;
    node
      .querySelector(".under")
      .append(new Tools(reply, { alternative: !calm && onAlternative }).node);
  }
  return node;
}

/** A quiet line beside a reply: that Kindred is an AI, a break, where help is. */
export function notice(kind, text) {
  return el("p", { class: `notice ${kind === "support" ? "support" : ""}`, role: "note", text });
}

/** Show under a message of the person how its sending stands; an answered one shows its time. */
export function paintSending(node, entry, { retry, drop }) {
  const under = node.querySelector(".under");
  under.querySelector(".sending")?.remove();
  node.classList.toggle("unsent", entry.state !== "sent");
  node.classList.toggle("failed", entry.state === "failed");
  if (entry.state === "sent" || entry.state === "sending") return;
  const again = el("button", {
    type: "button",
    class: "text-button",
    text: "Try again",
    on: { click: retry },
  });
  const line = el("div", { class: "sending" });
  if (entry.state === "waiting") {
    line.append(el("span", { text: "Not sent yet. It is kept here and tried again." }), again);
  } else {
    const remove = el("button", {
      type: "button",
      class: "text-button",
      text: "Remove",
      on: { click: drop },
    });
    line.append(el("span", { class: "why", text: `Not sent. ${entry.reason}` }), again, remove);
  }
  under.append(line);
}
