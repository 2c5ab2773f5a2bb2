// The end of an incident: asked for, signed by nations, recorded.

import { bar } from "./cards.js";
import { btn, chip, el, filled } from "./dom.js";
import { shown, sure } from "./dialogs.js";
import { sends } from "./forms.js";
import { ask, now, quietly, sealed } from "./state.js";

const MOST_DAYS = 90;

/** How far it is, with what the reader's nation can do now. */
export function closingPart() {
  const found = now.board.closing;
  const writable = now.head.room.writable;
  if (!found) return el("div.rows", {}, el("p.meta", {}, now.say.no_closing), writable ? btn(now.say.close_room, () => askToClose(), {}, "button.btn.small.closeroom") : null);
  const waits = found.open && found.mine !== "signed" && found.mine !== "";
  const others = new Map(found.differs);
  const unsigned = found.waiting.filter((one) => !others.has(one));
  return el(
    found.recorded ? "div.card.closed" : "div.card.ask",
    {},
    found.recorded ? null : bar(Math.round((100 * found.signed.length) / found.asked)),
    el("ul.signers", {},
      found.signed.map((one) => el("li.ok", {}, chip(one, true), " ", now.say.signed)),
      found.differs.map(([one]) => el("li.warn", {}, chip(one), " ", now.say.other_facts)),
      unsigned.map((one) => el("li.wait", {}, chip(one), " ", now.say.not_signed))),
    el("div.meta", {}, found.words),
    writable
      ? el("div.row.tight", {},
          waits ? btn(filled(now.say.sign_for, { nation: now.me.chip }), () => sign(), {}, "button.btn.small.go") : null,
          found.recordable ? btn(now.say.record_closing, () => ask("record_closing", { ...sealed(), ...closingShown() }), {}, waits ? "button.btn.small" : "button.btn.small.go") : null,
          found.recorded || !found.open ? btn(now.say.close_anew, () => askToClose(), {}, "button.btn.small") : null)
      : null,
  );
}

/** What a closing would leave behind: nobody closes what others still work on without having seen it. */
export const leftOpen = (lines) =>
  lines.length ? el("div.left", {}, el("p.warn", {}, now.say.close_left), el("ul.list", {}, lines.map((one) => el("li", { dir: "auto" }, one)))) : null;

/** The newest closing as it is shown: what is signed or recorded is that, or nothing. */
export const closingShown = () => ({ closing: now.board?.closing?.entry ?? null, signed: now.board?.closing?.agreeing ?? [] });

/** Which nations sign, and until when. */
export function askToClose(days = 7) {
  const nations = now.head.readers.nations.filter((one) => one.organisation);
  const boxes = nations.map((one) => [one, el("input", { id: `f-sign-${one.chip}`, type: "checkbox", checked: true })]);
  const count = el("input", { id: "f-days", type: "number", min: 1, max: MOST_DAYS, value: days, required: true, dir: "ltr" });
  const form = el("form.form", { method: "dialog" },
    el("p.meta", {}, now.say.close_more),
    leftOpen(now.board?.left_open ?? []),
    el("fieldset", {}, el("legend", {}, now.say.close_nations),
      el("ul.choices", {}, boxes.map(([one, box]) => el("li", {}, box, el("label", { for: box.id }, chip(one.chip, one.mine), " ", el("bdi", {}, one.organisation)))))),
    el("label", { for: "f-days" }, now.say.close_days), count,
    el("div.row.end", {}, btn(now.say.cancel, () => made.close()), el("button.btn.go", { type: "submit" }, now.say.close_go)));
  // Whom the form was drawn for: who joins while it is open is looked at first.
  const readers = sealed();
  const made = shown(now.say.close_this, form, { room: true });
  const check = () => boxes[0]?.[1].setCustomValidity(boxes.some(([, box]) => box.checked) ? "" : now.say.close_nations);
  for (const [, box] of boxes) box.addEventListener("change", check);
  sends(form, made, () => quietly("ask_to_sign", { ...readers, nations: boxes.filter(([, box]) => box.checked).map(([one]) => one.organisation), days: Number(count.value) }));
  count.focus();
}

/** Sign for the own nation; where this device has other facts, that is said first. */
export async function sign() {
  const readers = { ...sealed(), ...closingShown() };
  if (!(await sure(filled(now.say.sign_sure, { nation: now.me.chip }), filled(now.say.sign_for, { nation: now.me.chip })))) return;
  const answer = await ask("sign_off", readers);
  if (answer.ok && answer.data?.differs) await signAnyway(answer.data.differs, readers);
}

/** Everybody sees where it differs, and it does not count as agreement. */
export async function signAnyway(differs, readers) {
  if (await sure(differs, now.say.sign_anyway)) ask("sign_off", { ...readers, anyway: true });
}
