// The admin page: the key, the sections, and which one the address names.

import { byId } from "../lib/dom.js";
import { themeButton } from "../lib/theme.js";
import { key, flags as readFlags, setKey } from "./api.js";
import { Explain } from "./explain.js";
import { Flags } from "./flags.js";
import { Reactions } from "./reactions.js";

const SECTIONS = ["reactions", "flags", "explain"];

/** What to say of a failed call; a key that holds no longer brings the form back. */
function onError(error) {
  if (error.status === 401 || error.status === 403) {
    setKey("");
    askForKey("That key is not the one.");
  }
  return error.message;
}

const reactions = new Reactions(onError);
const flags = new Flags(onError);
const explain = new Explain(onError);

function askForKey(problem = "") {
  for (const name of SECTIONS) byId(name).hidden = true;
  byId("tabs").hidden = true;
  byId("leave").hidden = true;
  byId("key-form").hidden = false;
  byId("key-problem").textContent = problem;
  byId("key").focus();
}

function route() {
  if (!key()) return askForKey();
  const [name, ...rest] = location.hash.slice(2).split("/");
  const section = SECTIONS.includes(name) ? name : "reactions";
  byId("key-form").hidden = true;
  byId("tabs").hidden = false;
  byId("leave").hidden = false;
  for (const other of SECTIONS) byId(other).hidden = other !== section;
  for (const link of byId("tabs").querySelectorAll("a")) {
    if (link.hash === `#/${section}`) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  scrollTo(0, 0);
  if (section === "reactions") return reactions.show();
  if (section === "flags") return flags.show();
  return explain.show(decodeURIComponent(rest.join("/")));
}

byId("key-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  setKey(byId("key").value.trim());
  try {
    await readFlags();
    byId("key").value = "";
    await route();
    byId("main").focus({ preventScroll: true });
  } catch (error) {
    if (error.status !== 401 && error.status !== 403)
      byId("key-problem").textContent = error.message;
    onError(error);
  }
});
byId("leave").addEventListener("click", () => {
  setKey("");
  location.reload();
});
addEventListener("hashchange", route);
themeButton(byId("theme"));
void route();
