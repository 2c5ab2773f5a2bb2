// The desk: puts its parts together, takes what the program pushes, and says when somebody is there.

import { tick } from "./cards.js";
import { showAlarms, showKeys } from "./dialogs.js";
import { makeBoard } from "./board.js";
import { makeComposer } from "./composer.js";
import { el, fill } from "./dom.js";
import { makeDrill, noticeOf, titleOf } from "./drill.js";
import { makeFlow } from "./flow.js";
import { makeHead } from "./head.js";
import { listen } from "./keys.js";
import { bare, leave, lock, watch } from "./leaving.js";
import { Link } from "./link.js";
import { openNewRoom } from "./opening.js";
import { openPalette } from "./palette.js";
import { makePending } from "./pending.js";
import { makeAlarm, makeRail } from "./rail.js";
import { makeRing } from "./ring.js";
import { connect, during, every, now, on, openRoom, quietly, tell, toast } from "./state.js";

// Looked for anew: what is held here would outlast the page that it stands in.
const app = () => document.getElementById("app");
let built = false;

function build() {
  built = true;
  const late = {};
  const flow = makeFlow({
    reply: (item) => late.composer.does.reply(item),
    thread: (item) => late.composer.does.thread(item),
    correct: (item) => late.composer.does.correct(item),
  });
  const find = (query = "") => openPalette(flow, query);
  const composer = (late.composer = makeComposer({ onSearch: find, onMembers: () => board.showMembers(), flow }));
  const board = makeBoard(composer);
  const rail = makeRail({ onFind: () => find(), onNewRoom: newRoom, onLock: lock, onKeys: showKeys, onAlarms: showAlarms });
  makeAlarm();
  const main = el("main", {}, makeHead(), makeDrill(), flow.node, makePending(), composer.node);
  app().before(makeRing(flow));
  fill(app(), rail, main, board.node);
  watchPanes(rail, board.node);
  document.body.dataset.pane = "rooms";
  listen({ find: () => find(), flow, composer });
  on("room head", notice);
  on("entries", () => {
    if (now.waits && now.head) {
      now.waits = false;
      if (matchMedia("(min-width: 721px)").matches && !document.querySelector("dialog[open]")) composer.focus();
    }
  });
}

/** On a narrow screen one pane is seen at a time, and is then what the page is about. */
function watchPanes(rail, board) {
  const narrow = matchMedia("(max-width: 720px)");
  const set = () => {
    const pane = narrow.matches ? document.body.dataset.pane : "";
    rail.setAttribute("role", pane === "rooms" ? "main" : "navigation");
    board.setAttribute("role", pane === "board" ? "main" : "complementary");
  };
  const watching = new MutationObserver(set);
  watching.observe(document.body, { attributeFilter: ["data-pane"] });
  on("over", () => watching.disconnect());
  during(narrow, "change", set);
  set();
}

const newRoom = () => openNewRoom((title) => (openNext = { title, known: new Set(now.rooms.map((room) => room.id)) }));

let openNext = null;
let looked = "";
on("over", () => (openNext = null));

function hear(message) {
  const value = message.value;
  switch (message.kind) {
    case "hello":
      now.words = message.words;
      now.say = message.words.say;
      now.me = message.me;
      now.most = message.most;
      looked = message.looked;
      if (!built) build();
      tell("hello");
      if (now.room) again();
      break;
    case "rooms":
      now.rooms = value;
      tell("rooms");
      notice();
      openWanted();
      break;
    case "trouble":
      toast(value, true);
      break;
    case "head":
      if (value.room.id !== now.room) return;
      if (!now.head) now.markAtOpen = value.mark;
      now.head = value;
      tell("head");
      break;
    case "board":
      if (message.room !== now.room) return;
      now.board = value;
      tell("board");
      break;
    case "entries":
      entries(message);
      break;
    default:
      now[message.kind] = value;
      tell(message.kind);
  }
}

function entries(message) {
  if (message.room !== now.room || message.thread !== now.thread) return;
  const known = now.items;
  now.items = new Map(message.order.map((key) => [key, message.items[key] ?? known.get(key)]).filter(([, item]) => item));
  now.order = [...now.items.keys()];
  now.more = message.more;
  now.newest = message.newest;
  now.first = message.first;
  tell("entries");
}

/** After a reconnect: the same room again, at its newest. */
const again = () => quietly("look", { room: now.room, ...(now.thread ? { thread: now.thread } : {}) });

/** The room that was asked for just now, or the one that was looked at before the page was loaded anew. */
function openWanted() {
  const found = openNext && now.rooms.find((room) => room.title === openNext.title && !openNext.known.has(room.id));
  if (found) {
    openNext = null;
    // In the middle of a sentence nobody is taken elsewhere: it stands in the list.
    if (!document.querySelector("dialog[open]") && !document.querySelector("textarea.box")?.value) openRoom(found.id);
  } else if (!now.room && now.rooms.length && matchMedia("(min-width: 721px)").matches) {
    openRoom((now.rooms.find((room) => room.id === looked) ?? now.rooms.find((room) => room.pages) ?? now.rooms.find((room) => room.unread) ?? now.rooms[0]).id);
  }
}

// ---- what is told outside the page: that something came, never what

let told = 0;
const title = document.title;

function notice() {
  const unread = now.rooms.reduce((sum, room) => sum + room.unread, 0);
  const pages = now.rooms.some((room) => room.pages);
  document.title = titleOf(title, unread);
  if (unread > told && document.hidden && globalThis.Notification?.permission === "granted") {
    new Notification(noticeOf(now.rooms.filter((room) => room.unread), pages), { tag: "amanah", requireInteraction: pages });
  }
  told = unread;
}

// ---- the connection

function line(state) {
  if (state === "locked" || state === "ended") {
    bare(state);
    if (state === "locked") leave();
    return;
  }
  document.body.dataset.line = state;
  document.querySelector(".lost")?.remove();
  if (state === "off" && now.say.reconnecting) app().before(el("p.lost", { role: "status" }, now.say.reconnecting));
}

during(window, "pagehide", () => tell("leaving"));

// A page that the browser kept in memory when it was left must not come back by itself.
addEventListener("pageshow", (event) => event.persisted && location.reload());

// Nothing that fails here is passed over in silence: the officer would wait for what never comes.
for (const name of ["error", "unhandledrejection"]) addEventListener(name, () => now.say.fault && toast(now.say.fault, true));

every(1000, tick);
connect(new Link(hear, line));
watch();
