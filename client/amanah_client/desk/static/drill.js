// A drill is never taken for what is real: words say so, beside whatever shows something of it.

import { el, fill } from "./dom.js";
import { now, on, roomOf } from "./state.js";

/** The strip above the conversation of an exercise. */
export function makeDrill() {
  const strip = el("p.drillstrip", { hidden: true });
  const draw = () => {
    const drill = Boolean(isDrill());
    strip.hidden = !drill;
    document.body.toggleAttribute("data-drill", drill);
    fill(strip, now.say.drill_strip);
  };
  on("head rooms room", draw);
  return strip;
}

/** Whether what is open is an exercise. */
export const isDrill = () => (now.head?.room.id === now.room ? now.head?.room.drill : roomOf(now.room)?.drill) ?? false;

/** The page's title: what is open is an exercise, and how much was not read. */
export function titleOf(title, unread) {
  const counted = unread ? `(${unread}) ${title}` : title;
  return isDrill() ? `${now.say.drill}: ${counted}` : counted;
}

/** What a desktop notification says: never what arrived; that it is an exercise where all of it is one. */
export function noticeOf(rooms, pages) {
  const drill = rooms.length > 0 && rooms.every((room) => room.drill);
  if (pages) return drill ? now.say.notified_page_drill : now.say.notified_page;
  return drill ? now.say.notified_drill : now.say.notified;
}
