// One item of a conversation: a day, a line of the system, or what somebody said.

import { blocks, btn, chip, el, fill, filled, inEnglish, moment, pap, theirs, tlp } from "./dom.js";
import { ask, now, quietly, seal, sealed } from "./state.js";
import { askFor, tellOf } from "./dialogs.js";
import { isDrill } from "./drill.js";
import { forward } from "./passing.js";
import { clockCard, decisionCard, taskCard } from "./cards.js";
import { erase, fileCard } from "./files.js";

const GRADES = [1, 2, 3, 4];
/** Of what erasing is offered, also where it was withdrawn before. */
const ERASED = new Set(["prose", "file"]);

/** An item; `does` are what the composer does for it. */
export function draw(item, does) {
  if (item.kind === "day") return el("div.day", { role: "separator" }, el("span", {}, item.text));
  return item.kind === "notice" ? notice(item) : entry(item, does);
}

function notice(item) {
  const proof = btn(now.say.proof, () => tellOf(item.id), {}, "button.link");
  return el(`div.sys.${item.tone}`, { "data-seq": item.seq }, moment(item.at_ms, item.utc), isDrill() ? mark() : null, el("span", {}, item.text, " ", proof));
}

/** That it is an exercise: read and copied before what was said, and seen at its end, where it stands before no word. */
const mark = () => el("b.drill.apart", {}, now.say.drill);

function entry(item, does) {
  const body = el("div.body", {}, item.first ? who(item) : aside(item), root(item, does), reply(item), content(item, does), below(item, does));
  const made = el(
    `article.msg${item.first ? "" : ".runs"}${item.pages ? ".page" : ""}${item.calls_me ? ".called" : ""}${item.acks ? ".asks" : ""}`,
    { tabindex: -1, "data-id": item.id, "data-seq": item.seq, "aria-label": [item.drill ? now.say.drill : "", item.who.name, item.who.chip, item.utc].filter(Boolean).join(now.say.comma) },
    item.drill ? mark() : null,
    item.first ? chip(item.who.chip, item.who.mine) : el("span.when.num", {}, item.utc),
    body,
  );
  if (item.seq) made.append(tools(item, does));
  return made;
}

function who(item) {
  return el(
    "div.who",
    {},
    el("b", { title: item.who.organisation }, theirs(item.who.name)),
    item.who.machine ? el("span.meta", {}, now.say.machine) : null,
    item.who.note ? el("span.meta.warn", {}, item.who.note) : null,
    el("span.meta", {}, moment(item.at_ms, item.utc)),
    item.label ? tlp(item.label) : null,
    marks(item),
  );
}

function aside(item) {
  const found = [item.label ? tlp(item.label) : null, ...marks(item)].filter(Boolean);
  return found.length ? el("div.who", {}, found) : null;
}

function marks(item) {
  return [
    pap(item.pap),
    item.urgent ? el(item.pages ? "span.urgent.page" : "span.urgent", {}, item.urgent) : null,
    item.calls.length ? el("span.meta", {}, now.say.calls, " ", el("b", {}, item.calls.join(now.say.comma))) : null,
    item.sent ? el("span.meta.num", {}, item.sent) : null,
    item.relay_time ? el("span.meta.warn", {}, item.relay_time) : null,
    item.repaired ? el("span.meta", { dir: "auto" }, `\u21ba ${item.repaired}`) : null,
  ].filter(Boolean);
}

/** Where the thread begins that it stands in: the way there. */
function root(item, does) {
  if (!item.root) return null;
  const [before, after = ""] = now.say.thread_begins.split("{text}");
  return el("button.reply", { type: "button", onclick: () => does.thread(item) }, el("span", {}, before, theirs(item.root.text), after));
}

function reply(item) {
  if (!item.reply) return null;
  const go = () => document.querySelector(`[data-id="${CSS.escape(item.reply.id)}"]`)?.focus();
  return el(
    "button.reply",
    { type: "button", onclick: go },
    item.reply.chip ? chip(item.reply.chip) : null,
    item.reply.name ? el("b", { dir: "auto" }, item.reply.name) : null,
    theirs(item.reply.text, "span"),
  );
}

function content(item, does) {
  const said = item.content;
  switch (said.kind) {
    case "prose":
      return el("div.prose", {}, whole(item, said), said.corrections ? corrected(item, said.corrections) : null);
    case "gone":
      return gone(item, said, does);
    case "alerts":
      return alerts(said);
    case "task":
      return taskCard(said, true);
    case "decision":
      return decisionCard(said, true);
    case "clock":
      return clockCard(said, true);
    case "file":
      return fileCard(item, whole(item, said));
    default:
      return el("div.stood", {}, el("b", {}, said.title), said.lines.map((line, at) => [at ? ". " : "", theirs(line)]), whole(item, said));
  }
}

/** A text, or the beginning of a long one; all of it when it is asked for. */
export function whole(item, said, version = null) {
  // By its version: what was opened is not what it says after a correction.
  const name = `${item.id} ${version ?? said.corrections ?? 0}`;
  const known = now.opened.get(name);
  if (!said.left_out || known) return blocks(known ?? said.blocks);
  const words = filled(now.say.show_all, { count: said.left_out });
  const made = el("div.begun", {}, blocks(said.blocks));
  const open = async () => {
    const answer = await ask("whole", { room: now.room, entry: item.id, version });
    if (!answer.ok) return;
    now.opened.set(name, answer.data.blocks);
    fill(made, blocks(answer.data.blocks));
  };
  // What waits in the outbox has no place yet under which it could be asked for.
  made.append(item.seq === 0 ? el("span.meta", {}, words) : btn(words, open, {}, "button.link"));
  return made;
}

/** What it said before its corrections: fetched when somebody opens it, a few at a time. */
function corrected(item, corrections) {
  const made = el("details.meta", {}, el("summary", { title: now.say.before }, now.say.corrected));
  const more = async (version) => {
    const answer = await ask("before", { room: now.room, entry: item.id, version });
    if (!answer.ok) return;
    const { versions, more: earlier } = answer.data;
    made.append(...versions.map((one) => el("div.before", {}, whole(item, one, one.version))));
    if (!earlier) return;
    const next = btn(filled(now.say.earlier, { count: earlier }), async () => {
      await more(versions.at(-1).version);
      next.remove();
    }, {}, "button.link");
    made.append(next);
  };
  made.addEventListener("toggle", () => made.open && made.childElementCount === 1 && more(corrections));
  return made;
}

function gone(item, said, does) {
  const code = said.code ? el("code.meta", {}, said.code) : null;
  const kept = said.was
    ? el("details.meta", {}, el("summary", {}, now.say.said_before), el("div.before", {}, content({ ...item, content: said.was }, does)))
    : null;
  return el(`div.gone.${said.why}`, {}, el("span", {}, said.text), " ", code, kept);
}

function alerts(card) {
  const list = el("ul.groups", { hidden: card.groups.length > 3 });
  for (const group of card.groups) {
    list.append(
      el(
        "li",
        {},
        el(`span.grade.${group.severity}`, {}, group.severity_words),
        el("span", { dir: "auto" }, group.title),
        group.count > 1 ? el("span.meta.num", {}, `\u00d7 ${group.count}`) : null,
        group.flows.map((flow) => el("code.ioc", { dir: "ltr" }, flow)),
      ),
    );
  }
  const more = btn(now.say.groups, () => {
    list.hidden = !list.hidden;
    more.textContent = list.hidden ? now.say.groups : now.say.fewer;
  });
  return el(
    `div.card.${card.severity}`,
    {},
    el("h3", {}, theirs(card.title)),
    list,
    card.sum ? el(card.adds_up ? "div.meta.num" : "div.meta.num.warn", {}, card.sum) : null,
    card.groups.length > 3 ? el("div.row", {}, more) : null,
  );
}

function below(item, does) {
  const made = el("div.below");
  const { acks, delivery } = item;
  const parts = [];
  if (acks) {
    parts.push(...acks.by.map(([who, , words]) => el("span.ok", {}, chip(who), " ", words)));
    parts.push(...acks.waiting.map(([who, words]) => el("span.wait", {}, chip(who), " ", words)));
  }
  if (delivery) parts.push(el(`span.sent.${delivery.state}`, {}, delivery.text, inEnglish(delivery.english), delivery.waiting.length && delivery.state === "delivered" ? [" (", now.say.waiting_for, " ", delivery.waiting.join(now.say.comma), ")"] : null));
  if (item.threads && item.id !== now.thread) parts.push(btn(filled(now.say.in_thread, { count: item.threads }), () => does.thread(item), {}, "button.link"));
  if (delivery && (delivery.state === "held" || delivery.state === "queued")) {
    if (delivery.state === "held") parts.push(btn(now.say.release, () => ask("release", { intent: item.id, drop: false }), {}, "button.link"));
    parts.push(btn(now.say.drop, () => ask("release", { intent: item.id, drop: true }), {}, "button.link"));
  }
  if (item.reactions.length) made.append(signs(item));
  if (parts.length) made.append(el("div.acks", {}, parts));
  if (acks?.people.length) made.append(el("details.meta.given", {}, el("summary", {}, now.say.ack_who), el("ul.whynot", {}, acks.people.map((one) => el("li", { dir: "auto" }, one)))));
  if (acks?.asks && !item.who.mine && acks.waiting.some(([who]) => who === now.me.chip)) made.append(grades(item, acks));
  return made.childNodes.length ? made : null;
}

function signs(item) {
  const sign = (one) =>
    btn([one.sign, " ", one.chips.join(" ")].join(""), () => seal("react", { entry: item.id, sign: one.sign, stands: !one.mine }), { "aria-pressed": String(one.mine), "aria-label": `${one.sign} ${one.chips.join(now.say.comma)}` }, "button.sign");
  const made = el("div.signs", {}, item.reactions.map(sign));
  const all = async () => {
    const answer = await ask("whole", { room: now.room, entry: item.id });
    if (answer.ok) fill(made, answer.data.reactions.map(sign));
  };
  if (item.more_reactions) made.append(btn(filled(now.say.more_signs, { count: item.more_reactions }), all, {}, "button.link"));
  return made;
}

function grades(item, acks = null) {
  const give = (grade) => ask("acknowledge", { room: now.room, entry: item.id, grade });
  return el(
    "div.grades",
    { role: "group", "aria-label": now.say.acknowledge },
    acks?.asks ? el("span.meta", {}, acks.asks) : null,
    item.acks?.ours ? el("span.meta", { dir: "auto" }, item.acks.ours) : null,
    GRADES.map((grade) => btn(now.say[`ack_${grade}`], () => give(grade), { "aria-pressed": String((item.acks?.mine ?? 0) >= grade) }, grade === acks?.asked ? "button.btn.go" : "button.btn")),
  );
}

function tools(item, does) {
  const bar = el("div.tools", { role: "toolbar" });
  const isText = item.content.kind === "prose";
  put(bar, [
    btn(now.say.reply, () => does.reply(item), {}, "button.tool"),
    btn(now.say.react, () => react(bar, item), {}, "button.tool"),
    btn(now.say.thread, () => does.thread(item), {}, "button.tool"),
    item.who.mine ? null : btn(now.say.acknowledge, () => fill(bar, grades(item)), {}, "button.tool"),
    item.own && isText ? btn(now.say.correct, () => does.correct(item), {}, "button.tool") : null,
    item.own ? btn(now.say.withdraw, () => withdraw(item), {}, "button.tool") : null,
    isText ? btn(now.say.forward, () => forward(item), {}, "button.tool") : null,
    item.delivery && ERASED.has((item.content.was ?? item.content).kind) ? erasing(item) : null,
    btn(now.say.proof, () => tellOf(item.id), {}, "button.tool"),
  ]);
  return bar;
}

/** What another device of the same person sent is erased there: here it would stay, and be said to be gone. */
const erasing = (item) =>
  item.erasable === "none"
    ? el("span.meta", {}, now.say.erase_elsewhere)
    : btn(item.erasable === "all" ? now.say.erase : now.say.erase_part, () => erase(item), {}, "button.tool");

function put(bar, tools) {
  for (const tool of tools) if (tool) bar.append(tool);
}

function react(bar, item) {
  const signs = ["\u{1F440}", "\u{1F44D}", "\u2705", "\u2757", "\u{1F64F}", "\u{1F512}"];
  const give = (sign) => seal("react", { entry: item.id, sign, stands: true });
  fill(bar, signs.map((sign) => btn(sign, () => give(sign), {}, "button.tool")));
}

const withdraw = (item) =>
  askFor(now.say.withdraw, [{ name: "reason", label: now.say.withdraw_why }], now.say.withdraw, "", ({ reason }) =>
    quietly("withdraw", sealed({ entry: item.id, reason })));

