// The incident's board beside the conversation: what is due, to be done, to be decided, and who is here.

import { bar, clockCard, decisionCard, taskCard } from "./cards.js";
import { closingPart } from "./closing.js";
import { askFor, showTimeline, sure } from "./dialogs.js";
import { btn, chip, el, filled, inUtc, moment, refill, theirs, tlp } from "./dom.js";
import { whole } from "./entry.js";
import { showFiles } from "./files.js";
import { giveHistory } from "./passing.js";
import { askReport } from "./reports.js";
import { ask, now, on, quietly, sealed } from "./state.js";

export function makeBoard(composer) {
  const aside = el("div.board", { role: "complementary", "aria-label": now.say.board });
  const { forms } = composer;

  const part = (title, inside, button = null, more = {}) =>
    inside ? el("section", more, el("h2", {}, el("span", {}, title), button), inside) : null;
  const small = (text, onclick) => btn(text, onclick, {}, "button.btn.small");
  const none = (text) => el("p.meta", {}, text);

  function draw() {
    const { board, head } = now;
    aside.hidden = !board || !head;
    if (aside.hidden) return;
    const writable = head.room.writable;
    const may = (text, onclick) => (writable ? small(text, onclick) : null);
    refill(
      aside,
      el("h1.unseen", {}, now.say.board),
      el(
        "div.row.tight.between.paneback",
        {},
        el("span.row.tight", {}, head.room.drill ? el("b.drill", {}, now.say.drill) : null, theirs(head.room.title, "b"), tlp(head.room.label)),
        small(now.say.conversation, () => (document.body.dataset.pane = "room")),
      ),
      part(now.say.incident, incident(board), may(board.is_incident ? now.say.change : now.say.add, forms.incident)),
      board.closing ? part(now.say.closing, closingPart()) : null,
      part(now.say.joint_action, board.clocks.length ? board.clocks.map((one) => clockCard(one)) : none(now.say.nothing_clocks), may(now.say.add, forms.clock)),
      board.duties.length ? part(now.say.duties, board.duties.map(duty)) : null,
      part(now.say.tasks, board.tasks.length ? board.tasks.map((one) => taskCard(one)) : none(now.say.nothing_tasks), may(now.say.add, forms.task)),
      part(now.say.decisions, board.decisions.length ? board.decisions.map((one) => decisionCard(one)) : none(now.say.nothing_decisions), may(now.say.propose, forms.decision)),
      board.is_incident && !board.closing ? part(now.say.closing, closingPart()) : null,
      part(now.say.handovers, left(board.handovers), may(now.say.add, forms.handover)),
      part(now.say.people, [people(head.readers), writable && head.readers.nations.length > 1 ? el("div.row.tight.acts", {}, small(now.say.history, () => giveHistory(composer.marked()))) : null], may(now.say.invite, invite), { id: "people", tabindex: -1 }),
      el("section.row.tight", {}, small(now.say.timeline, timeline), small(now.say.files, showFiles), small(now.say.report, askReport)),
    );
  }

  function incident(board) {
    if (!board.is_incident) return none(now.say.begin_incident);
    return el(
      "div.rows",
      {},
      board.title ? el("b", {}, theirs(board.title)) : null,
      el("div.row.tight", {}, board.severity ? el(`span.state.${board.severity}`, {}, board.severity_words) : null, board.status ? el("span", {}, board.status_words) : null, board.type ? el("bdi.meta", { lang: "en" }, board.type) : null),
      board.aware_at_ms ? el("div.meta", {}, now.say.first_known, now.say.colon, moment(board.aware_at_ms, inUtc(board.aware_at_ms))) : null,
    );
  }

  const left = ([last]) => (last ? el("div.left", {}, whole({ id: last.entry }, last)) : none(now.say.nothing_handovers));

  const duty = (one) =>
    el(
      "div.duty",
      {},
      el("div.row.tight.between", {}, el("b.num", {}, one.title), el(one.late ? "span.meta.num.late" : "span.meta.num", {}, one.words)),
      bar(one.share, one.late),
    );

  function people(readers) {
    return el(
      "ul.people",
      {},
      readers.nations.map((nation) =>
        el(
          "li",
          {},
          chip(nation.chip, true),
          el(
            "div",
            {},
            nation.people.map((person) => {
              const { who, devices, counted, others } = person;
              const line = el(
                "div.person",
                {},
                theirs(who.me ? `${who.name} (${now.say.you})` : who.name),
                who.machine ? el("span.meta", {}, now.say.machine) : null,
                devices.length > 1 ? el("span.meta.num", {}, counted) : null,
                who.note ? el("span.meta.warn", {}, who.note) : null,
                who.me ? null : removing(person, who.name),
              );
              const owned = others.map((other) => el("div.person", {}, el("span.meta.num", {}, other.who.note), removing(other, other.who.note)));
              return [line, ...owned];
            }),
            el(nation.unsure ? "div.meta.warn" : "div.meta", {}, el("bdi", {}, nation.organisation), now.say.comma, nation.unsure ? now.say.unsure : now.say.verified),
          ),
        ),
      ),
    );
  }

  const removing = (person, called) =>
    btn(now.say.remove, () => remove(person), { "aria-label": `${now.say.remove}: ${called}` }, "button.link.faint");

  async function invite() {
    const room = now.room;
    const answer = await quietly("whom_to_invite", { room });
    if (now.room !== room) return;
    // Only whom the room's label may reach is offered; why not the others stands beside them.
    const nations = answer.ok ? answer.data : [];
    const may = nations.filter((one) => one.may).map((one) => one.organisation);
    const not = nations.filter((one) => !one.may);
    const whom = { name: "whom", label: now.say.invite_whom, wanted: true, ltr: true, offers: may, value: may.length === 1 ? may[0] : "" };
    const refused = not.length ? [el("h3", {}, now.say.invite_not), el("ul.whynot", {}, not.map((one) => el("li", {}, chip(one.chip), " ", el("bdi", {}, one.organisation), el("div", { dir: "auto" }, one.why))))] : null;
    await askFor(now.say.invite, [whom], now.say.invite, el("div.meta", {}, now.say.invite_more, refused), (given) => quietly("invite", { room, whom: given.whom }));
  }

  async function remove({ who, devices, counted }) {
    // Whom it names and who could read then: where somebody has come in with another device since, it is asked again.
    const shown = sealed({ devices });
    const name = [who.name, who.chip, who.note].filter(Boolean).join(now.say.comma);
    if (await sure(filled(now.say.remove_sure, { name, devices: counted }), now.say.remove)) ask("remove", shown);
  }

  async function timeline() {
    const answer = await ask("timeline", { room: now.room });
    if (answer.ok) showTimeline(answer.data);
  }

  on("board head me", draw);
  on("room", () => (aside.hidden = true));
  aside.hidden = true;
  return {
    node: aside,
    showMembers: () => {
      document.body.dataset.pane = "board";
      const found = aside.querySelector("#people");
      found?.scrollIntoView({ block: "nearest" });
      found?.focus();
    },
  };
}
