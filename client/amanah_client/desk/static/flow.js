// The conversation: a window of entries, kept by their keys. Only what changed is drawn anew, and what is looked at stays where it is.

import { btn, el, fill, filled } from "./dom.js";
import { draw } from "./entry.js";
import { during, now, on, quietly, tell } from "./state.js";

const EDGE_PX = 600;
const BOTTOM_PX = 48;

export function makeFlow(does) {
  const flow = el("section.flow", { id: "flow", "aria-label": now.say.conversation, tabindex: 0 });
  const jump = btn(now.say.newest, () => toNewest(), { hidden: true }, "button.btn.jump");
  const box = el("div.flowbox", {}, el("h2.unseen", {}, now.say.conversation), flow, jump);
  let nodes = new Map();
  let drawn = new Map();
  let asking = false;
  let stick = true;
  let goTo = "";
  let meant = "";

  const toNewest = () => {
    stick = true;
    if (now.newest) flow.scrollTop = flow.scrollHeight;
    else quietly("look", { room: now.room });
  };

  function clear() {
    nodes = new Map();
    drawn = new Map();
    stick = true;
    asking = false;
    const reading = now.room ? el("p.note", { role: "status" }, now.say.reading) : nothing(now.say.choose, now.say.choose_more);
    fill(flow, reading);
    jump.hidden = true;
    mark("");
  }

  /** The message that a command is about which names none: where somebody was last, and it is seen there. */
  function mark(id) {
    meant = id;
    for (const one of flow.querySelectorAll(".marked")) one.classList.remove("marked");
    nodes.get(id)?.classList.add("marked");
  }

  const nothing = (title, more) => el("div.empty", {}, el("p", {}, title), el("p.meta", {}, more));

  function drawEntries() {
    const anchor = stick ? "" : firstShown();
    const before = nodes.get(anchor)?.getBoundingClientRect().top ?? 0;
    const wanted = now.order.map(node);
    if (!wanted.some((one) => one.matches("article, .sys"))) {
      fill(flow, nothing(now.say.empty, now.say.empty_more));
    } else {
      // Nodes that stand where they stood are not touched: focus, selection and open details stay.
      const keep = new Set(wanted);
      for (const child of [...flow.children]) if (!keep.has(child)) child.remove();
      let at = flow.firstChild;
      for (const one of wanted) {
        if (one === at) at = at.nextSibling;
        else flow.insertBefore(one, at);
      }
    }
    for (const key of [...nodes.keys()]) if (!now.items.has(key)) drop(key);
    markNew(wanted);
    mark(meant);
    if (stick && now.newest) flow.scrollTop = flow.scrollHeight;
    else if (nodes.has(anchor)) flow.scrollTop += nodes.get(anchor).getBoundingClientRect().top - before;
    asking = false;
    if (goTo) seek();
    seen();
    showJump();
  }

  function node(key) {
    // What was not sent again is the very value that was drawn.
    const item = now.items.get(key);
    const known = nodes.get(key);
    if (known && drawn.get(key) === item) return known;
    const made = draw(item, does);
    if (known?.contains(document.activeElement)) queueMicrotask(() => made.focus({ preventScroll: true }));
    nodes.set(key, made);
    drawn.set(key, item);
    return made;
  }

  function drop(key) {
    nodes.delete(key);
    drawn.delete(key);
  }

  /** By its key: behind older entries it may be drawn anew, and the day above it stands before another. */
  function firstShown() {
    const top = flow.getBoundingClientRect().top;
    return now.order.find((key) => nodes.get(key)?.matches(":not(.day)") && nodes.get(key).getBoundingClientRect().bottom > top + 1);
  }

  function markNew(wanted) {
    for (const one of flow.querySelectorAll(".isnew")) one.classList.remove("isnew");
    for (const one of flow.querySelectorAll(".lastown")) one.classList.remove("lastown");
    // How far it has come is said of the newest own message; of all others where it was asked for.
    wanted.findLast((one) => now.items.get(one.dataset.id)?.delivery)?.classList.add("lastown");
    if (now.thread || !now.markAtOpen) return;
    const fresh = wanted.find((one) => Number(one.dataset?.seq ?? 0) > now.markAtOpen && one.matches("article") && !now.items.get(one.dataset.id)?.who.me);
    if (!fresh) return;
    fresh.classList.add("isnew");
    fresh.dataset.new = now.say.new;
  }

  function isAtBottom() {
    return now.newest && flow.scrollHeight - flow.scrollTop - flow.clientHeight < BOTTOM_PX;
  }

  /** What stands at the bottom of a page that somebody looks at was read. */
  function seen() {
    if (!isAtBottom() || document.hidden || !document.hasFocus() || now.thread) return;
    const last = now.order.map((key) => now.items.get(key)?.seq ?? 0).reduce((most, seq) => Math.max(most, seq), 0);
    if (last > (now.head?.mark ?? 0)) quietly("seen", { room: now.room, seq: last });
  }

  function showJump() {
    const room = now.rooms.find((one) => one.id === now.room);
    jump.hidden = isAtBottom() || !now.order.length || Boolean(now.thread);
    jump.textContent = room?.unread ? filled(now.say.fresh, { count: room.unread }) : now.say.newest;
  }

  function scrolled() {
    stick = isAtBottom();
    seen();
    showJump();
    if (asking || now.thread || !now.order.length) return;
    const places = now.order.map((key) => now.items.get(key)?.seq ?? 0).filter(Boolean);
    if (flow.scrollTop < EDGE_PX && now.more) look("before", places[0]);
    else if (!now.newest && flow.scrollHeight - flow.scrollTop - flow.clientHeight < EDGE_PX) look("after", places.at(-1));
  }

  function look(at, seq) {
    asking = true;
    quietly("look", { room: now.room, at, seq }).then((answer) => {
      if (!answer.ok) asking = false;
    });
  }

  function seek() {
    const found = flow.querySelector(`[data-id="${CSS.escape(goTo)}"]`);
    if (!found) return;
    goTo = "";
    found.scrollIntoView({ block: "center" });
    found.focus({ preventScroll: true });
  }

  flow.addEventListener("focusin", (event) => {
    const item = now.items.get(event.target.closest("article")?.dataset.id ?? "");
    mark(item?.seq ? item.id : "");
  });
  flow.addEventListener("scroll", scrolled, { passive: true });
  // What comes over or under it takes of its height; whoever reads the newest goes on doing so.
  new ResizeObserver(() => {
    if (stick && now.newest) flow.scrollTop = flow.scrollHeight;
  }).observe(flow);
  during(window, "focus", seen);
  during(document, "visibilitychange", seen);
  on("room", clear);
  on("entries", drawEntries);
  on("rooms", showJump);
  clear();

  const articles = () => [...flow.querySelectorAll("article")];
  return {
    node: box,
    toNewest,
    /** Go to an entry, which may not be drawn yet. */
    goTo: (id) => {
      goTo = id;
      stick = false;
      seek();
    },
    move: (by) => {
      const all = articles();
      const at = all.indexOf(document.activeElement.closest("article"));
      const next = at < 0 ? all.at(-1) : all[Math.max(0, Math.min(all.length - 1, at + by))];
      next?.focus();
    },
    meant: () => meant,
    mark,
    marked: () => now.items.get(document.activeElement.closest?.("article")?.dataset.id ?? ""),
    lastOwn: () => articles().map((one) => now.items.get(one.dataset.id)).filter((item) => item?.own && item.content.kind === "prose").at(-1),
    readAll: () => {
      toNewest();
      tell("rooms");
    },
  };
}
