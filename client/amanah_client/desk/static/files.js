// Files: as a card in the conversation, as a list of the room, and on their way here. None is ever opened by the page.

import { btn, el, fill, filled, pap, theirs, tlp, chip } from "./dom.js";
import { sure, wide } from "./dialogs.js";
import { ask, now, on, quietly, toast } from "./state.js";

const UNITS = ["byte", "kilobyte", "megabyte", "gigabyte"];

/** How large something is, in the words of the language. */
export function bytes(count) {
  const step = count < 1000 ? 0 : Math.min(3, Math.floor(Math.log10(count) / 3));
  const options = { style: "unit", unit: UNITS[step], unitDisplay: step ? "short" : "long", maximumFractionDigits: step ? 1 : 0 };
  return new Intl.NumberFormat(now.words.lang, options).format(count / 1000 ** step);
}

/** How far something is, for eyes and for those who listen. */
export function progress(label, done, total) {
  const bar = el("div.bar", { role: "progressbar", "aria-label": label, "aria-valuemin": 0, "aria-valuemax": 100 }, el("i"));
  return advance(el("div.moving", {}, el("span.meta", { dir: "auto" }, label), bar, el("span.meta.num")), done, total);
}

/** It is further on. */
export function advance(made, done, total) {
  const share = total ? Math.floor((100 * done) / total) / 100 : 0;
  const [, bar, words] = made.children;
  bar.setAttribute("aria-valuenow", Math.round(100 * share));
  bar.firstChild.style.inlineSize = `${100 * share}%`;
  words.textContent = new Intl.NumberFormat(now.words.lang, { style: "percent" }).format(share);
  return made;
}

// ---- saving: fetched and verified by the program first, then given to the browser as a file

const wanted = new Map();
on("over", () => wanted.clear());

async function save(room, entry, file, container) {
  const answer = await ask("save", { room, entry, container });
  if (!answer.ok) return;
  if (answer.data.take) take(answer.data.take);
  else wanted.set(file.attachment, { room, entry, file, container });
}

/** Hand an address over to the browser, which keeps what it gets as a file. */
export function take(address) {
  const link = el("a", { href: address, download: "", hidden: true });
  document.body.append(link);
  link.click();
  link.remove();
}

function arrived() {
  for (const [attachment, one] of [...wanted]) {
    const state = now.transfers[attachment]?.state;
    if (state === "here" || state === "failed") wanted.delete(attachment);
    if (state === "here") save(one.room, one.entry, one.file, one.container);
  }
}

// ---- what is told of a file that moves

function moving(file) {
  const move = now.transfers[file.attachment];
  if (!move) return null;
  const named = { name: file.name };
  if (move.state === "failed") return el("p.warn", { role: "alert", dir: "auto" }, move.text);
  if (move.state === "waiting") return el("p.meta", { role: "status" }, now.say.waits_here);
  return move.state === "moving" ? progress(filled(move.up ? now.say.sending : now.say.fetching, named), move.done, move.total) : null;
}

/** A place that tells how far a file is, for as long as it stands on the page. */
function watched(file) {
  const place = el("div.watched", { "data-attachment": file.attachment });
  place.file = file;
  return fill(place, moving(file));
}

function drawMoves() {
  for (const place of document.querySelectorAll(".watched")) fill(place, moving(place.file));
  arrived();
}

on("transfers", drawMoves);

// ---- one file

async function copy(text) {
  await navigator.clipboard.writeText(text).then(() => toast(now.say.copied), () => {});
}

function digest(file) {
  return el("div.digest", {}, el("span.meta", {}, "SHA-256"), el("code.ioc", { dir: "ltr" }, file.digest), btn(now.say.copy, () => copy(file.digest), { "aria-label": filled(now.say.copy_hash, { name: file.name }) }, "button.link"));
}

function saving(room, entry, file, isSmall) {
  const named = { name: file.name };
  const first = file.sample ? now.say.save_sample : now.say.save;
  return [
    btn(first, () => save(room, entry, file, false), { "aria-label": `${first}: ${file.name}` }, isSmall ? "button.btn.small" : "button.btn.small.go"),
    file.sample ? null : btn(now.say.container, () => save(room, entry, file, true), { "aria-label": filled(now.say.container_file, named) }, "button.link"),
  ];
}

/** A file in the conversation. */
export function fileCard(item, said) {
  const file = item.content;
  return el(
    `div.card.file${file.sample ? ".sample" : ""}`,
    {},
    el("h3", {}, theirs(file.name), " ", el("span.meta.num", {}, bytes(file.size))),
    file.sample ? el("p.warn", {}, now.say.sample, ". ", now.say.password) : null,
    file.called ? el("p.meta", {}, filled(now.say.called, { name: file.called })) : null,
    said,
    digest(file),
    watched(file),
    item.seq ? el("div.row.tight", {}, saving(now.room, item.id, file, false), el("span.meta", {}, now.say.never_opened)) : null,
  );
}

export async function erase(item) {
  const corrections = item.erasable === "corrections";
  const [question, does] = corrections ? ["erase_part_sure", "erase_part"] : ["erase_sure", "erase"];
  if (await sure(now.say[question], now.say[does])) ask("erase", { room: now.room, entry: item.id, corrections });
}

// ---- all of a room

export async function showFiles() {
  const room = now.room;
  const answer = await ask("files", { room });
  if (!answer.ok) return;
  const list = el("ul.list.files");
  const draw = (files) => fill(list, files.map((one) => line(room, one)));
  draw(answer.data);
  const none = answer.data.length ? null : el("div.none", {}, el("p", {}, now.say.no_files), el("p.meta", {}, now.say.no_files_more));
  const made = wide(now.say.files, none ?? list);
  // Redrawn while it is open, since one that was fetched or erased stands otherwise then.
  let turn = 0;
  const again = async () => {
    const mine = ++turn;
    const found = await quietly("files", { room });
    if (made.isConnected && mine === turn && found.ok) draw(found.data);
  };
  made.addEventListener("files", again);
}

let before = "";
on("transfers", () => {
  const states = JSON.stringify(Object.entries(now.transfers).map(([attachment, move]) => [attachment, move.state]));
  if (states !== before) document.querySelector("dialog[open]")?.dispatchEvent(new Event("files"));
  before = states;
});

function line(room, one) {
  const { file } = one;
  return el(
    "li",
    {},
    el("div.row.tight", {}, chip(one.who.chip, one.who.mine), file ? theirs(file.name, "b") : el("span.quiet", {}, now.say.file, now.say.colon, one.state_words), file ? el("span.meta.num", {}, bytes(file.size)) : null, tlp(one.label), pap(one.pap)),
    el("div.row.tight.meta", {}, theirs(one.who.name), el("bdi", {}, one.when), file ? el("span", {}, one.state_words) : null),
    file?.sample ? el("div.meta.warn", {}, now.say.sample) : null,
    file ? digest(file) : null,
    file ? watched(file) : null,
    file && one.seq ? el("div.row.tight", {}, saving(room, one.entry, file, true)) : null,
  );
}
