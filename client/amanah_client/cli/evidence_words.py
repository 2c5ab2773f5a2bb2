"""Evidence against a log, for people and for programs."""

from __future__ import annotations

from typing import Final

from amanah_client.audit.evidence import Held
from amanah_client.cli import terminal
from amanah_client.cli.audit_json import FORMAT
from amanah_client.cli.showing import short
from amanah_client.moments import moment
from amanah_protocol.log.checkpoint import Checkpoint
from amanah_protocol.log.conflict import OtherLeaf, Sighting, Verdict, Way
from amanah_protocol.log.statement import Form

_FORMS: Final = {
    Form.CHECKPOINT: "a checkpoint, signed by the log",
    Form.HEAD: "a head of the control stream, signed by the relay",
    Form.RECEIPT: "a receipt, signed by the relay",
}
_WAYS: Final = {
    Way.OWN: "the finder had followed the log so far",
    Way.MEMBER: "in a message of another member",
    Way.HEAD: "from the relay, as its head",
    Way.RECEIPT: "from the relay, for an envelope of the finder",
    Way.WITNESSED: "from the relay, as cosigned by the quorum of witnesses",
    Way.SHOWN: "from the relay, as its newest checkpoint",
}
_VERDICTS: Final = {
    Verdict.SAME_SIZE: "PROOF BY ITSELF: the log signed two roots for one size; it shows two records",
    Verdict.OTHER_PREFIX: "PROOF BY ITSELF: the larger log does not hold what the smaller does; it shows two records",
    Verdict.OTHER_LEAF: "PROOF BY ITSELF: the log holds another leaf where the receipt promises one",
    Verdict.UNEXPLAINED: "NO PROOF BY ITSELF: two signed statements that the log must answer for",
}
_BAD: Final = "bold white on red"


def show_evidence(found: tuple[Held, ...], anchor: str) -> None:
    """What was verified, and what it comes to."""
    for number, held in enumerate(found, start=1):
        _show(f"{number} of {len(found)}: the log {held.conflict.origin} against itself")
        _statement("first", held.conflict.first, held.judged.first)
        _statement("then", held.conflict.second, held.judged.second)
        _show(verdict(held), style=_BAD)
        if held.judged.verdict is Verdict.UNEXPLAINED:
            sizes = sorted((held.judged.first.size, held.judged.second.size))
            _show(f"  it has to show the consistency proof from size {sizes[0]} to size {sizes[1]}")
    _show("how each statement was learnt is the word of whoever made the file; signatures and paths were verified")
    _show(f"HOLDS: by the keys of {anchor}")


def _statement(name: str, sighting: Sighting, said: Checkpoint) -> None:
    _show(f"  {name:<6} size {said.size}, root {said.root.hex()}")
    _show(f"  {'':<6} {_FORMS[sighting.statement.form]}")
    of = f": device {short(sighting.device)}, room {short(sighting.room)}" if sighting.device else ""
    _show(f"  {'':<6} learnt {moment(sighting.at_ms)}, {_WAYS[sighting.way]}{of}")


def verdict(held: Held) -> str:
    """The one line that counts, of one conflict."""
    proof = held.conflict.proof
    at = f" (index {proof.index})" if isinstance(proof, OtherLeaf) else ""
    return _VERDICTS[held.judged.verdict] + at


def evidence_json(found: tuple[Held, ...], anchor: str) -> dict[str, object]:
    """The same for programs."""
    return {
        "format": FORMAT,
        "holds": True,
        "held_against": anchor,
        "conflicts": [
            {
                "origin": held.conflict.origin,
                "verdict": str(held.judged.verdict),
                "is_proof": held.judged.verdict.is_proof,
                "text": verdict(held),
                "first": _statement_json(held.conflict.first, held.judged.first),
                "second": _statement_json(held.conflict.second, held.judged.second),
            }
            for held in found
        ],
    }


def _statement_json(sighting: Sighting, said: Checkpoint) -> dict[str, object]:
    return {
        "form": sighting.statement.form.name.lower(),
        "size": said.size,
        "root": said.root.hex(),
        "way": sighting.way.name.lower(),
        "learnt": terminal.iso(sighting.at_ms),
        "device": sighting.device.hex() or None,
        "room": sighting.room.hex() or None,
    }


def _show(text: str, *, style: str = "") -> None:
    terminal.show(terminal.Line(((terminal.single(text), style),), indent=9))
