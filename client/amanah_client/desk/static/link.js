// The connection to the program: what it pushes, and answers to what is asked.

const PAUSES_MS = [200, 500, 1000, 2000, 4000];
const GIVE_UP_MS = 45_000;
const LOCKED = 4001;

export class Link {
  /** `hear(message)` takes what is pushed, `line(state)` is told "on", "off" or "ended". */
  constructor(hear, line) {
    this.hear = hear;
    this.line = line;
    this.next = 1;
    this.waiting = new Map();
    this.tries = 0;
    this.lostAt = 0;
    this.dial();
  }

  dial() {
    this.socket = new WebSocket(`ws://${location.host}/live`);
    this.socket.addEventListener("open", () => {
      this.tries = 0;
      this.lostAt = 0;
      this.line("on");
    });
    this.socket.addEventListener("message", (event) => this.take(JSON.parse(event.data)));
    this.socket.addEventListener("close", (event) => this.lost(event.code));
  }

  take(message) {
    if (message.kind !== "answer") {
      this.hear(message);
      return;
    }
    this.waiting.get(message.n)?.(message);
    this.waiting.delete(message.n);
  }

  async lost(code) {
    for (const settle of this.waiting.values()) settle({ ok: false, text: "", lost: true });
    this.waiting.clear();
    if (code === LOCKED || (await this.isLocked())) {
      // A new document: nothing of this one stays, in the page or in the memory of its scripts.
      location.replace("/");
      return;
    }
    this.lostAt ||= Date.now();
    if (Date.now() - this.lostAt > GIVE_UP_MS) {
      this.line("ended");
      return;
    }
    this.line("off");
    setTimeout(() => this.dial(), PAUSES_MS[Math.min(this.tries++, PAUSES_MS.length - 1)]);
  }

  /** Whether the program is there, and does not know this page any more. */
  async isLocked() {
    try {
      return (await fetch("/", { redirect: "error" })).status === 403;
    } catch {
      return false;
    }
  }

  /** Ask for something; the answer says whether it was taken. */
  ask(what, fields = {}) {
    const n = this.next++;
    if (this.socket.readyState !== WebSocket.OPEN) return Promise.resolve({ ok: false, text: "", lost: true });
    // Half of a surrogate pair, as a cut text may end in, would be no frame, and answered to nobody.
    this.socket.send(JSON.stringify({ do: what, n, ...fields }, (_, value) => (typeof value === "string" ? value.toWellFormed() : value)));
    return new Promise((settle) => this.waiting.set(n, settle));
  }
}
