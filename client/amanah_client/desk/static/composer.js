// What is said: with its label, what may be done with it, how urgent it is, and who can read it, always in view.

import { btn, chip, el, fill, filled, firstWords, tlpClass } from "./dom.js";
import { askToClose, closingShown, leftOpen, signAnyway } from "./closing.js";
import { askFor, showCommands, sure } from "./dialogs.js";
import { showFiles } from "./files.js";
import { lowerLabel } from "./passing.js";
import { askReport } from "./reports.js";
import { makeTray } from "./tray.js";
import { ask, now, on, openRoom, quietly, seal, sealed, toast } from "./state.js";

const RANK = (text) => now.words.labels.indexOf(text);
const ABOUT = /^\/(?:ack|react|withdraw|correct|reply)(?=\s|$)(?!\s+#)/;
const SAVE_MS = 600;
const LIVE = /:\/\/|(?:\d{1,3}\.){3}\d{1,3}|\w\.\w/;

/** Who can read what is sent now, and whether these are others than when it was begun. */
function tellReaders(line, changed) {
  line.classList.toggle("changed", changed);
  fill(line, changed ? el("b.warn", {}, now.say.readers_changed) : null, changed ? " " : null, now.head.readers.compose);
  if (now.head.narrowed) line.append(" ", el("b.warn", {}, now.head.narrowed));
}

export function makeComposer({ onSearch, onMembers, flow }) {
  let label = "";
  let doing = null;
  // Whom the page showed as readers when the text was begun; "" for whom it shows when it is sent.
  let pinned = "";
  // What is about to be said instead of something, apart from what is about to be said: entry -> text so far.
  const corrections = new Map();
  const labels = el("select.tlp.pick", { "aria-label": now.say.label });
  const paps = el("select.pick", { "aria-label": now.say.pap }, now.words.paps.map((text) => el("option", { value: text }, text)));
  const urgency = el("select.pick", { "aria-label": now.say.precedence }, Object.entries(now.words.precedences).map(([value, text]) => el("option", { value }, text)));
  const asks = el("select.pick", { "aria-label": now.say.asks }, [0, 1, 2, 3, 4].map((grade) => el("option", { value: grade }, now.say[`asks_${grade}`])));
  const reads = el("span.reads");
  const bar = el("div.ribbon", { hidden: true });
  const closed = el("p.closednote", { hidden: true, role: "status" });
  const hints = el("ul.hints", { hidden: true, role: "listbox", id: "hints" });
  const text = el("textarea.box", { rows: 2, "aria-label": now.say.message, placeholder: now.say.write, dir: "auto", "aria-controls": "hints", maxlength: 65536 });
  const send = el("button.btn.go", { type: "submit" }, now.say.send);
  const tray = makeTray(() => label);
  const add = [
    btn(now.say.task, () => forms.task(), {}, "button.btn.small"),
    btn(now.say.decision, () => forms.decision(), {}, "button.btn.small"),
    btn(now.say.clock, () => forms.clock(), {}, "button.btn.small"),
    btn(now.say.handover, () => forms.handover(), {}, "button.btn.small"),
  ];
  const form = el(
    "form.compose",
    { "aria-label": now.say.message },
    el("div.row.tight.marks", {}, labels, paps, urgency, asks),
    reads,
    closed,
    bar,
    tray.nodes,
    el("div.typing", {}, hints, text),
    el("div.row.tight.foot", {}, tray.pick, el("div.adds", {}, add), el("span.meta.hint", {}, now.say.hint), send),
  );
  paps.value = "PAP:AMBER";

  // ---- what is marked

  function drawRoom() {
    const room = now.head?.room;
    form.hidden = !room;
    if (!room) return;
    offer(now.head.labels);
    if (label === "" || labels.dataset.room !== room.id) {
      labels.dataset.room = room.id;
      setLabel(now.head.label);
      // What was chosen for another room does not hold here.
      [paps.value, urgency.value, asks.value] = ["PAP:AMBER", "routine", "0"];
      stop();
      if (!now.drafts.has(room.id)) now.drafts.set(room.id, now.head.draft ?? "");
      put(now.drafts.get(room.id));
      requestAnimationFrame(grow);
    }
    const changed = Boolean(pinned) && pinned !== now.head.readers.digest;
    tellReaders(reads, changed);
    const offline = now.line && !now.line.online;
    if (offline) reads.append(" ", el("b.warn", {}, now.say.queued));
    text.disabled = send.disabled = !room.writable;
    for (const one of [...add, tray.pick]) one.disabled = !room.writable;
    const write = now.board?.closed ? now.say.write_closed : now.say.write;
    text.placeholder = room.writable ? `${room.drill ? `${now.say.drill}. ` : ""}${write}${now.say.colon}${room.title}` : now.say.not_writable;
  }

  /** What not everybody may read who can read the room is not to be chosen; who stands in the way is said below. */
  function offer(offered) {
    const made = JSON.stringify(offered);
    if (labels.dataset.offered === made) return;
    labels.dataset.offered = made;
    fill(labels, offered.map((one) => el("option", { value: one.label, disabled: Boolean(one.why) }, one.label)));
    // What was chosen before stays: it is never lowered without a word.
    labels.value = label;
  }

  function drawClosed() {
    const recorded = now.board?.closing?.recorded;
    closed.hidden = !recorded && !now.board?.closed;
    fill(closed, recorded ? now.say.closed_note : now.say.closed_status);
    drawRoom();
  }

  function setLabel(value) {
    label = value;
    labels.value = value;
    labels.className = `tlp pick ${tlpClass(value).slice(1)}`;
    tray.draw();
  }

  labels.addEventListener("change", () => {
    relabel(labels.value);
  });

  function relabel(wanted) {
    if (RANK(wanted) >= RANK(label)) {
      setLabel(wanted);
      return;
    }
    // Raising is free; lowering lets others pass it on, so it is asked for.
    labels.value = label;
    show(filled(now.say.lower, { label: wanted }), [
      btn(now.say.lower_yes, () => { setLabel(wanted); hide(); text.focus(); }, {}, "button.btn.small.go"),
      btn(now.say.keep, () => { hide(); text.focus(); }, {}, "button.btn.small"),
    ]);
  }

  function show(words, buttons) {
    bar.hidden = false;
    fill(bar, el("span", { dir: "auto" }, words), buttons);
  }

  function hide() {
    bar.hidden = true;
    if (doing) drawDoing();
  }

  function drawDoing() {
    const named = { name: doing.item.who.name };
    show(doing.what === "correct" ? now.say.correcting : filled(now.say.replying, named), [btn(now.say.cancel, cancel, {}, "button.btn.small")]);
  }

  function cancel() {
    if (doing?.what === "correct") corrections.delete(doing.item.id);
    back();
  }

  /** From a correction to what was about to be said before it. */
  function back() {
    const was = doing;
    stop();
    if (was?.what !== "correct") return;
    put(now.drafts.get(now.room) ?? "");
    setLabel(was.before.label);
    paps.value = was.before.pap;
  }

  function stop() {
    doing = null;
    bar.hidden = true;
  }

  function put(value) {
    text.value = value;
    pinned = "";
    pin();
    grow();
  }

  function pin() {
    pinned = text.value ? pinned || (now.head?.readers.digest ?? "") : "";
  }

  // ---- what is typed

  function grow() {
    // Of an empty field a browser takes no direction from what stands in its place.
    text.dir = text.value ? "auto" : now.words.dir;
    text.style.blockSize = "auto";
    text.style.blockSize = `${Math.min(text.scrollHeight + 2, innerHeight / 3)}px`;
  }

  let saving = 0;
  let waits = "";
  text.addEventListener("input", () => {
    grow();
    suggest();
    pin();
    about();
    document.querySelector(".toast.trouble")?.remove();
    keep();
  });

  function keep() {
    if (doing?.what === "correct") {
      corrections.set(doing.item.id, text.value);
      return;
    }
    if (waits !== now.room) save();
    waits = now.room;
    now.drafts.set(waits, text.value);
    clearTimeout(saving);
    saving = setTimeout(save, SAVE_MS);
  }

  /** Have the program keep what was begun: after a while, and at once before the room or the page is left. */
  function save() {
    clearTimeout(saving);
    if (waits) quietly("draft", { room: waits, text: now.drafts.get(waits) ?? "" });
    waits = "";
  }

  let isAbout = false;
  /** A command that names no message says which one it is about, before it is sent. */
  function about() {
    const item = doing || !ABOUT.test(text.value) ? null : now.items.get(meant());
    if (item) show(filled(now.say.about, { name: item.who.name, time: item.utc, text: firstWords(item) }), []);
    else if (isAbout) hide();
    isAbout = Boolean(item);
  }

  text.addEventListener("focus", about);

  const meant = () => flow.meant() || lastAsking();

  async function submit() {
    const said = text.value.trim();
    // While it is on its way a second Enter would say it twice.
    if (text.disabled || text.readOnly) return;
    const marks = { label, pap: paps.value, precedence: urgency.value };
    const was = doing;
    const readers = sealed(pinned ? { readers: pinned } : {});
    if (!said) {
      if (tray.has() && !was) tray.send({ ...marks, ...readers });
      return;
    }
    const { room } = readers, seen = { ...readers, ...closingShown() };
    text.readOnly = true;
    const answer = was?.what === "correct"
      ? await ask("correct", { ...readers, entry: was.item.id, text: said, label, pap: paps.value })
      : await type({
          ...seen, text: said, ...marks,
          asks: Number(asks.value) || null, replies: was?.what === "reply", answering: was?.item.id ?? meant(),
          thread: now.thread || null,
        });
    text.readOnly = false;
    if (answer.data?.look === "readers") pinned = "";
    if (!answer.ok) return;
    if (was?.what !== "correct") done(answer.data ?? {}, seen);
    else {
      corrections.delete(was.item.id);
      if (now.room === room && doing === was) back();
    }
    // What was typed goes first, and says whom it calls and what it asks; a command alone sends no file.
    if (answer.data?.sent && !said.startsWith("/") && now.room === room) tray.send({ ...marks, ...readers });
  }

  /** What would leave something open behind is done once somebody has seen that. */
  async function type(line) {
    const answer = await ask("type", line);
    const left = answer.data?.left_open;
    if (!answer.ok || !left) return answer;
    if (!(await sure(now.say.close_sure, now.say.close_incident, leftOpen(left)))) return { ok: false };
    return ask("type", { ...line, anyway: true });
  }

  /** The message that asked last and waits for the own nation: what a bare `/ack` means. */
  function lastAsking() {
    const waits = (item) => item?.acks?.waiting.some(([who]) => who === now.me.chip) && !item.who.mine;
    return now.order.map((key) => now.items.get(key)).filter(waits).at(-1)?.id ?? null;
  }

  function done(data, seen) {
    const { room } = seen;
    now.drafts.set(room, "");
    quietly("draft", { room, text: "" });
    if (now.room !== room) return;
    const marks = data.marks ?? {};
    if (marks.pap) paps.value = marks.pap;
    if (marks.precedence) urgency.value = marks.precedence;
    if (data.show === "members") onMembers();
    if (data.show === "search") onSearch(data.query);
    if (data.lower) lowerLabel(data.lower);
    if (data.differs) signAnyway(data.differs, seen);
    if (data.show === "closing") askToClose(data.days);
    // What a browser opens for a person's own key press alone, right behind it.
    if (data.show === "attach") form.querySelector(".attach").click();
    if (data.show === "files") showFiles();
    if (data.show === "report") askReport();
    if (data.show === "commands") showCommands(data.commands);
    stop();
    hints.hidden = true;
    asks.value = "0";
    if (!marks.precedence) urgency.value = "routine";
    put("");
    if (data.sent) flow.mark("");
    if (marks.label) relabel(marks.label);
    if (data.sent) flow.toNewest();
  }

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    submit();
  });

  text.addEventListener("keydown", (event) => {
    if (event.isComposing) return;
    if (!hints.hidden && ["ArrowDown", "ArrowUp", "Tab", "Enter", "Escape"].includes(event.key)) {
      if (choose(event.key)) event.preventDefault();
      return;
    }
    if (event.key === "Enter" && !event.shiftKey) {
      event.preventDefault();
      submit();
    } else if (event.key === "ArrowUp" && !text.value && flow.lastOwn()) {
      event.preventDefault();
      does.correct(flow.lastOwn());
    } else if (event.key === "Escape" && doing) {
      event.stopPropagation();
      cancel();
    }
  });

  // ---- commands and names

  let offered = [];
  let at = 0;

  function suggest() {
    const typed = text.value.slice(0, text.selectionStart);
    const command = /^\/([a-z]*)$/.exec(typed);
    const name = /(?:^|\s)@([^\s@]{0,60})$/.exec(typed);
    if (command) {
      offered = now.words.commands.filter((one) => one.name.startsWith(command[1])).map((one) => ({ put: `/${one.name} `, from: 0, shown: [el("code", { dir: "ltr" }, `/${one.name}`), " ", el("span.meta", {}, one.about)] }));
    } else if (name) {
      const from = typed.length - name[1].length;
      const wanted = name[1].toLowerCase();
      offered = callable().filter((one) => one.toLowerCase().includes(wanted)).map((one) => ({ put: `${one} `, from, shown: [el("bdi", { dir: "auto" }, `@${one}`), " ", ...notes(one)] }));
    } else offered = [];
    offered = offered.slice(0, 8);
    at = 0;
    drawHints();
  }

  /** What tells people apart whose names look alike. */
  function notes(name) {
    const nations = now.head?.readers.nations ?? [];
    const found = nations.flatMap((nation) => nation.people.filter(({ who }) => who.name === name).map(({ who }) => [nation.chip, who.note]));
    return found.map(([nation, note]) => [chip(nation), note ? el("span.meta.warn", {}, note) : null]);
  }

  function callable() {
    const nations = now.head?.readers.nations ?? [];
    return nations.flatMap((nation) => [nation.organisation, `${nation.organisation}/duty`, ...nation.people.map(({ who }) => who.name)]);
  }

  function drawHints() {
    hints.hidden = !offered.length;
    fill(hints, offered.map((one, place) => el("li", { role: "option", "aria-selected": String(place === at), onmousedown: (event) => { event.preventDefault(); at = place; choose("Tab"); } }, one.shown)));
  }

  function choose(key) {
    if (key === "Escape") offered = [];
    else if (key === "ArrowDown" || key === "ArrowUp") at = (at + (key === "ArrowDown" ? 1 : offered.length - 1)) % offered.length;
    else {
      const one = offered[at];
      const end = text.selectionStart;
      // A whole command that is typed out is carried out, not completed again.
      if (key === "Enter" && text.value.slice(one.from, end) === one.put.trim()) { offered = []; drawHints(); submit(); return true; }
      text.setRangeText(one.put, one.from, end, "end");
      offered = [];
      pin();
      about();
      keep();
    }
    drawHints();
    return true;
  }

  // ---- what is pasted

  text.addEventListener("paste", async (event) => {
    if (event.clipboardData.files.length) {
      event.preventDefault();
      tray.add([...event.clipboardData.files]);
      return;
    }
    if (!LIVE.test(event.clipboardData.getData("text"))) return;
    await new Promise(requestAnimationFrame);
    const answer = await quietly("defang", { text: text.value });
    if (!answer.ok || !answer.data.live) return;
    const pasted = text.value;
    show(now.say.live, [
      btn(now.say.defang, () => { if (text.value === pasted) { text.value = answer.data.text; keep(); } hide(); text.focus(); }, {}, "button.btn.small.go"),
      btn(now.say.as_is, () => { hide(); text.focus(); }, {}, "button.btn.small"),
    ]);
  });

  // ---- what is put on the board

  /** A form that is sealed as the composer says, for those whom it shows; it stays open while the program refuses it. */
  function formOf(what, title, fields, doing, made = (given) => given) {
    const marks = { label, pap: paps.value };
    let readers = now.head.readers.digest;
    const line = el("p.reads", { role: "status" });
    const end = on("head", drawReaders);
    drawReaders();
    const send = async (given) => {
      const answer = await quietly(what, sealed({ ...marks, ...(readers ? { readers } : {}), ...made(given) }));
      // Who looks again sees them in this line, and sends it to these or not at all.
      if (answer.data?.look === "readers") readers = "";
      return answer;
    };
    return askFor(title, fields, doing, line, send, marks).finally(end);

    function drawReaders() {
      if (now.head) tellReaders(line, Boolean(readers) && readers !== now.head.readers.digest);
    }
  }

  const forms = {
    task() {
      const nations = now.head.readers.nations.map((one) => [one.organisation, `${one.chip}  ${one.organisation}`]);
      return formOf("add_task", now.say.task, [
        { name: "what", label: now.say.what, wanted: true },
        { name: "nation", label: now.say.nation, choices: nations },
        { name: "until", label: now.say.until, time: true },
      ], now.say.add);
    },
    decision() {
      const count = now.head.readers.nations.length;
      return formOf("propose", now.say.propose, [
        { name: "what", label: now.say.proposed, wanted: true },
        { name: "until", label: now.say.object_until, value: "+2h", wanted: true, time: true },
        { name: "quorum", label: now.say.quorum, choices: Array.from({ length: count }, (_, n) => [String(n + 1), String(n + 1)]), value: String(count) },
      ], now.say.propose, (given) => ({ ...given, quorum: Number(given.quorum) }));
    },
    clock() {
      return formOf("set_clock", now.say.clock, [
        { name: "nature", label: now.say.nature, choices: Object.entries(now.words.natures) },
        { name: "what", label: now.say.happens, wanted: true },
        { name: "at", label: now.say.at, wanted: true, time: true },
      ], now.say.set);
    },
    handover() {
      return formOf("handover", now.say.handover, [{ name: "text", label: now.say.note, kind: "long", wanted: true }], now.say.leave);
    },
    incident() {
      const board = now.board;
      const stays = [["", now.say.stays]];
      return formOf("stand", now.say.incident, [
        { name: "title", label: now.say.title, value: board.title },
        { name: "severity", label: now.say.severity, choices: [...stays, ...Object.entries(now.words.severities)] },
        { name: "status", label: now.say.status, choices: [...stays, ...Object.entries(now.words.statuses)], note: (value) => (value === "closed" ? leftOpen(now.board.left_open) : null) },
        { name: "type", label: now.say.type, choices: [...stays, ...now.words.types.map((one) => [one, one])] },
        { name: "aware", label: now.say.aware, time: true },
      ], now.say.ok, (given) => ({ ...given, title: given.title === board.title ? "" : given.title }));
    },
  };

  const does = {
    reply(item) {
      if (doing?.what === "correct") back();
      doing = { what: "reply", item };
      drawDoing();
      text.focus();
    },
    thread(item) {
      openRoom(now.room, { thread: item.thread || item.id });
    },
    async correct(item) {
      const { room } = now;
      // As it was written, not as it is shown: what is drawn has lost its marks, and its addresses are defanged.
      const begun = corrections.get(item.id);
      const answer = begun === undefined ? await ask("whole", { room, entry: item.id }) : null;
      if (now.room !== room || (answer && !answer.ok)) return;
      // It repeats its message: it is as strict as that, where nothing else is chosen.
      doing = { what: "correct", item, before: doing?.before ?? { label, pap: paps.value } };
      setLabel(item.the_label);
      paps.value = item.the_pap;
      put(begun ?? answer.data.typed);
      drawDoing();
      text.focus();
    },
  };

  on("leaving over room", save);
  on("head line", drawRoom);
  on("board room", drawClosed);
  on("room", () => { label = ""; form.hidden = true; });
  return { node: form, forms, does, marked: () => flow.marked() ?? null, focus: () => text.focus(), has: () => document.activeElement === text };
}
