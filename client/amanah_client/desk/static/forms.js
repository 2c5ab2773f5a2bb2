// Forms of several parts: what the program refuses stays in the form, with what to do next.

import { el } from "./dom.js";
import { told, wrong } from "./state.js";

/** Send a form by `does()`; its dialog closes when that was taken, and `then(answer)` goes on. */
export function sends(form, dialog, does, then = () => {}) {
  const trouble = el("p.trouble", { role: "alert", dir: "auto", hidden: true });
  form.lastElementChild.before(trouble);
  let busy = false;
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    // Pressed twice, it does what it does once.
    if (busy) return;
    busy = true;
    const answer = await does();
    busy = false;
    trouble.hidden = answer.ok;
    if (!answer.ok) {
      trouble.textContent = wrong(answer);
      return;
    }
    dialog.close();
    told(answer);
    then(answer);
  });
}
