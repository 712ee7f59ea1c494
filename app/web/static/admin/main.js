// The admin page: the way in, the sections, and which one the address names.

import { byId, toast } from "../lib/dom.js";
import { themeButton } from "../lib/theme.js";
import { current, enter, forget, leave, resume } from "./api.js";
import { Explain } from "./explain.js";
import { Flags } from "./flags.js";
import { Reactions } from "./reactions.js";

// Each with the scopes of which one opens it.
const SECTIONS = {
  reactions: ["read_reactions"],
  flags: ["write_flags", "evaluate_flags"],
  explain: ["read_reactions"],
};

/** What to say of a failed call; a session that is over brings the form back. */
function onError(error) {
  if (error.status === 401) {
    forget();
    askForKey("You are logged out. Please give the key again.");
  }
  return error.message;
}

const permitted = () =>
  Object.keys(SECTIONS).filter((name) =>
    SECTIONS[name].some((scope) => current().scopes.includes(scope)),
  );

const reactions = new Reactions(onError);
const flags = new Flags(onError);
const explain = new Explain(onError);

function askForKey(problem = "") {
  for (const name of Object.keys(SECTIONS)) byId(name).hidden = true;
  byId("tabs").hidden = true;
  byId("leave").hidden = true;
  byId("key-form").hidden = false;
  byId("key-problem").textContent = problem;
  byId("key").focus();
}

function route() {
  if (!current().signed_in) return askForKey();
  const [name, ...rest] = location.hash.slice(2).split("/");
  const section = permitted().includes(name) ? name : permitted()[0];
  if (!section) return askForKey("This key opens none of these pages.");
  byId("key-form").hidden = true;
  byId("tabs").hidden = false;
  byId("leave").hidden = false;
  for (const other of Object.keys(SECTIONS)) byId(other).hidden = other !== section;
  for (const link of byId("tabs").querySelectorAll("a")) {
    link.hidden = !permitted().includes(link.hash.slice(2));
    if (link.hash === `#/${section}`) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  scrollTo(0, 0);
  if (section === "reactions") return reactions.show();
  if (section === "flags") return flags.show();
  return explain.show(decoded(rest.join("/")));
}

function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text; // somebody's link, and no id
  }
}

byId("key-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  const field = byId("key");
  const key = field.value.trim();
  field.value = "";
  try {
    await enter(key);
    await route();
    byId("main").focus({ preventScroll: true });
  } catch (error) {
    askForKey(error.status === 401 ? "That key is not the one." : error.message);
  }
});
byId("leave").addEventListener("click", async () => {
  try {
    await leave();
    location.reload(); // nothing that was read stays on the page
  } catch (error) {
    toast(onError(error));
  }
});
addEventListener("hashchange", route);
themeButton(byId("theme"));
resume().then(route, (error) => askForKey(error.message));
