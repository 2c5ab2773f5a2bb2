// A message on its way further: into another room, to who came later, or under another label.

import { btn, el, fill, filled, theirs, tlp } from "./dom.js";
import { shown, sure } from "./dialogs.js";
import { sends } from "./forms.js";
import { ask, now, quietly, toast } from "./state.js";

const DAY_MS = 86_400_000;
const rank = (text) => now.words.labels.indexOf(text);

/** Quote a message into another room; those where it may not go are named with the reason. */
export async function forward(item) {
  const room = now.room;
  const answer = await quietly("forward_targets", { room, entry: item.id });
  if (!answer.ok) {
    toast(answer.text || now.say.lost, true);
    return;
  }
  const { rooms, label } = answer.data;
  const may = rooms.filter((one) => one.may);
  const not = rooms.filter((one) => !one.may);
  const named = (one) => `${one.drill ? `${now.say.drill} ` : ""}${one.title} (${one.label})`;
  const to = el("select", { id: "f-to" }, may.map((one) => el("option", { value: one.room }, named(one))));
  const labels = el("select", { id: "f-label" });
  const note = el("input", { id: "f-note", type: "text", dir: "auto", maxlength: 1024, autocomplete: "off" });
  const reads = el("p.meta", {});
  const limit = () => {
    const most = rank(may.find((one) => one.room === to.value)?.label ?? label);
    fill(labels, now.words.labels.filter((one) => rank(one) >= rank(label) && rank(one) <= most).map((one) => el("option", { value: one }, one)));
    labels.value = label;
    fill(reads, may.find((one) => one.room === to.value)?.readers ?? "");
  };
  limit();
  to.addEventListener("change", limit);
  const refused = not.length
    ? el("details", { open: !may.length }, el("summary", {}, filled(now.say.forward_not, { count: not.length })),
        el("ul.whynot", {}, not.map((one) => el("li", {}, one.drill ? el("b.drill", {}, now.say.drill) : null, theirs(one.title, "b"), " ", tlp(one.label), el("div.meta", { dir: "auto" }, one.why)))))
    : null;
  const form = el("form.form", { method: "dialog" },
    el("p.meta", {}, now.say.forward_more),
    el("blockquote.said", { dir: "auto" }, excerpt(item)),
    may.length
      ? [el("label", { for: "f-to" }, now.say.forward_to), to, reads, el("label", { for: "f-label" }, now.say.forward_label), labels, el("label", { for: "f-note" }, now.say.forward_note), note]
      : el("p.warn", {}, now.say.forward_none),
    refused,
    el("div.row.end", {}, btn(may.length ? now.say.cancel : now.say.close, () => made.close()), may.length ? el("button.btn.go", { type: "submit" }, now.say.forward) : null));
  const made = shown(now.say.forward, form, { room: true });
  sends(form, made, () => quietly("forward", { room, entry: item.id, to: to.value, readers: may.find((one) => one.room === to.value).digest, label: labels.value, note: note.value }));
  (may.length ? to : made.querySelector("summary, button")).focus();
}

function excerpt(item) {
  const text = (item.content.blocks ?? []).map((block) => block.lines.map((line) => line.map((run) => run.text).join("")).join("\n")).join("\n");
  return text.length > 280 ? `${text.slice(0, 279)}\u2026` : text;
}

/** Give messages from before they came to members of the room; what will be left out is shown first. */
export function giveHistory(marked = null) {
  const room = now.room;
  const nations = now.head.readers.nations.filter((one) => one.organisation && !one.people.every(({ who }) => who.me));
  if (!nations.length) {
    toast(now.say.history_nobody, true);
    return;
  }
  const people = nations.flatMap((one) => [
    [one.people.flatMap((person) => person.devices), `${one.chip}  ${one.organisation}`],
    ...one.people.filter(({ who }) => !who.me).map(({ who, devices }) => [devices, `${one.chip}  ${who.name}`]),
  ]);
  const whom = el("select", { id: "f-whom" }, people.map(([, text], place) => el("option", { value: place }, text)));
  const since = el("select", { id: "f-since" }, [
    ...(marked?.seq ? [["marked", now.say.history_marked]] : []),
    ["all", now.say.history_all],
    ["week", now.say.history_week],
    ["day", now.say.history_day],
  ].map(([value, text]) => el("option", { value }, text)));
  const preview = el("div.preview", { role: "status" });
  const go = el("button.btn.go", { type: "submit" }, now.say.history);
  const wanted = () => ({ room, devices: people[whom.value][0], ...(since.value === "marked" ? { first: marked.seq } : { first: 1 }), ...({ week: { since_ms: Date.now() - 7 * DAY_MS }, day: { since_ms: Date.now() - DAY_MS } })[since.value] });
  let turn = 0;
  const look = async () => {
    const mine = ++turn;
    go.disabled = true;
    fill(preview, el("p.meta", {}, now.say.history_look));
    const answer = await quietly("plan_grant", wanted());
    if (mine !== turn) return;
    if (!answer.ok) {
      fill(preview, el("p.warn", { dir: "auto" }, answer.text || now.say.lost));
      return;
    }
    const plan = answer.data;
    go.disabled = !plan.given;
    fill(preview, el("p", {}, plan.words), plan.left_out.length
      ? el("details", {}, el("summary", {}, filled(now.say.history_left_out, { count: plan.left_out.length + plan.more })),
          el("ul.whynot", {}, plan.left_out.map((one) => el("li", {}, theirs(one.text, "b"), el("div.meta", { dir: "auto", title: one.detail }, one.why))), plan.more ? el("li.meta", {}, filled(now.say.history_others, { count: plan.more })) : null))
      : null);
  };
  whom.addEventListener("change", look);
  since.addEventListener("change", look);
  const form = el("form.form", { method: "dialog" },
    el("p.meta", {}, now.say.history_more),
    el("label", { for: "f-whom" }, now.say.history_whom), whom,
    el("label", { for: "f-since" }, now.say.history_since), since,
    preview,
    el("div.row.end", {}, btn(now.say.cancel, () => made.close()), go));
  const made = shown(now.say.history, form, { room: true });
  sends(form, made, () => quietly("grant", wanted()));
  made.addEventListener("close", () => turn++);
  whom.focus();
  look();
}

/** A label is lowered because somebody said so twice. */
export async function lowerLabel(asked) {
  const room = now.room;
  if (await sure(asked.sure, now.say.lower_yes)) ask("relabel", { room, entry: asked.entry, label: asked.label });
}
