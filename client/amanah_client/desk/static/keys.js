// Every action is reached by keys; Ctrl+/ shows them.

import { showKeys } from "./dialogs.js";
import { lock } from "./leaving.js";
import { ask, during, now, openRoom } from "./state.js";

export function listen({ find, flow, composer }) {
  during(document, "keydown", (event) => {
    const ctrl = event.ctrlKey || event.metaKey;
    const done = act(event, ctrl);
    if (done) event.preventDefault();
  });

  function act(event, ctrl) {
    // Also with a form over the page: whoever is called away does not close that first.
    if (ctrl && event.shiftKey && event.key.toLowerCase() === "l") return lock() ?? true;
    if (document.querySelector("dialog[open]")) return false;
    if (ctrl && event.key.toLowerCase() === "k") return find() ?? true;
    if (ctrl && event.key === "/") return showKeys() ?? true;
    if (event.altKey && (event.key === "ArrowUp" || event.key === "ArrowDown")) return step(event.key === "ArrowDown" ? 1 : -1, event.shiftKey);
    const typing = event.target.matches("input, textarea, select");
    if (event.key === "Escape") return escape(typing);
    if (typing || ctrl || event.altKey) return false;
    // Enter presses what has the focus.
    if (event.key === "Enter" && event.target.closest("button, a, summary")) return false;
    return inFlow(event.key);
  }

  /** The room before or after in the list, or the next that was not read. */
  function step(by, unread) {
    const shown = [...document.querySelectorAll(".room")].map((one) => one.dataset.room);
    const rooms = unread ? shown.filter((id) => id === now.room || now.rooms.find((room) => room.id === id)?.unread) : shown;
    if (!rooms.length) return true;
    const at = rooms.indexOf(now.room);
    openRoom(rooms[(at + by + rooms.length) % rooms.length]);
    return true;
  }

  function escape(typing) {
    if (now.thread) openRoom(now.room);
    else if (document.body.dataset.pane === "board") document.body.dataset.pane = "room";
    else if (typing) document.getElementById("flow").focus();
    else flow.readAll();
    return true;
  }

  function inFlow(key) {
    if (!now.room) return false;
    const marked = flow.marked();
    if (key === "j" || key === "k") return flow.move(key === "j" ? 1 : -1) ?? true;
    if (key === "r" && marked) return composer.does.reply(marked) ?? true;
    if (key === "t" && marked) return composer.does.thread(marked) ?? true;
    if ("1234".includes(key) && marked && !marked.who.mine && marked.seq) {
      return ask("acknowledge", { room: now.room, entry: marked.id, grade: Number(key) }) && true;
    }
    if (key === "/" || key === "Enter") return marked && key === "Enter" ? false : (composer.focus() ?? true);
    return false;
  }
}
