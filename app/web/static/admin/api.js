// The administrator's calls, with the key of this tab.

import { call, query } from "../lib/http.js";
import { tabOnly } from "../lib/storage.js";

const KEY = "admin-key";
let memory = ""; // where the browser keeps nothing

/** The key, or "". */
export const key = () => tabOnly.get(KEY) ?? memory;

export function setKey(value) {
  memory = value;
  if (value) tabOnly.set(KEY, value);
  else tabOnly.remove(KEY);
}

function asAdmin(method, path, body) {
  return call(method, `/admin/v1/${path}`, { headers: { "X-API-Key": key() }, body });
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
