// What the page knows, and who is told when it changes. The program decides; nothing is worked out here.

const unknown = () => ({
  words: null,
  say: {},
  me: null,
  most: "",
  rooms: [],
  line: null,
  trust: null,
  alarms: [],
  pending: null,
  ringing: null,
  transfers: {},
  room: "",
  thread: "",
  head: null,
  board: null,
  items: new Map(),
  order: [],
  more: false,
  newest: true,
  first: 0,
  markAtOpen: 0,
  drafts: new Map(),
  opened: new Map(),
});

export const now = unknown();

const listeners = new Map();
const life = new AbortController();

/** Be told of changes: of me, the rooms, line, trust, alarms, pending, ringing, head, board, entries, room; gives what ends that. */
export function on(names, listener) {
  for (const name of names.split(" ")) listeners.set(name, [...(listeners.get(name) ?? []), listener]);
  return () => {
    for (const name of names.split(" ")) listeners.set(name, listeners.get(name).filter((one) => one !== listener));
  };
}

export function tell(name) {
  for (const listener of listeners.get(name) ?? []) listener();
}

/** Listen to the document or its window, for as long as the page shows anything. */
export const during = (target, name, listener, options = {}) => target.addEventListener(name, listener, { ...options, signal: life.signal });

/** Do something again and again, for as long as the page shows anything. */
export function every(ms, does) {
  const timer = setInterval(does, ms);
  life.signal.addEventListener("abort", () => clearInterval(timer));
}

export const roomOf = (id) => now.rooms.find((room) => room.id === id);

let link = null;

export function connect(made) {
  link = made;
}

/** The page is over: what was begun is kept, what is known goes, and nobody is told of it. Gives the connection, which nobody asks any more. */
export function forget() {
  const last = link;
  tell("over");
  listeners.clear();
  // A reason of its own: the one that a browser makes remembers who called, and what that held.
  life.abort("over");
  Object.assign(now, unknown());
  // What still waits, or asks now, goes on with nothing: it would be drawn over a page that is locked.
  link = { ask: () => new Promise(() => {}) };
  return last;
}

/** Ask the program; what is refused is told to the officer, with what to do next. */
export async function ask(what, fields = {}) {
  return told(await link.ask(what, fields));
}

/** What came of something, as words to the officer. */
export function told(answer) {
  document.querySelector(".toast")?.remove();
  if (!answer.ok) toast(wrong(answer), true);
  else if (answer.text) toast(answer.text);
  return answer;
}

export const wrong = (answer) => (answer.lost ? now.say.lost : answer.text);

/** What is sealed for those who can read the room goes with whom the page has shown as them; others are not told it. */
export const sealed = (fields = {}) => ({ room: now.room, readers: now.head?.readers.digest ?? "", ...fields });

export const seal = (what, fields) => ask(what, sealed(fields));

export const quietly = (what, fields = {}) => link.ask(what, fields);

/** A word to the officer, which goes by itself. */
export function toast(text, isTrouble = false) {
  document.querySelector(".toast")?.remove();
  const made = document.createElement("div");
  made.className = isTrouble ? "toast trouble" : "toast";
  made.dir = "auto";
  made.setAttribute("role", isTrouble ? "alert" : "status");
  document.body.append(made);
  made.textContent = text;
  made.addEventListener("click", () => made.remove());
  setTimeout(() => made.remove(), isTrouble ? 12_000 : 6000);
}

/** Look at a room. */
export function openRoom(id, more = {}) {
  const isNew = now.room !== id || now.thread !== (more.thread ?? "");
  if (isNew) {
    now.room = id;
    now.thread = more.thread ?? "";
    now.items = new Map();
    now.order = [];
    now.head = null;
    now.board = null;
    now.opened.clear();
    now.waits = true;
    tell("room");
  }
  document.body.dataset.pane = "room";
  return quietly("look", { room: id, ...more });
}
