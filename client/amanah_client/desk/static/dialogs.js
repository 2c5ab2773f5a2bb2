// Forms and lists that stand over the page until they are done with; Esc closes each of them.

import { btn, chip, el, filled, inUtc, isolated, moment, pap, theirs, tlp, twin } from "./dom.js";
import { now, roomOf, toast, told, wrong } from "./state.js";

/** How a time may be written; by itself, since a sentence that runs from right to left turns it around. */
const TIMES = "14:00, +2h, 2026-11-30T14:00";

/**
 * Which room something is about that stands over it, and whether that is an exercise: none of both is seen behind it.
 * What is sealed under marks of its own says these, and else the room's ceiling.
 */
function about(room, marks) {
  return el(
    "div.row.tight.ofroom",
    {},
    room.drill ? el("b.drill", {}, now.say.drill) : null,
    theirs(room.title, "b"),
    tlp(marks ? marks.label : room.label),
    marks ? pap(marks.pap) : null,
  );
}

/** Something over the page; focus goes back to where it came from. `more.room`: it is about the room that is open; `more.marks`: and is sealed under these. */
export function shown(title, inside, more = {}) {
  const before = document.activeElement;
  // A form has its own way out; what is only read has it at its head, where it is reached on a phone too.
  const close = more.read ? btn(now.say.close, () => made.close(), {}, "button.btn.small") : null;
  const room = more.room ? roomOf(now.room) : null;
  const named = room ? [room.drill ? now.say.drill : "", title, room.title].filter(Boolean).join(now.say.comma) : title;
  const made = el(`dialog.dialog${more.wide ? ".wide" : ""}`, { "aria-label": named }, el("div.top", {}, el("div.row.between", {}, el("h2", {}, title), close), room ? about(room, more.marks) : null), inside);
  document.body.append(made);
  made.addEventListener("close", () => {
    made.remove();
    (before?.isConnected ? before : twin(before))?.focus();
  });
  // Outside of it alone: its own edge is `made` too, and what was typed in a form is not lost by a click beside it.
  if (more.read) made.addEventListener("click", (event) => event.target === made && isBeside(made, event) && made.close());
  made.showModal();
  return made;
}

function isBeside(made, event) {
  const box = made.getBoundingClientRect();
  return event.clientX < box.left || event.clientX > box.right || event.clientY < box.top || event.clientY > box.bottom;
}

/**
 * A form about the room; gives what was typed, or null. Fields: {name, label, kind, choices, offers, value, wanted, ltr, time, note},
 * where `note(value)` gives what is to be known of what was chosen, or null.
 * Where `does(given)` asks the program, what it refuses stays in the form, with what to do next. `more` is said above
 * them, or stands there; `marks` is under what it is sealed.
 */
export function askFor(title, fields, doing, more = "", does = null, marks = null) {
  return new Promise((settle) => {
    const inputs = new Map();
    const rows = fields.map((field) => {
      const id = `f-${field.name}`;
      const input = field.choices
        ? el("select", { id }, field.choices.map(([value, text]) => el("option", { value, selected: value === field.value }, text)))
        : el(field.kind === "long" ? "textarea" : "input", { id, type: field.kind === "long" ? null : "text", rows: 4, dir: field.ltr || field.time ? "ltr" : "auto", placeholder: field.time ? TIMES : null, value: field.value ?? "", required: field.wanted, list: field.offers ? `${id}-offers` : null, autocomplete: "off", spellcheck: "false" });
      inputs.set(field.name, input);
      const note = field.note ? el("div", { role: "status" }) : null;
      if (note) input.addEventListener("change", () => note.replaceChildren(...[field.note(input.value)].filter(Boolean)));
      const offers = field.offers ? el("datalist", { id: `${id}-offers` }, field.offers.map((value) => el("option", { value }))) : null;
      return [el("label", { for: id }, field.label), input, offers, note];
    });
    let given = null;
    const form = el("form.form", { method: "dialog" }, typeof more === "string" ? (more ? el("p.meta", {}, more) : null) : more, rows);
    const trouble = el("p.trouble", { role: "alert", dir: "auto", hidden: true });
    form.append(trouble, el("div.row.end", {}, btn(now.say.cancel, () => made.close()), el("button.btn.go", { type: "submit" }, doing)));
    let busy = false;
    form.addEventListener("submit", async (event) => {
      const typed = Object.fromEntries([...inputs].map(([name, input]) => [name, input.value]));
      if (!does) {
        given = typed;
        return;
      }
      event.preventDefault();
      if (busy) return;
      busy = true;
      const answer = await does(typed);
      busy = false;
      trouble.hidden = answer.ok;
      if (!answer.ok) {
        trouble.textContent = wrong(answer);
        return;
      }
      given = typed;
      made.close();
      told(answer);
    });
    const made = shown(title, form, { room: true, marks });
    made.addEventListener("close", () => settle(given));
    [...inputs.values()][0]?.focus();
  });
}

/** A question about the room with two answers; `more` is what to know before, `marks` under what the answer is sealed. */
export function sure(text, yes, more = null, marks = null) {
  return new Promise((settle) => {
    let answer = false;
    const go = btn(yes, () => {
      answer = true;
      made.close();
    }, {}, "button.btn.go");
    const cancel = btn(now.say.cancel, () => made.close());
    const made = shown(yes, el("div.form", {}, el("p", { dir: "auto" }, text), more, el("div.row.end", {}, cancel, go)), { room: true, marks });
    made.addEventListener("close", () => settle(answer));
    // What has to be read first is not agreed to by the key that asked, still held down.
    (more ? cancel : go).focus();
  });
}

/** How an entry is proven. */
export function tellOf(id) {
  const command = `amanah disclose ${id.slice(0, 16)} --to "NAME" --out evidence.txt`;
  const copy = async (text) => {
    await navigator.clipboard.writeText(text).then(() => toast(now.say.copied), () => {});
  };
  shown(
    now.say.proof,
    el(
      "div.form",
      {},
      el("p", {}, now.say.proof_more),
      el("pre.code", { dir: "ltr", tabindex: 0 }, command),
      el("code.ioc", { dir: "ltr" }, id),
      el("div.row.end", {}, btn(now.say.copy_id, () => copy(id)), btn(now.say.close, (event) => event.target.closest("dialog").close(), {}, "button.btn.go")),
    ),
  );
}

/** Something that needs room, until it is closed. */
export const wide = (title, inside) => shown(title, inside, { wide: true, read: true, room: true });

export function showKeys() {
  const rows = now.words.keys.map(([keys, what]) => el("tr", {}, el("th", { scope: "row" }, el("kbd", { dir: "ltr" }, keys)), el("td", {}, what)));
  shown(now.say.keys, el("table.keys", {}, el("tbody", {}, rows)), { read: true });
}

export function showCommands(commands) {
  const rows = commands.map((one) =>
    el("tr", {}, el("th", { scope: "row" }, one.usage.map((usage) => el("div", {}, el("code", { dir: "ltr" }, `/${one.name} ${usage}`)))), el("td", {}, one.about)),
  );
  shown(now.say.commands, el("table.keys", {}, el("tbody", {}, rows)), { wide: true, read: true });
}

/** What others did comes first, and what this device was refused has a head of its own: it is no alarm. */
export function showAlarms() {
  const row = (alarm) => el("li", {}, moment(alarm.at_ms, inUtc(alarm.at_ms)), " ", el("code", {}, alarm.code), " ", theirs(roomOf(alarm.room)?.title ?? "", "b"), el("div", { dir: "auto" }, alarm.text));
  const kinds = [
    [now.say.alarms, now.alarms.filter((one) => !one.own)],
    [now.say.refused, now.alarms.filter((one) => one.own)],
  ].filter(([, some]) => some.length);
  const [title] = kinds[0] ?? [now.say.alarms];
  const lists = kinds.map(([head, some]) => [head === title ? null : el("h2", {}, head), el("ul.list", {}, some.map(row))]);
  shown(title, el("div.kinds", {}, lists), { wide: true, read: true });
}

export function showTimeline(items) {
  const list = el("ol.list.timeline");
  for (const item of items) {
    if (item.kind === "day") list.append(el("li.when", {}, item.text));
    else list.append(el("li", {}, moment(item.at_ms, item.utc), chip(item.kind === "notice" ? item.chip : item.who.chip), el("span", {}, wordsOf(item))));
  }
  if (!items.length) list.append(el("li", {}, now.say.empty));
  wide(now.say.timeline, list);
}

function wordsOf(item) {
  if (item.kind === "notice") return item.text;
  const said = item.content;
  const what = isolated(said.what ?? "");
  const told = {
    task: () => [filled(said.due ? now.say.task_due : now.say.task_of, { nation: isolated(said.chip), what, time: isolated(said.due) }), said.words].join(now.say.semicolon),
    decision: () => `${now.say.decision} ${said.ordinal}${now.say.colon}${what}. ${said.words}`,
    clock: () => `${said.title}${now.say.colon}${what}${now.say.comma}${isolated(said.utc)}`,
    file: () => `${said.title}${now.say.colon}${isolated(said.name)}`,
    standing: () => [said.title, said.lines.join(now.say.comma)].filter(Boolean).join(now.say.colon),
  }[said.kind];
  return `${isolated(item.who.name)}. ${told ? told() : ""}`;
}
