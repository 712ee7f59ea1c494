// Who is writing: a guest token, made at the first message, refreshed in time, made anew on a 401.

import { ApiError, call, jsonOf, send } from "../lib/http.js";
import { kept } from "../lib/storage.js";
import { dateOf } from "../lib/time.js";

const KEY = "session";
const REFRESH_BEFORE = 7 * 86_400_000; // ms before the end
const REFRESH_EVERY = 86_400_000;

const changed = new EventTarget();
let refreshed = 0;
let memory = null; // the session of a browser that keeps nothing

/** The kept session {token, user_id, expires_at}, or null; another tab may have changed it. */
export function session() {
  const value = kept.get(KEY);
  return value && typeof value.token === "string" ? value : null;
}

/** Call `handler` when the person of this browser becomes another. */
export function onPersonChange(handler) {
  changed.addEventListener("person", handler);
}

/** Forget the token (the person was erased, or it holds no longer). */
export function signOut() {
  kept.remove(KEY);
  memory = null;
}

/** One tab at a time, where the browser can tell; else at once. */
export function locked(name, work) {
  return navigator.locks ? navigator.locks.request(`kindred-${name}`, work) : work();
}

function signIn(stale) {
  return locked("session", async () => {
    const found = session();
    if (found && found.token !== stale) return found; // another tab was quicker
    const made = await call("POST", "/v1/auth/guest");
    const known = Boolean(stale);
    kept.set(KEY, made);
    memory = made;
    if (known) changed.dispatchEvent(new Event("person"));
    return made;
  });
}

async function current() {
  return session() ?? memory ?? signIn(null);
}

/** A call on the person's behalf; `read` makes of the Response what is given back. */
export async function asPerson(method, path, options = {}, read = jsonOf) {
  const who = await current();
  const go = async (person) => read(await send(method, path, withToken(options, person)));
  try {
    return await go(who);
  } catch (error) {
    if (!(error instanceof ApiError) || error.status !== 401) throw error;
    signOut();
    return await go(await signIn(who.token));
  } finally {
    void refreshInTime();
  }
}

function withToken(options, who) {
  return { ...options, headers: { ...options.headers, Authorization: `Bearer ${who.token}` } };
}

async function refreshInTime() {
  const who = session();
  if (!who || Date.now() - refreshed < REFRESH_EVERY) return;
  if (dateOf(who.expires_at).getTime() - Date.now() > REFRESH_BEFORE) return;
  refreshed = Date.now();
  try {
    const fresh = await call("POST", "/v1/auth/refresh", withToken({}, who));
    if (session()?.token === who.token) kept.set(KEY, fresh);
  } catch {
    // The old one still holds; a 401 will say when it does not.
  }
}
