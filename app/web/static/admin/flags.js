// Flags: a switch for each, and its definition as JSON to edit, with what is wrong shown beside it.

import { byId, confirmed, el, icon, toast } from "../lib/dom.js";
import * as api from "./api.js";
import { bar, problems, tag } from "./parts.js";

const TEMPLATE = {
  state: "ENABLED",
  variants: { on: true, off: false },
  defaultVariant: "on",
  targeting: {
    fractional: [
      ["on", 50],
      ["off", 50],
    ],
  },
  metadata: { description: "" },
};

export class Flags {
  #list = byId("flag-list");
  #state = byId("flags-state");
  #place = byId("new-flag-place");

  constructor(onError) {
    this.onError = onError;
    byId("new-flag").addEventListener("click", () => this.#begin());
  }

  /** Read all flags. */
  async show() {
    try {
      const { flags } = await api.flags();
      const rows = Object.entries(flags)
        .sort(([a], [b]) => a.localeCompare(b))
        .map(([name, definition]) => this.#item(name, definition));
      this.#list.replaceChildren(...rows);
      this.#state.textContent = rows.length ? "" : "There are no flags.";
    } catch (error) {
      this.#state.textContent = this.onError(error);
    }
  }

  #item(name, definition) {
    const item = el("li", { class: "flag", data: { flag: name } });
    this.#paint(item, name, definition);
    return item;
  }

  #paint(item, name, definition) {
    const on = definition.state === "ENABLED";
    const words = el("span", { class: "switch-words", text: on ? "Enabled" : "Disabled" });
    const control = el(
      "button",
      {
        type: "button",
        role: "switch",
        class: "switch",
        "aria-checked": String(on),
        "aria-label": `Flag ${name}`,
      },
      el("i"),
    );
    control.addEventListener("click", () => this.#toggle(item, name, definition, control, words));
    const edit = el("button", {
      type: "button",
      class: "text-button",
      "aria-label": `Edit ${name}`,
      text: "Edit",
      on: { click: () => this.#edit(item, name, definition) },
    });
    const head = el("div", { class: "flag-head" }, el("h3", { text: name }), words, control);
    const about = definition.metadata?.description;
    item.classList.toggle("off", !on);
    item.replaceChildren(
      head,
      about ? el("p", { class: "hint", text: about }) : "",
      variants(definition),
      ...shares(definition),
      el("p", {}, edit),
    );
  }

  /** The switch moves at once, and back where the server says no. */
  async #toggle(item, name, definition, control, words) {
    const state = control.getAttribute("aria-checked") === "true" ? "DISABLED" : "ENABLED";
    const show = (value) => {
      control.setAttribute("aria-checked", String(value === "ENABLED"));
      words.textContent = value === "ENABLED" ? "Enabled" : "Disabled";
    };
    show(state);
    control.disabled = true;
    try {
      await api.toggleFlag(name, state);
      this.#paint(item, name, { ...definition, state });
      item.querySelector(".switch").focus();
      toast(`${name} is ${state === "ENABLED" ? "enabled" : "disabled"}.`);
    } catch (error) {
      show(definition.state);
      control.disabled = false;
      toast(this.onError(error));
    }
  }

  #edit(item, name, definition) {
    const back = () => {
      this.#paint(item, name, definition);
      item.querySelector(".text-button").focus();
    };
    const remove = async () => {
      byId("ask-delete-text").textContent =
        `${name} is evaluated no longer; the code’s default holds.`;
      if (!(await confirmed(byId("ask-delete")))) return;
      try {
        await api.deleteFlag(name);
        item.remove();
        toast(`${name} is deleted.`);
      } catch (error) {
        toast(this.onError(error));
      }
    };
    const erase = el(
      "button",
      { type: "button", class: "text-button danger", on: { click: remove } },
      icon("trash"),
      "Delete",
    );
    item.replaceChildren(
      el("h3", { text: name }),
      this.#form(name, definition, () => name, back, erase),
    );
    item.querySelector("textarea").focus();
  }

  #begin() {
    const field = el("input", {
      type: "text",
      name: "key",
      required: true,
      spellcheck: "false",
      autocapitalize: "off",
      "aria-label": "Key of the new flag",
      placeholder: "key-of-the-flag",
    });
    const back = () => {
      this.#place.replaceChildren();
      byId("new-flag").focus();
    };
    const form = this.#form("the new flag", TEMPLATE, () => field.value.trim(), back, null);
    form.prepend(field);
    this.#place.replaceChildren(el("div", { class: "flag" }, el("h3", { text: "New flag" }), form));
    field.focus();
  }

  #form(label, definition, nameOf, back, extra) {
    const area = el("textarea", {
      class: "json",
      rows: "12",
      spellcheck: "false",
      "aria-label": `Definition of ${label}`,
    });
    area.value = JSON.stringify(definition, null, 2);
    const wrong = el("div", { role: "alert" });
    const save = async (event) => {
      event.preventDefault();
      try {
        await api.putFlag(nameOf(), JSON.parse(area.value));
        toast(`${nameOf()} is kept.`);
        back();
        await this.show();
      } catch (error) {
        wrong.replaceChildren(problems(error));
        area.focus();
      }
    };
    const buttons = el(
      "div",
      { class: "choices" },
      el("button", { class: "button main", text: "Save" }),
      el("button", { type: "button", class: "button", text: "Cancel", on: { click: back } }),
      extra,
    );
    return el("form", { class: "flag-form", on: { submit: save } }, area, wrong, buttons);
  }
}

function variants(definition) {
  const name = (key) => (key === definition.defaultVariant ? `${key} (default)` : key);
  const entries = Object.entries(definition.variants ?? {});
  return el(
    "p",
    { class: "tags" },
    entries.map(([key, value]) => tag(`${name(key)}: ${JSON.stringify(value)}`)),
  );
}

/** The shares of a plain fractional rule as bars; other rules are named. */
function shares(definition) {
  const rule = definition.targeting ?? {};
  if (!Object.keys(rule).length) return [];
  const buckets = Array.isArray(rule.fractional)
    ? rule.fractional.filter((part) => Array.isArray(part) && typeof part[0] === "string")
    : [];
  if (!buckets.length) return [el("p", { class: "hint", text: "Has a targeting rule." })];
  const weight = (bucket) => (typeof bucket[1] === "number" ? bucket[1] : 1);
  const total = buckets.reduce((sum, bucket) => sum + weight(bucket), 0) || 1;
  return buckets.map((bucket) =>
    bar(bucket[0], weight(bucket) / total, `${Math.round((100 * weight(bucket)) / total)} %`),
  );
}
