// Ctrl+K: rooms, people and words, in one place.

import { chip, el, fill, filled, inUtc, moment, pap, theirs, tlp } from "./dom.js";
import { stands } from "./rail.js";
import { now, openRoom, quietly } from "./state.js";

const MOST = 8;

/** What a find says, or that it was withdrawn, as its conversation does. */
function said(one) {
  const text = one.state === "withdrawn" ? el("span.gone", {}, one.text) : theirs(one.text);
  const mark = one.state === "corrected" ? [el("span.meta", {}, now.say.corrected), " "] : null;
  return el("div", {}, tlp(one.label), " ", one.pap ? [pap(one.pap), " "] : null, mark, text);
}

export function openPalette(flow, query = "") {
  if (document.querySelector("dialog[open]")) return;
  const before = document.activeElement;
  const input = el("input.search", { type: "search", "aria-label": now.say.find, placeholder: now.say.find, dir: "auto", value: query, autocomplete: "off", spellcheck: "false", "aria-controls": "found" });
  const list = el("ul.finds", { id: "found", role: "listbox", "aria-label": now.say.find });
  const count = el("div.meta.pad", { role: "status" });
  const made = el("dialog.palette", { "aria-label": now.say.find }, input, list, count);
  let options = [];
  let at = 0;
  let words = [];
  let searching = false;

  function draw() {
    const wanted = input.value.trim().toLowerCase();
    const rooms = now.rooms.filter((room) => room.title.toLowerCase().includes(wanted)).slice(0, MOST);
    const people = wanted ? (now.head?.readers.nations ?? []).flatMap((nation) => nation.people.map(({ who }) => who)).filter((who) => who.name.toLowerCase().includes(wanted) || who.organisation.includes(wanted)) : [];
    options = [
      ...rooms.map((room) => ({ go: () => openRoom(room.id), shown: [el(`i.sev${room.severity ? `.${room.severity}` : ""}`), room.drill ? el("b.drill", {}, now.say.drill) : null, theirs(room.title, "b"), el("span.meta", {}, stands(room))] })),
      ...people.map((who) => ({ go: () => (document.body.dataset.pane = "board"), shown: [chip(who.chip), theirs(who.name, "b"), el("span.meta", {}, who.organisation), who.note ? el("span.meta.warn", {}, who.note) : null] })),
      ...words.map((one) => ({ go: () => goTo(one), shown: [chip(one.chip), el("div.grow", {}, el("div.row.tight", {}, one.drill ? el("b.drill", {}, now.say.drill) : null, theirs(one.name, "b"), el("span.meta", {}, theirs(one.title)), el("span.meta", {}, moment(one.at_ms, inUtc(one.at_ms)))), said(one))] })),
    ];
    at = Math.min(at, Math.max(0, options.length - 1));
    fill(list, options.map((one, place) => el("li", { role: "option", "aria-selected": String(place === at), onclick: () => pick(place) }, one.shown)));
    list.querySelector("[aria-selected=true]")?.scrollIntoView({ block: "nearest" });
  }

  async function goTo(one) {
    flow.goTo(one.entry);
    await openRoom(one.room, { at: "around", seq: one.seq });
    flow.goTo(one.entry);
  }

  function pick(place) {
    made.close();
    options[place]?.go();
  }

  // At once, and again when the answer comes if more was typed since: one question is on its way at a time.
  async function search() {
    if (searching) return;
    searching = true;
    let wanted, answer;
    do {
      wanted = input.value.trim();
      answer = wanted.length > 1 ? await quietly("search", { query: wanted }) : { ok: true, data: { found: [], more: false } };
    } while (made.open && wanted !== input.value.trim());
    searching = false;
    words = answer.ok ? answer.data.found : [];
    const told = !answer.ok ? answer.text : words.length ? `${now.say.in_words}: ${filled(answer.data.more ? now.say.found_more : now.say.found, { count: words.length })}` : wanted.length > 1 ? `${now.say.found_none}. ${now.say.found_none_more}` : "";
    fill(count, told);
    draw();
  }

  input.addEventListener("input", () => {
    at = 0;
    draw();
    search();
  });
  input.addEventListener("keydown", (event) => {
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      at = options.length ? (at + (event.key === "ArrowDown" ? 1 : options.length - 1)) % options.length : 0;
      draw();
    } else if (event.key === "Enter") {
      event.preventDefault();
      pick(at);
    } else if (event.key === "Escape") {
      // A browser would empty the field first.
      event.preventDefault();
      made.close();
    }
  });
  made.addEventListener("click", (event) => event.target === made && made.close());
  made.addEventListener("close", () => {
    made.remove();
    if (document.activeElement === document.body) before?.focus?.();
  });
  document.body.append(made);
  made.showModal();
  draw();
  if (query) search();
}
