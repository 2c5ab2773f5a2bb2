// What was asked for and waits, is held for somebody's word, or was refused: where the officer looks, with what to do.

import { btn, el, fill, filled, inEnglish, moment, theirs } from "./dom.js";
import { shown } from "./dialogs.js";
import { ask, now, on, roomOf } from "./state.js";

const SHOWN_IN_FLOW = /^(queued|held|sent)$/;

/** The line above the composer: of this room, what stands nowhere else in it. */
export function makePending() {
  const strip = el("div.pending", { hidden: true, role: "status" });
  const draw = () => {
    const here = (now.pending?.lines ?? []).slice(0, now.pending?.trouble ?? 0).filter((one) => one.room === now.room && now.room && !(now.items.has(one.id) && SHOWN_IN_FLOW.test(one.state)));
    strip.hidden = !here.length;
    redraw(strip, here.map((one) => entry(one, false)));
  };
  on("pending room entries", draw);
  return strip;
}

/** Drawn anew, the same button has the focus. */
function redraw(into, children) {
  const key = into.contains(document.activeElement) ? document.activeElement.dataset.key : null;
  fill(into, children);
  if (key) into.querySelector(`[data-key="${CSS.escape(key)}"]`)?.focus();
}

function entry(one, withRoom) {
  const act = (name, text, does) => btn(text, does, { "data-key": `${name} ${one.id}`, "aria-label": `${text}: ${one.what}` }, "button.btn.small");
  return el(
    `div.waits.${one.state}`,
    { "data-intent": one.id },
    el("div.grow", {},
      el("div", {}, theirs(one.what, "b"), withRoom && one.room ? [" ", where(one)] : null),
      el("div.meta", {}, moment(one.at_ms, one.utc), " ", one.words, inEnglish(one.english))),
    one.releasable ? act("release", now.say.release, () => ask("release", { intent: one.id, drop: false })) : null,
    one.droppable ? act("drop", now.say.drop, () => ask("release", { intent: one.id, drop: true })) : null,
    one.state === "refused" ? act("seen", now.say.seen, () => ask("dismiss", { intent: one.id })) : null,
  );
}

function where(one) {
  const room = roomOf(one.room);
  return room ? el("span.meta", {}, room.drill ? [el("b.drill", {}, now.say.drill), " "] : null, theirs(room.title)) : null;
}

/** All of it, in one place. */
export function showPending() {
  const list = el("div.list", { tabindex: -1 });
  const made = shown(now.say.waits_all, list, { wide: true });
  const draw = () => {
    if (!made.isConnected) return;
    const lines = now.pending?.lines ?? [];
    const had = list.contains(document.activeElement);
    redraw(list, lines.length ? lines.map((one) => entry(one, true)) : el("p", {}, now.say.waits_none));
    if (had && !list.contains(document.activeElement)) list.focus();
  };
  list.append(el("p"));
  draw();
  const end = on("pending", draw);
  made.addEventListener("close", () => end?.());
  const close = btn(now.say.close, () => made.close(), {}, "button.btn.go");
  made.append(el("div.row.end", {}, close));
  (list.querySelector("button") ?? close).focus();
}

/** The button at the foot of the rooms. */
export function pendingButton() {
  const { lines = [], trouble = 0 } = now.pending ?? {};
  if (!lines.length) return null;
  return btn(trouble ? filled(now.say.waits_trouble, { count: trouble }) : `${now.say.waits} (${lines.length})`, showPending, {}, trouble ? "button.btn.small.warned" : "button.btn.small");
}
