// What needs a decision, is to be done, or happens at a time: the same card in the conversation and on the board.

import { btn, chip, el, filled, moment, timed, titled } from "./dom.js";
import { ask, now, quietly, seal, sealed } from "./state.js";
import { askFor, sure } from "./dialogs.js";

const share = (part, whole) => (whole ? Math.round((100 * part) / whole) : 0);

/** How far something is, for eyes; words stand beside it. */
export function bar(percent, isLate = false) {
  const inner = el("i");
  inner.style.inlineSize = `${percent}%`;
  return el(isLate ? "div.bar.late" : "div.bar", { "aria-hidden": "true" }, inner);
}

export function taskCard(task, inFlow = false) {
  const move = (state) => seal("move_task", { task: task.id, state, reason: "" });
  const refuse = () =>
    askFor(now.say.refuse, [{ name: "reason", label: now.say.why, wanted: true }], now.say.refuse, "", ({ reason }) =>
      quietly("move_task", sealed({ task: task.id, state: "refused", reason })));
  const open = task.state === "open" || task.state === "taken";
  const buttons = !task.mine || task.state === "withdrawn"
    ? []
    : open
      ? [
          task.state === "open" ? btn(now.say.take, () => move("taken"), {}, "button.btn.small.go") : btn(now.say.done, () => move("done"), {}, "button.btn.small.go"),
          task.state === "open" ? btn(now.say.done, () => move("done"), {}, "button.btn.small") : null,
          btn(now.say.refuse, refuse, {}, "button.btn.small"),
        ]
      : [btn(now.say.reopen, () => move("open"), {}, "button.btn.small")];
  const made = el(
    `div.task${open ? "" : ".over"}`,
    {},
    chip(task.chip, task.mine),
    el("b", {}, titled(task)),
    task.due ? el(task.late ? "span.meta.num.due.late" : "span.meta.num.due", {}, timed(now.say.due, task.due_at_ms, task.due)) : null,
    el(task.late || task.absent ? "span.meta.late" : "span.meta", {}, task.words),
    buttons.length ? el("div.row.tight.acts", {}, buttons) : null,
  );
  return inFlow ? el("div.card.ask", {}, el("h3", {}, now.say.task), made) : made;
}

export function decisionCard(found, inFlow = false) {
  const nation = now.me.chip;
  const room = now.room;
  const agree = () => seal("position", { ordinal: found.ordinal, agrees: true });
  const object = () =>
    askFor(now.say.object, [{ name: "reason", label: filled(now.say.object_why, { nation }), wanted: true }], now.say.object, "", ({ reason }) =>
      quietly("position", sealed({ ordinal: found.ordinal, agrees: false, reason })));
  const asked = found.open && found.mine;
  const made = el(
    `div.card${found.outcome ? "" : ".ask"}`,
    { id: inFlow ? null : `decision-${found.ordinal}` },
    el("h3", {}, `${now.say.decision} ${found.ordinal}${now.say.colon}`, titled(found)),
    found.outcome ? null : bar(share(found.agree.length, found.asked)),
    el("div.meta", {}, found.words),
    asked || found.closable
      ? el(
          "div.row.tight",
          {},
          asked && found.mine !== "agree" ? btn(filled(now.say.agree, { nation }), agree, {}, "button.btn.small.go") : null,
          asked && found.mine !== "object" ? btn(now.say.object, object, {}, "button.btn.small") : null,
          found.closable ? btn(now.say.conclude, () => ask("conclude", { room, ordinal: found.ordinal }), {}, asked && found.mine !== "agree" ? "button.btn.small" : "button.btn.small.go") : null,
        )
      : null,
  );
  return made;
}

export function clockCard(clock, inFlow = false) {
  const nation = now.me.chip;
  const over = clock.past || clock.ended;
  const waits = clock.waiting.includes(nation) && !clock.ended;
  const made = el(
    inFlow ? (over ? "div.card" : "div.card.ask") : "div.clockline",
    {},
    inFlow ? el("h3", {}, clock.title, now.say.colon, titled(clock)) : el("div.row.tight.between", {}, el("b", {}, clock.title), el("span.meta", {}, clock.words)),
    inFlow ? null : countdown(clock),
    inFlow ? null : el("div", {}, titled(clock)),
    el(
      "div.meta.num.zones",
      {},
      el("bdi", {}, moment(clock.at_ms, clock.utc)),
      clock.own ? el("span", {}, clock.own) : null,
      clock.zones.map((local) => el("span", {}, el("bdi", {}, local.text), " ", local.place)),
    ),
    clock.waiting.length && !over ? el("div.meta.wait", {}, now.say.waiting_for, " ", clock.waiting.map((one) => chip(one))) : null,
    el(
      "div.row.tight",
      {},
      waits ? btn(filled(now.say.acknowledge_time, { nation }), () => ask("acknowledge", { room: now.room, entry: clock.entry, grade: 3 }), {}, "button.btn.small.go") : null,
      inFlow || over ? null : btn(now.say.move, () => moveClock(clock), {}, "button.btn.small"),
      inFlow || over ? null : btn(now.say.call_off, () => callOff(clock), {}, "button.btn.small"),
    ),
  );
  return made;
}

async function callOff(clock) {
  const what = filled(now.say.call_off_sure, { what: `${clock.title}, ${clock.utc}` });
  if (await sure(what, now.say.call_off, null, clock)) seal("move_clock", { clock: clock.id, stands: false });
}

const moveClock = (clock) =>
  askFor(now.say.move, [{ name: "at", label: now.say.at, wanted: true, time: true }], now.say.move, "", ({ at }) =>
    quietly("move_clock", sealed({ clock: clock.id, at })), clock);

function countdown(clock) {
  // Nobody waits for what an incident was closed before.
  if (clock.ended) return el("div.meta.ended", {}, now.say.ended_by_closing);
  return el("div.clock", { "data-at": clock.at_ms, role: "timer", "aria-live": "off" }, left(clock.at_ms));
}

function left(atMs) {
  const s = Math.floor((atMs - Date.now()) / 1000);
  if (s <= 0) return now.say.past;
  const two = (number) => String(number).padStart(2, "0");
  const days = Math.floor(s / 86_400);
  // Figures with colons between them read from left to right by themselves, whatever stands beside them.
  const time = `${two(Math.floor(s / 3600) % 24)}:${two(Math.floor(s / 60) % 60)}:${two(s % 60)}`;
  return days ? filled(now.say.days_left, { days, time }) : time;
}

/** Clocks go on by themselves. */
export function tick() {
  for (const shown of document.querySelectorAll(".clock[data-at]")) {
    const text = left(Number(shown.dataset.at));
    if (shown.textContent !== text) shown.textContent = text;
  }
}
