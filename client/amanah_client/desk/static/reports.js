// What the signed entries of a room say, as a file for people; and drafts of the notices that the law asks for.

import { askFor } from "./dialogs.js";
import { filled } from "./dom.js";
import { take } from "./files.js";
import { ask, now, toast } from "./state.js";

export async function askReport() {
  const { room } = now.head;
  const rank = (text) => now.words.labels.indexOf(text);
  const labels = now.words.labels.filter((one) => rank(one) <= rank(room.label));
  // As on the command line: the room's own, and never what is for one person's eyes alone.
  const usual = room.label === "TLP:RED" ? "TLP:AMBER+STRICT" : room.label;
  const given = await askFor(
    now.say.report,
    [
      { name: "notice", label: now.say.report_what, choices: [["", now.say.report_room], ["24h", now.say.report_24h], ["72h", now.say.report_72h], ["month", now.say.report_month]] },
      { name: "form", label: now.say.form, choices: [["pdf", now.say.pdf], ["html", now.say.html], ["markdown", now.say.markdown]] },
      { name: "label", label: now.say.report_label, choices: labels.map((one) => [one, one]), value: usual },
    ],
    now.say.make,
    now.say.report_more,
  );
  if (!given) return;
  const answer = await ask("report", { room: room.id, ...given });
  if (!answer.ok) return;
  take(answer.data.take);
  toast(`${filled(now.say.made, { label: answer.data.label })} ${answer.data.recorded}`);
}
