// The head of a room: what it is called, its label, how it stands, and who can read it.

import { btn, chip, el, fill, theirs, tlp } from "./dom.js";
import { now, on, openRoom } from "./state.js";

export function makeHead() {
  const head = el("header.head");

  function draw() {
    const found = now.head;
    if (!found) {
      head.classList.add("bare");
      fill(head, el("h1.unseen", {}, now.say.choose));
      return;
    }
    head.classList.remove("bare");
    const { room, readers } = found;
    const board = now.board;
    fill(
      head,
      el(
        "h1",
        {},
        btn(document.dir === "rtl" ? "\u2192" : "\u2190", () => (document.body.dataset.pane = "rooms"), { "aria-label": now.say.back }, "button.btn.small.paneback"),
        room.drill ? el("b.drill", {}, now.say.drill) : null,
        el("span.title", {}, theirs(room.title)),
        tlp(room.label),
        btn(now.say.board, () => (document.body.dataset.pane = "board"), {}, "button.btn.small.toboard"),
      ),
      el(
        "div.row",
        {},
        board?.severity ? el(`span.state.${board.severity}`, {}, board.severity_words) : null,
        board?.status ? el("span", {}, board.status_words) : null,
        el("span.row.tight", {}, readers.nations.map((one) => chip(one.chip, true))),
        el("span.meta", {}, readers.head),
      ),
      board?.closing ? el(board.closing.recorded ? "p.meta.ok" : "p.meta", {}, board.closing.words) : null,
      room.trouble ? el("p.trouble", { role: "status" }, room.trouble) : null,
      now.thread ? el("div.row.tight", {}, el("b", {}, now.say.thread_of), btn(now.say.whole_room, () => openRoom(now.room), {}, "button.btn.small")) : null,
    );
  }

  draw();
  on("head board room", draw);
  return head;
}
