// The end of a page. What it shows goes first, at once and by itself: a program that is busy, stopped or gone locks nothing.

import { during, every, forget, quietly } from "./state.js";

const THERE_MS = 20_000;
const LOOK_MS = 1000;
const idleMs = Number(document.body.dataset.idle) * 1000;
// In the page from the start: the program may be gone before it has said a word.
const words = Object.fromEntries([...document.querySelectorAll("template.end")].map((one) => [one.dataset.end, one]));
// All pages of this desk are one session: who uses one of them is there for all, and a lock is one of all.
const others = new BroadcastChannel("desk");

/** Take everything away, and say what has become of the page: "locked" or "ended". Gives the connection that it had. */
export function bare(state) {
  // What is seen goes before anything else is done, whatever may come of that.
  document.body.replaceChildren(words[state].content.cloneNode(true));
  for (const name of document.body.getAttributeNames()) document.body.removeAttribute(name);
  document.body.className = "door";
  document.title = words[state].dataset.title;
  document.querySelector("h1").focus();
  others.close();
  return forget();
}

/** End the session, with what was begun kept by the program. */
export function lock() {
  others.postMessage("lock");
  // Nobody waits for it: a button that did would be kept, with all that stands beside it.
  told(bare("locked"));
}

async function told(link) {
  const state = await link.lock(() => (document.getElementById("late").hidden = false));
  if (state === "locked") leave();
  else bare(state);
}

/** A new document: nothing of this one stays, in the page or in the memory of its scripts. */
export const leave = () => location.replace("/");

// ---- whether somebody is there, as the program has it: one that is stopped looks at no clock

const both = () => [Date.now(), performance.now()];
let there = both();

/** By the clock that goes on while the machine sleeps, or by the one that nobody sets back. */
const idle = () => Math.max(...both().map((at, clock) => at - there[clock]));

/** Lock the page if nobody was there for too long, and say so. */
function tooLong() {
  const isOver = idle() > idleMs;
  if (isOver) lock();
  return isOver;
}

/** Keep this page for as long as somebody is there. */
export function watch() {
  others.postMessage("there");
  others.addEventListener("message", ({ data }) => (data === "lock" ? lock() : tooLong() || (there = both())));
  // Programs that speak or listen for a person press and write without a key; a script that does is nobody.
  for (const name of ["keydown", "pointerdown", "wheel", "click", "input"]) {
    during(window, name, (event) => {
      // Whoever comes late does not come in by the first key that is pressed.
      if (!event.isTrusted || tooLong() || idle() < THERE_MS) return;
      there = both();
      others.postMessage("there");
      quietly("active");
    }, { capture: true, passive: true });
  }
  for (const name of ["visibilitychange", "resume"]) during(document, name, tooLong);
  every(LOOK_MS, tooLong);
}
