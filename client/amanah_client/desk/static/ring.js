// What rings: a bar that stands until somebody answers, a sound of this page's own, and who is paged.

import { btn, chip, el, fill, filled, moment, pap, theirs, timed, tlp } from "./dom.js";
import { shown } from "./dialogs.js";
import { noticeOf } from "./drill.js";
import { ask, during, every, now, on, openRoom, quietly } from "./state.js";

const EVERY_MS = 3000;
const MUTE_MS = 5 * 60_000;
const REAL = [660, 880, 660, 880];
const DRILL = [392, 392];
const NOTE_S = 0.22;

export function makeRing(flow) {
  const bar = el("section.ring", { id: "ring", role: "alert", "aria-label": now.say.rings, hidden: true });
  const silent = el("div.silent", { role: "status", hidden: true });
  let audio = null;
  let mutedUntil = 0;
  let wanted = false;
  let had = false;
  let known = new Set();

  // ---- sound: made here, of no file

  const canSound = () => audio?.state === "running";

  /** Want the right to sound, or give it on: of whoever keeps it and is mute, nobody else is heard either. */
  function want() {
    const wants = canSound() && !mutedUntil;
    if (wants === wanted) return;
    wanted = wants;
    quietly("sounds", { on: wants });
  }

  function touched() {
    if (audio) {
      audio.resume();
      return;
    }
    audio = new AudioContext();
    audio.addEventListener("statechange", () => {
      want();
      draw();
    });
    want();
  }
  for (const name of ["keydown", "pointerdown"]) during(window, name, touched, { passive: true });

  function sound() {
    const lines = now.ringing?.lines ?? [];
    if (mutedUntil && Date.now() >= mutedUntil) unmute();
    const sounds = Boolean(lines.length && now.ringing.sounds && canSound() && !mutedUntil);
    document.body.toggleAttribute("data-sounding", sounds);
    if (!sounds) return;
    const notes = lines.every((one) => one.drill) ? DRILL : REAL;
    notes.forEach((pitch, at) => note(pitch, audio.currentTime + 0.02 + at * NOTE_S));
  }

  function note(pitch, at) {
    const voice = audio.createOscillator();
    const loud = audio.createGain();
    voice.frequency.value = pitch;
    loud.gain.setValueAtTime(0, at);
    loud.gain.linearRampToValueAtTime(0.35, at + 0.02);
    loud.gain.linearRampToValueAtTime(0, at + NOTE_S * 0.9);
    voice.connect(loud).connect(audio.destination);
    voice.start(at);
    voice.stop(at + NOTE_S);
  }

  function mute() {
    mutedUntil = Date.now() + MUTE_MS;
    want();
    draw();
    sound();
  }

  function unmute() {
    mutedUntil = 0;
    want();
    draw();
  }

  // ---- the bar

  function draw() {
    const lines = now.ringing?.lines ?? [];
    const before = bar.contains(document.activeElement) ? document.activeElement.dataset.key : null;
    bar.hidden = !lines.length;
    drawSilent();
    fill(bar, lines.map(line), lines.length ? foot() : null);
    if (before) (bar.querySelector(`[data-key="${CSS.escape(before)}"]`) ?? document.querySelector("textarea.box"))?.focus();
  }

  function line(one) {
    return el(
      "div.rings",
      { "data-entry": one.entry },
      el("div.grow", {},
        el("div.asked", {}, [
          one.drill ? el("b.drill", {}, now.say.drill) : null,
          one.chip ? chip(one.chip) : null,
          el("b", { dir: "auto" }, filled(now.say.rings_for, { urgent: one.urgent, name: one.name || "?", title: one.title })),
          one.label ? tlp(one.label) : null,
          pap(one.pap),
          since(one),
        ].filter(Boolean).flatMap((part) => [part, " "])),
        one.begins ? theirs(one.begins, "p.begins") : null,
        el("div.paged", { dir: "auto" }, el("span", {}, one.words), " ", one.due_ms ? el("span.num.left", { "data-due": one.due_ms }, left(one.due_ms)) : null)),
      el("div.row.tight.answers", {},
        btn(now.say.show_message, () => show(one), { "data-key": `show ${one.entry}` }),
        btn(filled(now.say.answer, { nation: now.me.chip }), () => ask("answer_page", { entry: one.entry }), { "data-key": `answer ${one.entry}` }, "button.btn.go")),
    );
  }

  const since = (one) => el("span.since", {}, timed(now.say.rings_since, one.since_ms, one.since));

  // What is pressed stays where it is until it is let go: the press that lets the page sound takes this bar away, and
  // whatever stands below it would move from under the pointer.
  let pressed = false;
  during(window, "pointerdown", () => (pressed = true), { capture: true, passive: true });
  for (const name of ["pointerup", "pointercancel"]) {
    during(window, name, () => setTimeout(() => {
      pressed = false;
      drawSilent();
    }), { capture: true, passive: true });
  }

  /** Also while nothing rings: who relies on being woken by this page has to know that it would be silent. */
  function drawSilent() {
    if (pressed) return;
    silent.hidden = canSound() || Boolean(now.ringing?.elsewhere);
    if (silent.hidden) fill(silent);
    else if (!silent.firstChild) fill(silent, el("div.grow", {}, el("b", {}, now.say.silent), el("span", {}, now.say.silent_more)), btn(now.say.sound_on, soundOn, {}, "button.btn.go"));
  }

  async function soundOn() {
    touched();
    await audio.resume();
    draw();
  }

  function foot() {
    const said = mutedUntil
      ? el("span.muted", { "data-muted": mutedUntil }, muted())
      : now.ringing.sounds || !silent.hidden
        ? null
        : el("span", {}, now.say.sounds_elsewhere);
    return el(
      "div.ringfoot",
      {},
      said,
      now.ringing.trouble ? el("span", { dir: "auto" }, now.ringing.trouble) : null,
      mutedUntil
        ? btn(now.say.unmute, unmute, { "data-key": "mute" }, "button.btn.small")
        : now.ringing.sounds && canSound()
          ? btn(now.say.mute, mute, { "data-key": "mute" }, "button.btn.small")
          : null,
      btn(now.say.duty, showDuty, { "data-key": "duty" }, "button.btn.small"),
    );
  }

  const span = (ms) => {
    const s = Math.max(0, Math.ceil(ms / 1000));
    return `${Math.floor(s / 60)}:${String(s % 60).padStart(2, "0")}`;
  };
  const left = (dueMs) => filled(now.say.left, { time: span(dueMs - Date.now()) });
  const muted = () => filled(now.say.muted, { time: span(mutedUntil - Date.now()) });

  function tick() {
    for (const one of bar.querySelectorAll("[data-due]")) one.textContent = left(Number(one.dataset.due));
    if (mutedUntil) for (const one of bar.querySelectorAll("[data-muted]")) one.textContent = muted();
  }

  async function show(one) {
    flow.goTo(one.entry);
    await openRoom(one.room, { at: "around", seq: one.seq });
    flow.goTo(one.entry);
  }

  function hear() {
    const lines = now.ringing?.lines ?? [];
    const fresh = lines.filter((one) => !known.has(one.entry));
    known = new Set(lines.map((one) => one.entry));
    if (fresh.length) {
      // Whoever muted what rang has not heard of this one.
      mutedUntil = 0;
      want();
      if (document.hidden && globalThis.Notification?.permission === "granted") new Notification(noticeOf(fresh, true), { tag: "amanah", requireInteraction: true });
    }
    draw();
    const has = Boolean(now.ringing?.sounds);
    if (fresh.length || (has && !had)) sound();
    had = has;
    if (!lines.length) document.body.removeAttribute("data-sounding");
  }

  on("ringing", hear);
  // Another connection is another page to the program.
  on("hello", () => {
    wanted = false;
    want();
  });
  // A page that is over sounds nothing, not even what it began.
  on("over", () => audio?.close());
  every(EVERY_MS, sound);
  every(1000, tick);
  drawSilent();
  return el("div.rung", {}, silent, bar);
}

/** Who is on duty, what happens to a page, and the record. */
export async function showDuty() {
  const answer = await ask("duty");
  if (!answer.ok) return;
  const found = answer.data;
  const steps = el("table.keys.steps", {},
    el("thead", {}, el("tr", {}, [now.say.duty_when, now.say.duty_whom, now.say.duty_how].map((name) => el("th", { scope: "col" }, name)))),
    el("tbody", {}, found.steps.map((one) => el("tr", {}, el("td", {}, one.when), el("td", {}, theirs(one.whom, "b")), el("td", {}, one.how ? theirs(one.how) : now.say.duty_rings)))));
  const record = found.record.map((one) => el("li", {}, moment(one.at_ms, one.utc), chip(one.chip), el("span", {}, one.drill ? [el("b.drill", {}, now.say.drill), " "] : null, one.text, " ", el("span.meta", {}, theirs(one.title), " ", el("code", {}, one.entry.slice(0, 8))))));
  const made = shown(now.say.duty_title, el("div.form", {},
    el("p", {}, el("b", {}, found.now), " ", found.next.join(" ")),
    el("p.meta", {}, found.least),
    found.elsewhere ? el("p.meta", {}, found.elsewhere) : null,
    found.trouble ? el("p.warn", { dir: "auto" }, found.trouble) : null,
    el("h3", {}, now.say.duty_steps), steps,
    el("h3", {}, now.say.duty_record),
    record.length ? el("ul.list.timeline", {}, record) : el("p.meta", {}, now.say.duty_none),
    el("div.row.end", {}, btn(now.say.close, () => made.close(), {}, "button.btn.go"))), { wide: true });
  made.querySelector(".btn.go").focus();
}
