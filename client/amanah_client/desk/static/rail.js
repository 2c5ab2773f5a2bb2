// The rooms, who I am, how the connection and the log stand.

import { btn, chip, el, fill, filled, refill } from "./dom.js";
import { pendingButton } from "./pending.js";
import { showDuty } from "./ring.js";
import { now, on, openRoom } from "./state.js";

export function makeRail({ onFind, onNewRoom, onLock, onKeys, onAlarms }) {
  const me = el("div.me");
  const find = el("button.find", { type: "button", onclick: onFind }, el("span", {}, now.say.find), el("kbd", {}, "Ctrl K"));
  const lists = el("div.lists");
  const health = el("div.health");
  const rail = el("div.rail", { role: "navigation", "aria-label": now.say.back }, el("h1.unseen", {}, now.say.back), me, find, lists, health, document.querySelector(".tongues"));

  function drawMe() {
    const seal = el("img.seal", { src: document.body.dataset.seal, alt: "", width: 32, height: 32 });
    fill(me, seal, el("div.grow", {}, el("b", { dir: "auto" }, now.me.name), el("div.meta", {}, el("bdi", {}, now.me.organisation))));
  }

  function drawRooms() {
    const groups = [
      [now.say.incidents, now.rooms.filter((room) => room.group === "incident" && !room.closed)],
      [now.say.standing, now.rooms.filter((room) => room.group === "standing" && !room.closed)],
      [now.say.over, now.rooms.filter((room) => room.closed)],
    ].filter(([, rooms]) => rooms.length);
    const empty = el("div.empty", {}, el("p", {}, now.say.no_rooms), el("p.meta", {}, now.say.no_rooms_more));
    refill(
      lists,
      groups.map(([title, rooms]) => [el("h2", {}, title), el("ul.rooms", {}, rooms.map(line))]),
      groups.length ? null : empty,
      btn(now.say.new_room, onNewRoom, {}, "button.btn.quiet.new"),
    );
  }

  function line(room) {
    const badge = room.pages
      ? el("span.badge.page", { "aria-label": filled(now.say.pages, { count: room.pages }) }, room.pages)
      : room.unread
        ? el("span.badge", { "aria-label": filled(now.say.unread, { count: room.unread }) }, room.unread)
        : el("span");
    const made = el(
      room.unread || room.pages ? "button.room.unread" : "button.room",
      { type: "button", "aria-current": room.id === now.room && "true", "data-room": room.id, onclick: () => openRoom(room.id) },
      el(`i.sev${room.severity ? `.${room.severity}` : ""}`),
      el("b", { dir: "auto", title: room.title }, room.title),
      badge,
      el("span.meta", {}, room.drill ? [el("b.drill", {}, now.say.drill), " "] : null, stands(room)),
    );
    return el("li", {}, made);
  }

  function drawHealth() {
    const { line: conn, trust } = now;
    // What this device was refused rouses nobody: whoever asked was told at once.
    const raised = now.alarms.filter((one) => !one.own).length;
    refill(
      health,
      conn && el("div.row.tight", { title: conn.hint || null }, el(`span.dot${conn.online ? "" : ".off"}`), el("span", {}, conn.text)),
      trust && el(trust.tone === "ok" ? "div.meta.num" : "div.meta.num.warn", {}, trust.line),
      el(
        "div.row.tight.wraps",
        {},
        raised ? btn(`${now.say.alarms} (${raised})`, onAlarms, {}, "button.btn.small.warned") : null,
        !raised && now.alarms.length ? btn(now.say.refused, onAlarms, {}, "button.btn.small") : null,
        globalThis.Notification?.permission === "default" ? btn(now.say.notify, allow, {}, "button.btn.small") : null,
        pendingButton(),
        btn(now.say.duty, showDuty, {}, "button.btn.small"),
        btn(now.say.keys, onKeys, {}, "button.btn.small"),
        btn(now.say.lock, onLock, {}, "button.btn.small"),
      ),
    );
  }

  const allow = async () => {
    await Notification.requestPermission();
    drawHealth();
  };

  on("hello me", drawMe);
  on("rooms room", drawRooms);
  on("line trust alarms pending", drawHealth);
  return rail;
}

/** How a room stands, in a line; colour alone says of none how bad it is. */
export const stands = (room) => (room.severity && !room.trouble ? `${now.words.severities[room.severity]}${now.say.comma}${room.words}` : room.words);

/** The head of the page, where the log is broken or the program is gone. */
export function makeAlarm() {
  const alarm = document.getElementById("alarm");
  on("trust", () => {
    const broken = now.trust?.tone === "broken";
    alarm.hidden = !broken;
    if (broken) fill(alarm, el("h2", {}, now.trust.line), el("p", {}, now.trust.alarm), el("p", {}, now.trust.steps));
  });
}

/** The nations that can read the room, as chips. */
export const nations = (readers) => readers.nations.map((nation) => chip(nation.chip, true));
