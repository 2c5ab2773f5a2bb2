// A room that is to be opened: by a template or empty, for whom, and what it comes to, before anything is done.

import { btn, chip, el, fill, filled, theirs } from "./dom.js";
import { shown } from "./dialogs.js";
import { sends } from "./forms.js";
import { now, quietly } from "./state.js";

const PAUSE_MS = 120;
const rank = (text) => now.words.labels.indexOf(text);

/** Asks, and opens it; `opened(title)` is called with what it will be called. */
export function openNewRoom(opened) {
  const templates = now.words.templates;
  const template = el("select", { id: "f-template" }, el("option", { value: "" }, now.say.no_template), templates.map((one) => el("option", { value: one.name }, `${one.name}: ${one.about}`)));
  // A field shows the beginning of what was chosen alone.
  const about = el("p.meta", { role: "status" });
  const title = el("input", { id: "f-title", type: "text", dir: "auto", required: true, maxlength: 253, autocomplete: "off", spellcheck: "false" });
  const label = el("select", { id: "f-label" }, now.words.labels.map((one) => el("option", { value: one, selected: one === "TLP:AMBER", disabled: rank(one) > rank(now.most) }, rank(one) > rank(now.most) ? `${one} ${now.say.above_own}` : one)));
  const agreement = el("input", { id: "f-agreement", type: "text", dir: "auto", maxlength: 253, autocomplete: "off", spellcheck: "false" });
  const drill = el("input", { id: "f-drill", type: "checkbox" });
  const nations = el("ul.choices", {});
  const preview = el("div.preview", { role: "status" });
  const parts = new Map();
  let turn = 0;
  let timer = 0;

  const wanted = () => ({
    title: title.value,
    label: label.value,
    agreement: agreement.value,
    template: template.value,
    drill: drill.checked,
    parts: [...parts].filter(([, part]) => part.on).map(([nation, part]) => ({ nation, role: part.role })),
  });

  const roles = () => templates.find((one) => one.name === template.value)?.roles ?? [];

  function later() {
    clearTimeout(timer);
    timer = setTimeout(look, PAUSE_MS);
  }

  async function look() {
    const mine = ++turn;
    const answer = await quietly("plan_room", wanted());
    if (mine !== turn || !answer.ok) return;
    drawNations(answer.data.nations);
    drawPreview(answer.data);
  }

  function drawNations(offered) {
    // Only whom the label may reach is offered; why not the others stands beside them.
    const focus = document.activeElement?.id;
    for (const one of offered) if (!one.may && parts.get(one.organisation)?.on) parts.get(one.organisation).on = false;
    fill(nations, offered.length ? offered.map(nation) : el("li.meta", {}, now.say.whom_nobody));
    if (focus) document.getElementById(focus)?.focus();
  }

  function nation(one) {
    const part = parts.get(one.organisation) ?? { on: false, role: "" };
    parts.set(one.organisation, part);
    if (!roles().some(([name]) => name === part.role)) part.role = "";
    const id = `f-nation-${one.chip}`;
    const box = el("input", { id, type: "checkbox", checked: part.on, disabled: !one.may });
    box.addEventListener("change", () => {
      part.on = box.checked;
      look();
    });
    const role = el("select.pick", { id: `${id}-role`, "aria-label": filled(now.say.role, { nation: one.chip }) }, el("option", { value: "" }, now.say.no_role), roles().map(([name, about]) => el("option", { value: name, selected: name === part.role }, `${name}: ${about}`)));
    role.addEventListener("change", () => {
      part.role = role.value;
      look();
    });
    return el(one.may ? "li" : "li.not", {}, box, el("label", { for: id }, chip(one.chip, part.on), " ", el("bdi", {}, one.organisation)), one.why ? el("span.meta", {}, one.why) : null, part.on && roles().length ? [role, part.role ? el("span.meta", {}, roles().find(([name]) => name === part.role)[1]) : null] : null);
  }

  function drawPreview(data) {
    if (data.problem) {
      fill(preview, el("p.warn", { dir: "auto" }, data.problem));
      return;
    }
    const of = (kind) => data.lines.filter((one) => one.kind === kind);
    const list = (name, kind) => (of(kind).length ? [el("h4", {}, name), el("ul.made", {}, of(kind).map(line))] : null);
    fill(
      preview,
      drill.checked ? el("p", {}, el("b.drill", {}, now.say.drill), " ", now.say.drill_more) : null,
      data.lines.length ? null : el("p.meta", {}, filled(now.say.comes_to_room, { label: label.value })),
      list(now.say.invited, "invite"),
      list(now.say.stands, "incident"),
      list(now.say.said_first, "text"),
      list(now.say.checklist, "task"),
      list(now.say.joint_action, "clock"),
      data.notes.map((note) => el("p.meta", {}, note)),
      template.value ? el("p.meta", {}, now.say.as_written) : null,
    );
  }

  const line = (one) => el("li", {}, one.chip ? chip(one.chip) : null, theirs(one.text, "span"), one.when ? el("bdi.meta.num", {}, one.when) : null);

  const made = shown(now.say.new_room, el("form.form", { method: "dialog" }), { wide: true });
  const form = made.querySelector("form");
  fill(
    form,
    el("div.twofold", {}, el("div.form", {},
      el("label", { for: "f-template" }, now.say.template), template, about,
      el("label", { for: "f-title" }, now.say.title), title,
      el("label", { for: "f-label" }, now.say.ceiling), label,
      el("label", { for: "f-agreement" }, now.say.agreement), agreement,
      el("fieldset", {}, el("legend", {}, now.say.whom), nations, el("p.meta", {}, now.say.whom_more)),
      el("div.check", {}, drill, el("label", { for: "f-drill" }, now.say.is_drill))),
    el("section.comes", { "aria-label": now.say.comes_to, tabindex: 0 }, el("h3", {}, now.say.comes_to), preview)),
    el("div.row.end", {}, btn(now.say.cancel, () => made.close()), el("button.btn.go", { type: "submit" }, now.say.open_room)),
  );
  template.addEventListener("change", () => {
    const found = templates.find((one) => one.name === template.value);
    fill(about, found?.about);
    if (found) label.value = found.label;
    look();
  });
  title.addEventListener("input", later);
  agreement.addEventListener("input", later);
  label.addEventListener("change", look);
  drill.addEventListener("change", look);
  sends(form, made, () => {
    opened(title.value.trim());
    return quietly("new_room", wanted());
  });
  made.addEventListener("close", () => {
    clearTimeout(timer);
    turn++;
  });
  title.focus();
  look();
}
