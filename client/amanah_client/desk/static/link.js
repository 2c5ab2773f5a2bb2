// The connection to the program: what it pushes, and answers to what is asked.

const PAUSES_MS = [200, 500, 1000, 2000, 4000];
const GIVE_UP_MS = 45_000;
const LATE_MS = 2000;
const LOCKED = 4001;

const pause = (ms) => new Promise((done) => setTimeout(done, ms));

export class Link {
  /** `hear(message)` takes what is pushed, `line(state)` is told "on", "off", "locked" or "ended". */
  constructor(hear, line) {
    this.hear = hear;
    this.line = line;
    this.next = 1;
    this.waiting = new Map();
    this.tries = 0;
    this.lostAt = 0;
    this.isOver = false;
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
    if (this.isOver) return;
    if (message.kind !== "answer") {
      this.hear(message);
      return;
    }
    this.waiting.get(message.n)?.(message);
    this.waiting.delete(message.n);
  }

  async lost(code) {
    const isLocked = code === LOCKED || (await this.isLocked());
    if (this.isOver) return;
    if (isLocked) {
      this.end("locked");
      return;
    }
    for (const settle of this.waiting.values()) settle({ ok: false, text: "", lost: true });
    this.waiting.clear();
    this.lostAt ||= Date.now();
    if (Date.now() - this.lostAt > GIVE_UP_MS) {
      this.end("ended");
      return;
    }
    this.line("off");
    setTimeout(() => this.isOver || this.dial(), PAUSES_MS[Math.min(this.tries++, PAUSES_MS.length - 1)]);
  }

  end(state) {
    this.silence();
    this.line(state);
  }

  /** Hear nothing more; nobody who waits for an answer goes on. */
  silence() {
    this.isOver = true;
    this.waiting.clear();
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

  /**
   * Have the program end the session. Gives "locked" once it has, and "ended" where there is no program any more, with
   * which its sessions ended; `late()` is told when that takes long, as with a program that was stopped.
   */
  async lock(late) {
    const { socket } = this;
    this.silence();
    const timer = setTimeout(late, LATE_MS);
    // While the socket stands, over that alone: behind what was begun, which is kept first.
    const isTold = socket.readyState === WebSocket.OPEN && (await this.locked(socket)) === LOCKED;
    socket.close();
    const state = isTold ? "locked" : await this.post(late);
    clearTimeout(timer);
    return state;
  }

  /** With which code the program closes the socket. */
  locked(socket) {
    socket.send(JSON.stringify({ do: "lock", n: this.next++ }));
    return new Promise((settle) => socket.addEventListener("close", (event) => settle(event.code)));
  }

  async post(late) {
    for (const begunAt = Date.now(); Date.now() - begunAt < GIVE_UP_MS; ) {
      try {
        // It goes on its way also where the page is left before the answer is there.
        const answer = await fetch("/lock", { method: "POST", redirect: "manual", keepalive: true });
        // It leads to the door, or this page was at the door already.
        if (answer.type === "opaqueredirect" || answer.status === 403) return "locked";
      } catch {
        // Nobody listens there, for now.
      }
      late();
      await pause(PAUSES_MS.at(-2));
    }
    return "ended";
  }
}
