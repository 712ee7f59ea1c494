// The calls of the page, each one line of the HTTP API.

import { query } from "../lib/http.js";
import { asPerson } from "./session.js";
import { lastReply } from "./stream.js";

const path = (...parts) => `/v1/${parts.map(encodeURIComponent).join("/")}`;

/** Send a message; the reply. `onTyping` is called when Kindred has begun. */
export function chat({ message, messageId, conversation, context }, onTyping) {
  const body = { message, message_id: messageId };
  if (conversation) body.conversation_id = conversation;
  if (context?.length) body.context = context;
  const accept = "text/event-stream, application/json;q=0.5";
  return asPerson("POST", path("chat"), { body, accept }, (response) =>
    lastReply(response, onTyping),
  );
}

export const conversations = (cursor) => asPerson("GET", path("conversations") + query({ cursor }));
export const conversation = (id, cursor) =>
  asPerson("GET", path("conversations", id) + query({ cursor }));
export const feel = (id, feeling) =>
  asPerson("PUT", path("conversations", id, "feedback"), { body: { feeling } });

export const alternative = (replyId) => asPerson("POST", path("replies", replyId, "alternative"));
export const retract = (replyId) => asPerson("DELETE", path("replies", replyId, "reaction"));
export function react(replyId, reaction, comment) {
  const body = comment ? { reaction, comment } : { reaction };
  return asPerson("PUT", path("replies", replyId, "reaction"), { body });
}

export const memories = () => asPerson("GET", path("me", "memories"));
export const forget = (id) => asPerson("DELETE", path("me", "memories", id));
export const forgetAll = () => asPerson("DELETE", path("me", "memories"));
export const erase = () => asPerson("DELETE", path("me"));
