// The administrator's calls. The key is exchanged for a session at the door: its cookie is out of
// reach for scripts, and its token, which calls that change something must send, is kept here alone.

import { call, query } from "../lib/http.js";

const PATH = "/admin/v1/";
const NOBODY = { signed_in: false, scopes: [] };
let session = NOBODY;

/** {signed_in, name, scopes}. */
export const current = () => session;

/** Ask whether this browser is logged in. */
export async function resume() {
  session = await call("GET", `${PATH}session`);
  return session;
}

/** Exchange a key for a session. */
export async function enter(key) {
  session = await call("POST", `${PATH}session`, { headers: { "X-API-Key": key } });
}

/** End the session. */
export async function leave() {
  await asAdmin("DELETE", "session");
  forget();
}

/** The server knows the session no longer. */
export function forget() {
  session = NOBODY;
}

const send = (method, path, body) =>
  call(method, PATH + path, { headers: { "X-CSRF-Token": session.csrf_token ?? "" }, body });

async function asAdmin(method, path, body) {
  try {
    return await send(method, path, body);
  } catch (error) {
    if (error.kind !== "forgery-refused") throw error;
    await resume(); // another tab logged in anew, and the token is of the session before
    return send(method, path, body);
  }
}

const flag = (name) => `flags/${encodeURIComponent(name)}`;
const reply = (id) => `replies/${encodeURIComponent(id)}`;

export const reactions = (filters, cursor) =>
  asAdmin("GET", `reactions${query({ ...filters, cursor })}`);
export const flags = () => asAdmin("GET", "flags");
export const putFlag = (name, definition) => asAdmin("PUT", flag(name), definition);
export const deleteFlag = (name) => asAdmin("DELETE", flag(name));
export const toggleFlag = (name, state) => asAdmin("POST", `${flag(name)}/toggle`, { state });
export const explain = (id) => asAdmin("GET", `${reply(id)}/explain`);
export const replay = (id) => asAdmin("POST", `${reply(id)}/replay`);
