"""Three national CERTs handle one incident over one relay that can read nothing of it.

Everything is done by the programs `amanah` and `amanah-relay` as they are shipped, as separate
processes with separate homes; each command is shown as it is given. `DEMO_EVE=path` takes the alerts
from a Suricata EVE file of your own.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from amanah_client.gateway.eve import EveReport, bounded_lines, read_eve
from amanah_protocol.cards import Armour, armour, decode_armour
from scripts.demo_stage import Call, Running, Stage, StepFailedError
from scripts.ports import free_ports

ROOM: Final = "Payment portals"
COMMUNITY: Final = "Example circle"
OWN_EVE: Final = Path(__file__).with_name("demo-eve.ndjson")
LEFT: Final = Path(__file__).resolve().parent.parent / "build" / "demo"
"""Where the evidence is left."""
_SETTINGS: Final = """[listen]
port = {port}
[witnesses]
addresses = {witnesses}
[limits]
checkpoint_interval_ms = 1000
"""
_MOST_SYNCS: Final = 20
ENTRIES: Final = "10000"
"""More than there are: to read a room whole."""

ARABIC: Final = "رصدنا صفحات تصيّد تستهدف بوابات الدفع. هل ترون ذلك عندكم؟"
FRENCH: Final = "Oui : deux portails touchés ce matin. Nous bloquons à 14 h UTC."
ENGLISH: Final = "Nothing yet in Rabat. Send us what you have, we look at once."
MISSED: Final = ("Take-down asked for; hosting answered.", "Second wave since 09:40 UTC.", "New domain, same kit.")
AFTER: Final = "From here on without the second Paris desk."


@dataclass(frozen=True, slots=True, kw_only=True)
class Party:
    """Who takes part: the home it works in, its nation, what it is and what people call it."""

    home: str
    nation: str
    role: str
    name: str


TUNIS: Final = Party(home="tunis", nation="tn", role="officer", name="Officer A (Tunis desk)")
RABAT: Final = Party(home="rabat", nation="ma", role="officer", name="Officer B (Rabat desk)")
PARIS: Final = Party(home="paris", nation="fr", role="officer", name="Officer C (Paris desk)")
SECOND: Final = Party(home="paris-2", nation="fr", role="officer", name="Officer D (Paris desk)")
BOT: Final = Party(home="tunis-bot", nation="tn", role="bot", name="Alert bot (Tunis)")
AUDITOR: Final = Party(home="auditor", nation="ma", role="auditor", name="Auditor (Rabat)")
PARTIES: Final = (TUNIS, RABAT, PARIS, SECOND, BOT, AUDITOR)
MEMBERS: Final = (TUNIS, RABAT, PARIS)
"""Who is in the room from beginning to end."""
NATIONS: Final = ("tn", "ma", "fr")


@dataclass(slots=True, kw_only=True)
class Tally:
    """What the table at the end says."""

    said: list[str] = field(default_factory=list)
    originals: Counter[str] = field(default_factory=Counter)
    alerts: int = 0
    others: str = ""
    chosen: str = ""
    leaves: int = 0
    witnesses: int = 0


class Demo:
    """The story, scene by scene."""

    def __init__(self, stage: Stage, eve: Path) -> None:
        self._stage = stage
        self._eve = eve
        self._tally = Tally()
        self._relay: Running

    def play(self) -> Table:
        """Tell the whole story; gives the table.

        Raises:
            StepFailedError: Something did not come out as expected.
        """
        self._found()
        self._enrol()
        self._open_room()
        self._converse()
        self._post_alerts()
        self._miss_and_catch_up()
        self._remove()
        self._audit()
        self._disclose()
        self._hand_on()
        return self._table()

    # ---- before the incident

    def _found(self) -> None:
        stage = self._stage
        stage.scene("Peace time: three nations and a relay", "Roots are made at home; two of three sign who belongs.")
        port, *watching = free_ports(1 + len(NATIONS))
        address = f"ws://127.0.0.1:{port}"
        (stage.folder / "relay").mkdir(mode=0o700)
        witnesses = [f"http://127.0.0.1:{at}" for at in watching]
        (stage.folder / "relay" / "relay.toml").write_text(_SETTINGS.format(port=port, witnesses=witnesses))
        keys = ("amanah-relay", "keys", "--home", "relay", "--origin", "relay.example.org/log", "--address", address)
        stage.together(
            Call(who="relay", words=(*keys, "--out", "relay.card"), quiet=True),
            *(
                self._org(nation, "init", f"cert.example.{nation}", "--key-file", "--card", f"{nation}.card")
                for nation in NATIONS
            ),
            *(
                self._witness(nation, "init", "--name", f"cert.example.{nation}/witness", "--out", f"{nation}.witness")
                for nation in NATIONS
            ),
        )
        cards = [f"{nation}.card" for nation in NATIONS]
        watched = [word for nation in NATIONS for word in ("--witness", f"{nation}.witness")]
        new = ("amanah", "roster", "new", *cards, "--community", COMMUNITY, "--relay", "relay.card", "--threshold", "2")
        stage.run("org-tn", *new, *watched, "--out", "roster.txt", quiet=True)
        for nation in ("tn", "ma"):
            stage.run(f"org-{nation}", "amanah", "roster", "sign", "roster.txt", quiet=True)
        shown = stage.run("org-fr", "amanah", "roster", "show", "roster.txt")
        stage.expect("signed by 2" in shown.out, "the roster is not signed by two")
        stage.together(*(self._witness(nation, "add-log", "--roster", "roster.txt") for nation in NATIONS))
        serving = [
            stage.start(f"witness-{nation}", "amanah", "witness", "serve", "--listen", f"127.0.0.1:{at}")
            for nation, at in zip(NATIONS, watching, strict=True)
        ]
        for witness in serving:
            witness.said("listening")
        stage.run("relay", "amanah-relay", "init", "--home", "relay", "--roster", "roster.txt")
        self._relay = stage.start("relay", "amanah-relay", "serve", "--home", "relay")
        stage.note(self._relay.said("listening"))

    def _org(self, nation: str, *words: str) -> Call:
        return Call(who=f"org-{nation}", words=("amanah", "org", *words), quiet=True)

    def _witness(self, nation: str, *words: str) -> Call:
        return Call(who=f"witness-{nation}", words=("amanah", "witness", *words), quiet=True)

    def _enrol(self) -> None:
        stage = self._stage
        stage.scene(
            "Enrolment", "Each device makes its own key; its own nation certifies it. The relay learns no name."
        )
        stage.together(
            *(
                Call(
                    who=party.home,
                    words=(
                        *("amanah", "device", "request", f"cert.example.{party.nation}", "--role", party.role),
                        *("--key-file", "--out", f"{party.home}.request"),
                    ),
                    quiet=True,
                )
                for party in PARTIES
            )
        )
        for shift in (PARTIES[:3], PARTIES[3:]):  # in each, one of each nation
            stage.together(
                *(
                    self._org(
                        party.nation,
                        *("certify", f"{party.home}.request", "--name", party.name),
                        *("--roster", "roster.txt", "--out", f"{party.home}.reply"),
                    )
                    for party in shift
                )
            )
        install = [("amanah", "device", "install", f"{party.home}.reply") for party in PARTIES]
        stage.together(*(Call(who=p.home, words=w, quiet=True) for p, w in zip(PARTIES, install, strict=True)))
        checked = stage.together(*(Call(who=p.home, words=("amanah", "doctor", "--json"), quiet=True) for p in PARTIES))
        for party, ran in zip(PARTIES, checked, strict=True):
            checks = {check["name"]: check["state"] for check in ran.json()["checks"]}
            stage.expect(checks["connection"] == "ok", f"{party.name} is not connected")
        stage.note(f"{len(PARTIES)} devices enrolled, connected, and ready to be invited")

    # ---- the incident

    def _open_room(self) -> None:
        stage = self._stage
        stage.scene("An incident", f"{TUNIS.name} opens a room and invites the other nations, and the own bot.")
        stage.run(TUNIS.home, "amanah", "room", "create", ROOM, "--label", "TLP:AMBER")
        nations = [f"cert.example.{nation}" for nation in ("ma", "fr", "tn")]
        stage.run(TUNIS.home, "amanah", "room", "invite", ROOM, *nations)
        listing = ("amanah", "room", "list")
        stage.together(*(Call(who=party.home, words=listing, quiet=True) for party in (PARIS, SECOND, BOT)))
        shown = stage.run(RABAT.home, "amanah", "room", "show", ROOM)
        for party in PARTIES:
            is_in = party.name in shown.out
            stage.expect(is_in is (party is not AUDITOR), f"{party.name}: in the room is {is_in}")
        stage.note("five devices of three nations can read; the auditor is none of them")

    def _send(self, party: Party, text: str) -> None:
        self._stage.run(party.home, "amanah", "send", ROOM, text)
        self._tally.said.append(text)

    def _read(self, *parties: Party, quiet: bool = True) -> list[list[dict[str, Any]]]:
        """The room as each of the parties has it."""
        words = ("amanah", "read", ROOM, "--json", "--limit", ENTRIES)
        ran = self._stage.together(*(Call(who=party.home, words=words, quiet=quiet) for party in parties))
        return [one.json() for one in ran]

    def _converse(self) -> None:
        stage = self._stage
        stage.scene("The nations converse", "Sealed end to end; each line is signed by the one who wrote it.")
        listening = stage.start(RABAT.home, "amanah", "tail", ROOM, "--json")
        listening.said("online")
        self._send(TUNIS, ARABIC)
        self._send(PARIS, FRENCH)
        # The same profile is connected by `tail`: this one works through its store.
        self._send(RABAT, ENGLISH)
        heard = [json.loads(line)["text"] for line in listening.lines(3)]
        stage.expect(heard == [ARABIC, FRENCH, ENGLISH], f"{RABAT.name} heard {heard}")
        stage.note(f"{RABAT.name} heard all three as they were said")
        listening.stop()
        stage.run(PARIS.home, "amanah", "read", ROOM)

    def _post_alerts(self) -> None:
        stage = self._stage
        stage.scene("The bot posts its alerts", "Suricata EVE lines, up to 100 in an envelope; the rest is counted.")
        report, tally = EveReport(), self._tally
        tally.originals = _hashes_of(self._eve, report)
        code = 5 if report.malformed_total else 0  # real files are cut off where they were rotated
        ran = stage.run(BOT.home, "amanah", "alert", ROOM, str(self._eve), code=code)
        delivered = re.match(r"(\d+) alerts? delivered", ran.out)
        named = re.search(r"other events? \((.*)\)", ran.err)
        tally.alerts = int(delivered[1]) if delivered else 0
        tally.others = named[1] if named else "none"
        stage.expect(tally.alerts == tally.originals.total(), f"{tally.alerts} of {tally.originals.total()} delivered")
        counted = sum(map(int, re.findall(r"(?:^|, )(\d+) ", tally.others)))
        stage.expect(counted == sum(report.others.values()), "an event that is no alert was not counted")
        stage.note(f"all {tally.alerts} alerts delivered; events that are no alerts, by type: {tally.others}")

    def _miss_and_catch_up(self) -> None:
        stage = self._stage
        stage.scene("An officer is offline", f"{RABAT.name} misses what is said, and has it all on return.")
        before = stage.run(RABAT.home, "amanah", "read", ROOM, "--json", "--offline", "--limit", ENTRIES, quiet=True)
        for text in MISSED:
            self._send(PARIS if text == MISSED[1] else TUNIS, text)
        (after,) = self._read(RABAT)
        known = {entry["id"] for entry in before.json()}
        missed = [entry for entry in after if entry["id"] not in known]
        texts = [entry["text"] for entry in missed if entry["type"] == "text"]
        stage.expect(texts == list(MISSED), f"{RABAT.name} has {texts} of what was missed")
        alerts = _hashes(missed)
        stage.expect(alerts == self._tally.originals, f"{RABAT.name} has {alerts.total()} alerts of what was missed")
        stage.note(f"{RABAT.name} has the {len(texts)} messages and {alerts.total()} alerts that came meanwhile")

    def _remove(self) -> None:
        stage = self._stage
        stage.scene("An officer is removed", f"{SECOND.name} leaves the case and reads nothing from then on.")
        stage.run(TUNIS.home, "amanah", "room", "remove", ROOM, SECOND.name, "--yes")
        self._send(TUNIS, AFTER)
        last = stage.run(SECOND.home, "amanah", "read", ROOM, "--limit", "5")
        stage.expect(MISSED[-1] in last.out, "the removed officer has not what was said before")
        stage.expect(AFTER not in last.out and "removed" in last.err, "the removed officer is not told, or reads on")
        refused = stage.run(SECOND.home, "amanah", "send", ROOM, "Am I still in?", code=3)
        stage.expect("NOT_MEMBER" in refused.err, "the removed officer is not told why")
        for party, entries in zip(MEMBERS, self._read(*MEMBERS), strict=True):
            texts = [entry["text"] for entry in entries if entry["type"] == "text"]
            stage.expect(
                texts == self._tally.said, f"{party.name} has {len(texts)} of {len(self._tally.said)} messages"
            )
            stage.expect(_hashes(entries) == self._tally.originals, f"{party.name} has not every alert")
            self._tally.chosen = next(entry["id"][:16] for entry in entries if entry.get("text") == ARABIC)
            unreadable = [entry["id"] for entry in entries if entry["state"] == "unreadable"]
            stage.expect(not unreadable, f"{party.name} cannot read {unreadable}")
        stage.note(f"the three members have all {len(self._tally.said)} messages; {SECOND.name} has not the last one")

    # ---- the record

    def _audit(self) -> None:
        stage = self._stage
        stage.scene("The auditor copies the record", "Metadata only, verified on the auditor's own machine.")
        self._sync()
        verified = stage.run(AUDITOR.home, "amanah", "audit", "verify")
        stage.expect("HOLDS" in verified.out, "the record does not hold")
        listed = stage.run(AUDITOR.home, "amanah", "audit", "list")
        stage.expect(all(f"cert.example.{nation}" in listed.out for nation in NATIONS), "a nation is not in the list")
        secrets = (*self._tally.said, ROOM, *(party.name for party in PARTIES))
        stage.expect(not any(text in listed.out for text in secrets), "the record shows what was sealed")
        stage.note("who told whom what class of thing, when: all of it verified, none of it readable")

    def _sync(self) -> None:
        """Copy the record up to a checkpoint that the quorum of witnesses has cosigned; they have their own pace."""
        stage = self._stage
        for _ in range(_MOST_SYNCS):
            copied = stage.run(AUDITOR.home, "amanah", "audit", "sync", "--json", quiet=True).json()
            log = stage.run(AUDITOR.home, "amanah", "audit", "verify", "--json", quiet=True).json()["log"]
            named = {name.rpartition("/")[0] for name in (one["name"] for one in log["witnesses"])}
            self._tally.leaves, self._tally.witnesses = copied["size"], len(named)
            if named:
                return
            time.sleep(1)
        raise StepFailedError("no witness has cosigned the record")

    def _disclose(self) -> None:
        stage = self._stage
        stage.scene("One message is disclosed", "A member opens one message to the auditor; the others stay closed.")
        (entries,) = self._read(RABAT)
        chosen = next(entry for entry in entries if entry.get("text") == ARABIC)
        words = (
            "amanah",
            "disclose",
            chosen["id"][:16],
            "--to",
            "Auditor of cert.example.ma",
            "--out",
            "disclosed.txt",
        )
        stage.run(RABAT.home, *words)
        # That it was disclosed is an entry of its own, which the evidence is to show.
        self._sync()
        stage.expect(self._relay.stop() == 0, "the relay did not stop in order")
        stage.note("the relay is switched off; what follows needs nobody")
        shown = stage.run(AUDITOR.home, "amanah", "audit", "check", "disclosed.txt")
        stage.expect(ARABIC in shown.out, "the disclosure does not show the message")
        disclosed = stage.folder / "disclosed.txt"
        data = bytearray(decode_armour(disclosed.read_text(), Armour.DISCLOSURE))
        data[data.index(ARABIC.encode())] ^= 1
        (stage.folder / "forged.txt").write_text(armour(Armour.DISCLOSURE, bytes(data)))
        stage.run(AUDITOR.home, "amanah", "audit", "check", "forged.txt", code=5)
        stage.note("the message verifies against the log; a copy with one bit changed does not")
        stage.run("relay", "amanah-relay", "verify-log", "--home", "relay")

    def _hand_on(self) -> None:
        stage = self._stage
        stage.scene("The evidence is handed on", "One file, which a court checks with no key, no relay and no network.")
        stage.run(AUDITOR.home, "amanah", "audit", "export", "record.amanah")
        adding = ("amanah", "audit", "add-disclosures", "record.amanah", "disclosed.txt", "--out", "evidence.amanah")
        stage.run(RABAT.home, *adding)
        policy = stage.run("org-fr", "amanah", "roster", "show", "roster.txt", "--policy", quiet=True)
        (stage.folder / "community.policy").write_text(policy.out)
        checking = ("amanah", "audit", "check", "evidence.amanah", "--policy", "community.policy")
        shown = stage.run("court", *checking)
        stage.expect("HOLDS" in shown.out and ARABIC in shown.out, "the evidence does not hold, or shows no message")
        stage.expect(not any(text in shown.out for text in self._tally.said[1:]), "a neighbour was opened")
        with zipfile.ZipFile(stage.folder / "evidence.amanah") as evidence:
            evidence.extract("amanah-verify.py", stage.folder)
        stage.note("the verifier that came with the file, one file of Python, says the same:")
        stage.run("court", "python", "amanah-verify.py", "evidence.amanah", "--policy", "community.policy")
        forged = bytearray((stage.folder / "evidence.amanah").read_bytes())
        forged[forged.index(b"leaves") + 5_000] ^= 1
        (stage.folder / "forged.amanah").write_bytes(forged)
        stage.run("court", *checking[:3], "forged.amanah", *checking[4:], code=5, quiet=True)
        LEFT.mkdir(parents=True, exist_ok=True)
        for name in ("evidence.amanah", "community.policy"):
            shutil.copyfile(stage.folder / name, LEFT / name)
        stage.note("it holds; a copy with one bit changed does not")

    def _table(self) -> Table:
        tally = self._tally
        table = Table(title="What was sent, delivered and verified", title_style="bold", title_justify="left")
        for column in ("", "sent", "delivered", "verified"):
            table.add_column(column)
        each = f"to each of {len(MEMBERS)}"
        table.add_row("messages", str(len(tally.said)), f"{len(tally.said)} {each}", "text by text")
        table.add_row("alerts", str(tally.alerts), f"{tally.alerts} {each}", "hash by hash")
        table.add_row("events, no alerts", "-", "-", f"counted: {tally.others}")
        table.add_row("missed while offline", str(len(MISSED)), f"{len(MISSED)} on return", "text by text")
        table.add_row("after the removal", "1", "0 to the removed", "cannot be read")
        table.add_row("record", f"{tally.leaves} leaves", f"{tally.leaves} copied", "offline, all of it")
        table.add_row("witnesses", str(len(NATIONS)), f"{tally.witnesses} cosigned it", "offline, each of them")
        table.add_row("disclosed", "1", "1", "offline; forged copy refused")
        table.add_row("evidence", "1 file", f"{LEFT.name}/evidence.amanah", "offline; forged copy refused")
        return table


def _hashes_of(eve: Path, report: EveReport) -> Counter[str]:
    """SHA-256 of each alert's line: what every member must have."""
    with eve.open("rb") as stream:
        return Counter(alert.original_hash.hex() for alert in read_eve(bounded_lines(stream), report))


def _hashes(entries: list[dict[str, Any]]) -> Counter[str]:
    alerts = (alert for entry in entries for alert in entry.get("alerts", []))
    return Counter(alert["original_sha256"] for alert in alerts)


class _Console(Console):
    def on_broken_pipe(self) -> None:
        """Leave it to `main`: the library would end the process with exit code 1."""
        raise BrokenPipeError


def main() -> int:
    """Play it; gives the exit code."""
    console = _Console(highlight=False, soft_wrap=True, markup=False, emoji=False)
    eve = Path(os.environ.get("DEMO_EVE") or OWN_EVE).resolve()
    if not eve.is_file():
        console.print(f"demo: there is no file {eve}; DEMO_EVE names a Suricata EVE file")
        return 2
    began_s = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="amanah-demo-") as folder:
        stage = Stage(Path(folder), console)
        try:
            table = Demo(stage, eve).play()
        except KeyboardInterrupt:
            # Past the console, which may have been interrupted while it held what it was about to print.
            sys.stdout.write(f"\ndemo: interrupted at {stage.title}; everything that it started is ended\n")
            sys.stdout.flush()
            return 130
        except BrokenPipeError:
            # Whoever reads has enough, as with every program here; nobody is left to tell.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 0
        except (StepFailedError, OSError, ValueError, LookupError, subprocess.SubprocessError) as error:
            console.print(f"\ndemo: failed at {stage.title}: {error}", style="bold red")
            return 1
        finally:
            stage.stop_all()
    console.print()
    console.print(table)
    console.print(f"done in {time.monotonic() - began_s:.0f} s; nothing is left running")
    console.print(
        "left to be checked: amanah audit check build/demo/evidence.amanah --policy build/demo/community.policy"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
