// Elements by hand: text goes in as text, and nothing of anybody's is ever read as markup.

/** An element: `el("div.card.ask", { hidden: true, onclick: f }, "text", child)`. */
export function el(what, given = {}, ...children) {
  const [name, ...classes] = what.split(".");
  const made = document.createElement(name);
  made.classList.add(...classes);
  for (const [key, value] of Object.entries(given)) {
    if (value === false || value === null || value === undefined) continue;
    if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else if (key === "value") made.value = value;
    else made.setAttribute(key, value === true ? "" : String(value));
  }
  put(made, children);
  return made;
}

function put(into, children) {
  for (const child of children.flat(4)) {
    if (child !== null && child !== undefined && child !== false && child !== "") into.append(child);
  }
}

/** What stands in an element from now on. */
export function fill(into, ...children) {
  into.replaceChildren();
  put(into, children);
  return into;
}

/** The same, where somebody may be at one of its buttons: focus stays at what says the same there. */
export function refill(into, ...children) {
  const at = into.contains(document.activeElement) ? document.activeElement : null;
  fill(into, children);
  if (at && !at.isConnected) twin(at, into)?.focus({ preventScroll: true });
  return into;
}

/** What says the same as something that was drawn anew. */
export function twin(gone, inside = document) {
  const same = (one) => one.className === gone.className && one.textContent === gone.textContent && one.getAttribute("aria-label") === gone.getAttribute("aria-label");
  return [...inside.querySelectorAll(gone?.localName ?? "none")].find(same);
}

/** What a person or a machine wrote, with its own direction. */
export const theirs = (text, what = "bdi") => el(what, { dir: "auto" }, text);

/** A nation. */
export const chip = (text, on = false) => el(on ? "span.nat.on" : "span.nat", {}, text);

/** A label, exactly as FIRST writes it. */
export function tlp(text) {
  return el(`bdi.tlp${tlpClass(text)}`, { lang: "en" }, text);
}

export const tlpClass = (text) => ({ "TLP:RED": ".red", "TLP:GREEN": ".green", "TLP:CLEAR": ".clear" })[text] ?? "";

/** What readers may do with it, where that is not the usual: else the program sends nothing. */
export const pap = (text) => (text ? el("bdi.meta.pap", { lang: "en" }, text) : null);

/** What is known in English alone, behind a sentence of the page's. */
export const inEnglish = (text) => (text ? [" ", el("bdi", { lang: "en", dir: "ltr" }, `(${text})`)] : null);

/** A button that says what it does. */
export function btn(text, does, more = {}, what = "button.btn") {
  const one = el(what, { type: "button", ...more }, text);
  let busy = false;
  one.addEventListener("click", async (event) => {
    // Pressed twice, it does what it does once.
    if (busy) return;
    busy = true;
    try { await does(event); } finally { busy = false; }
  });
  return one;
}

/** A time in UTC, with the reader's own beside it where the pointer rests. */
export function moment(atMs, utc) {
  const at = new Date(atMs);
  const good = !Number.isNaN(at.getTime());
  return el("time.num", { datetime: good && at.toISOString(), title: good && at.toLocaleString() }, utc);
}

/** A time with its date, in UTC and saying so. */
export function inUtc(atMs) {
  const at = new Date(atMs);
  return Number.isNaN(at.getTime()) ? "--:--" : `${at.toISOString().slice(0, 16).replace("T", " ")} UTC`;
}

/** A sentence of the page's with `{name}` in it: the words in the page's direction, what stands there in its own. */
function around(sentence, name, made) {
  const [before, after] = sentence.split(`{${name}}`);
  return after === undefined ? [before] : [before, made, after];
}

/** A sentence of the page's with `{time}` in it. */
export const timed = (sentence, atMs, utc) => around(sentence, "time", moment(atMs, utc));

/** Blocks of what somebody wrote. */
export function blocks(given) {
  return given.map((block) => {
    if (block.kind === "code") {
      return el("pre.code", { dir: "ltr", tabindex: 0 }, block.lines.map((line) => line.map((run) => run.text).join("")).join("\n"));
    }
    if (block.kind === "bullets") {
      return el("ul.said", { dir: "auto" }, block.lines.map((line) => el("li", { dir: "auto" }, line.map(run))));
    }
    const lines = block.lines.map((line, at) => [at ? "\n" : "", line.map(run)]);
    return el(block.kind === "quote" ? "blockquote.said" : "p.said", { dir: "auto" }, lines);
  });
}

/** What a task, a decision or a time is called: it stands where the page's text does, and runs as itself. */
export const titled = (of) => el("bdi", { dir: "auto" }, of.runs.map(run));

function run(given) {
  let made = given.text;
  if (given.indicator) made = el("code.ioc", { dir: "ltr" }, made);
  else if (given.code) made = el("code", { dir: "auto" }, made);
  if (given.italic) made = el("em", {}, made);
  if (given.bold) made = el("strong", {}, made);
  return made;
}

/** The beginning of what an entry says, in one line. */
export function firstWords(item, most = 80) {
  const said = item.content;
  const line = said.blocks?.[0]?.lines[0]?.map((one) => one.text).join("") ?? said.what ?? said.title ?? said.text ?? "";
  return line.length > most ? `${line.slice(0, most)}\u2026` : line;
}

const HIDDEN = /[\p{Cc}\p{Cs}\p{Zl}\p{Zp}\u200e\u200f\u061c\u202a-\u202e\u2066-\u2069]/gu;

/** A name that did not come from the program, made safe to show as the program does it: what would hide or turn the rest is a number. */
export const harmless = (name) => name.replace(HIDDEN, (one) => `<${one.codePointAt(0).toString(16).toUpperCase().padStart(4, "0")}>`);

/** What is put into a sentence of the page, with its own direction where no element can give it that. */
export const isolated = (text) => `\u2068${text}\u2069`;

/** `{name}` filled in. */
export const filled = (text, named) => text.replace(/\{(\w+)\}/g, (whole, name) => (name in named ? String(named[name]) : whole));
