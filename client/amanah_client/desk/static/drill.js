// A drill is never taken for what is real: words say so, beside whatever shows something of it.

import { el, fill } from "./dom.js";
import { during, now, on, roomOf } from "./state.js";

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
  during(document, "copy", copied);
  return strip;
}

/** Whether what is open is an exercise. */
export const isDrill = () => (now.head?.room.id === now.room ? now.head?.room.drill : roomOf(now.room)?.drill) ?? false;

/** What is copied out of an entry of an exercise says so too, also where it is less than all of it. */
function copied(event) {
  const chosen = getSelection();
  const from = chosen.rangeCount ? chosen.getRangeAt(0).commonAncestorContainer : null;
  const at = from instanceof Element ? from : from?.parentElement;
  // What is typed is nobody's entry yet; a hash or a rule alone is pasted into tools, and is no message.
  if (!isDrill() || !at?.closest(".flow") || at.closest("code, pre")) return;
  const text = chosen.toString();
  const said = text.trimStart();
  // Only what begins with an entry's own mark is marked: "this is no drill" would hold the word, too.
  const isMarked = said.startsWith(`${now.say.drill}\n`) || said.startsWith(now.say.drill + now.say.colon);
  if (!said || isMarked) return;
  event.clipboardData.setData("text/plain", `${now.say.drill}${now.say.colon}${text}`);
  event.preventDefault();
}

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
