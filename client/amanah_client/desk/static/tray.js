// The files that stand in the composer: chosen, dropped or pasted; nothing of them is read before they are sent.

import { btn, el, fill, filled, harmless, theirs, tlp } from "./dom.js";
import { advance, bytes, progress } from "./files.js";
import { during, now, on, quietly, toast } from "./state.js";

const MOST_BYTES = 2 ** 31;
const trays = new Map();

export function makeTray(label) {
  const list = el("ul.tray", { hidden: true, "aria-label": now.say.to_send });
  const input = el("input", { type: "file", multiple: true, hidden: true, tabindex: -1, "aria-hidden": "true" });
  const pick = btn(now.say.attach, () => input.click(), {}, "button.btn.small.attach");
  const here = () => trays.get(now.room) ?? [];

  input.addEventListener("change", () => {
    add([...input.files]);
    input.value = "";
  });

  function add(files) {
    if (!now.head?.room.writable) {
      toast(now.say.not_writable, true);
      return;
    }
    const fitting = files.filter((file) => {
      if (file.size > MOST_BYTES) toast(filled(now.say.too_large, { name: harmless(file.name) }), true);
      return file.size <= MOST_BYTES;
    });
    trays.set(now.room, [...here(), ...fitting.map((file) => ({ file, name: called(file), text: "", sample: false, state: "", done: 0, why: "" }))]);
    draw();
  }

  let drawn = "";

  function draw() {
    const rows = here();
    const looks = JSON.stringify([now.room, label(), rows.map(({ name, state, sample, why }) => [name, state, sample, why])]);
    // What somebody is typing into is left alone while nothing of it looks otherwise.
    if (looks === drawn) return;
    drawn = looks;
    list.hidden = !rows.length;
    const focused = document.activeElement?.dataset.field;
    fill(list, rows.map(row));
    if (focused) list.querySelector(`[data-field="${focused}"]`)?.focus();
  }

  function row(one, at) {
    const shown = harmless(one.name);
    const named = { name: shown };
    const sample = el("input", { type: "checkbox", checked: one.sample, disabled: one.state === "moving", "data-field": `sample ${at}`, onchange: (event) => { one.sample = event.target.checked; draw(); } });
    const said = el("input", { type: "text", dir: "auto", value: one.text, maxlength: 65536, autocomplete: "off", "data-field": `said ${at}`, disabled: one.state === "moving", "aria-label": filled(now.say.said_of, named), placeholder: now.say.said_of_it, oninput: (event) => (one.text = event.target.value) });
    return el(
      "li",
      {},
      el("div.row.tight", {}, theirs(shown, "b"), el("span.meta.num", {}, bytes(one.file.size)), tlp(label()), btn("\u00d7", () => off(one), { "aria-label": filled(now.say.takes_off, named) }, "button.btn.small.off")),
      one.state === "moving" ? (one.bar = progress(filled(now.say.sealing, named), one.done, one.file.size)) : el("div.row.tight.about", {}, said, el("label.meta", { title: now.say.sample_more }, sample, " ", now.say.sample)),
      one.sample ? el("p.meta", {}, now.say.sample_more) : null,
      one.why ? el("p.warn", { role: "alert", dir: "auto" }, one.why) : null,
    );
  }

  function off(one) {
    one.stop?.();
    for (const [room, rows] of trays) trays.set(room, rows.filter((other) => other !== one));
    draw();
    pick.focus();
  }

  /** Send all of the open room, one after the other; what is refused stays, with the reason. */
  async function send(marks) {
    const { room } = marks;
    for (const one of [...(trays.get(room) ?? [])]) {
      if (one.state === "moving") continue;
      await bring(room, one, marks);
    }
  }

  async function bring(room, one, marks) {
    const isOff = () => !(trays.get(room) ?? []).includes(one);
    if (isOff()) return;
    Object.assign(one, { state: "moving", done: 0, why: "" });
    draw();
    const asked = await quietly("bring", { name: one.name, size: one.file.size, text: one.text, sample: one.sample, ...marks });
    if (isOff()) return;
    const why = asked.ok ? await carry(asked.data.bring, one) : asked.text || filled(now.say.not_brought, { name: harmless(one.name) });
    if (isOff()) return;
    if (why === "") trays.set(room, trays.get(room).filter((other) => other !== one));
    else Object.assign(one, { state: "", why });
    draw();
  }

  on("head", draw);
  on("room", draw);

  document.body.dataset.drop = now.say.drop_here;
  // Dropped anywhere on the page: a browser would else leave the page and open the file.
  for (const name of ["dragover", "drop"]) {
    during(window, name, (event) => {
      if (!event.dataTransfer?.types.includes("Files")) return;
      event.preventDefault();
      const takes = now.head?.room.writable && !document.querySelector("dialog[open]");
      event.dataTransfer.dropEffect = takes ? "copy" : "none";
      document.body.classList.toggle("dropping", name === "dragover" && Boolean(takes));
      if (name === "drop" && takes) add(dropped(event.dataTransfer));
    });
  }
  during(window, "dragleave", (event) => event.relatedTarget === null && document.body.classList.remove("dropping"));
  const all = () => [...trays.values()].flat();
  during(window, "beforeunload", (event) => all().length && event.preventDefault());
  on("over", () => {
    for (const one of all()) one.stop?.();
    trays.clear();
  });

  return { nodes: [list, input], pick, add, draw, send, has: () => here().some((one) => one.state !== "moving") };
}

/** What a browser calls it; one that has no name is named by what it is. */
function called(file) {
  const name = (file.name || "file").toWellFormed?.() ?? (file.name || "file");
  return name.length > 255 ? name.slice(-255) : name;
}

/** Files alone: of a folder a browser hands over nothing that could be read. */
function dropped(transfer) {
  const files = [];
  for (const item of transfer.items) {
    if (item.kind !== "file") continue;
    const file = item.getAsFile();
    if (item.webkitGetAsEntry?.()?.isDirectory) toast(filled(now.say.is_folder, { name: harmless(file?.name ?? "") }), true);
    else if (file) files.push(file);
  }
  return files;
}

/** Carry one to the program; gives "" or what went wrong. */
function carry(address, one) {
  return new Promise((settle) => {
    const request = new XMLHttpRequest();
    one.stop = () => request.abort();
    request.upload.addEventListener("progress", (event) => {
      one.done = event.loaded;
      advance(one.bar, event.loaded, event.total);
    });
    request.addEventListener("load", () => settle(request.status === 204 ? "" : request.responseText));
    request.addEventListener("error", () => settle(filled(now.say.not_brought, { name: harmless(one.name) })));
    request.addEventListener("abort", () => settle("-"));
    request.open("POST", address);
    request.setRequestHeader("Content-Type", "application/octet-stream");
    request.send(one.file);
  });
}
