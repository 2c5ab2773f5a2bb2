"""A disclosure held against an anchor, against itself, and with one part of it wrong."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from msgspec import structs

from amanah_client.audit.anchors import anchor_of_policy
from amanah_client.audit.disclosed import prove
from amanah_client.audit.examination import Anchor
from amanah_protocol.content.text import Text
from amanah_protocol.errors import Code, PeerError
from amanah_protocol.log.disclosure import Disclosure
from amanah_protocol.log.leaf import decode_leaf
from amanah_protocol.log.note_keys import NoteSigner, SignatureType
from amanah_protocol.log.policy import decode_policy
from tests.client.audit.world import OFFICER_MA, OFFICER_TN, anchor, incident
from tests.protocol.refusal import refused
from tests.vectors import examples as x

TOLD = incident()
DISCLOSURE = TOLD.log.disclosure(TOLD.disclosed, TOLD.k, TOLD.content, OFFICER_TN)
OTHER = TOLD.log.leaves[TOLD.disclosed + 1]


@pytest.mark.parametrize("held", [anchor(), None], ids=["anchored", "alone"])
def test_a_right_disclosure_holds(held: Anchor | None) -> None:
    proven = prove(DISCLOSURE, held)
    disclosed = proven.disclosed
    assert disclosed.content.body == Text(text="Seen at your side?")
    assert (disclosed.index, disclosed.checkpoint.size) == (TOLD.disclosed, TOLD.log.size)
    assert disclosed.certificate.device_id == OFFICER_TN.id
    assert proven.anchor == ("" if held is None else "the roster of this test")


@pytest.mark.parametrize("held", [anchor(), None], ids=["anchored", "alone"])
@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"envelope": OTHER.object}, Code.PROOF),
        ({"entry": OTHER.encode()}, Code.PROOF),
        ({"entry": structs.replace(decode_leaf(DISCLOSURE.entry), room=TOLD.small).encode()}, Code.PROOF),
        ({"entry": structs.replace(decode_leaf(DISCLOSURE.entry), accepted_at_ms=x.NOW_MS).encode()}, Code.PROOF),
        ({"k": x.fixed("another key")}, Code.COMMITMENT),
        ({"content": DISCLOSURE.content[:-1] + b"!"}, Code.COMMITMENT),
        ({"index": TOLD.disclosed + 1}, Code.PROOF),
        ({"size": TOLD.log.size - 1}, Code.PROOF),
        ({"path": DISCLOSURE.path[:-1]}, Code.PROOF),
        ({"certificate": OFFICER_MA.certificate.encoded}, Code.CERTIFICATE),
        ({"enrolment": x.nation(x.NAMES[0]).enrolment.endorsed.encode()}, Code.CERTIFICATE),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else str(value),
)
def test_one_wrong_part_is_refused(held: Anchor | None, changes: dict[str, Any], code: Code) -> None:
    changed: Disclosure = replace(DISCLOSURE, **changes)
    with pytest.raises(PeerError) as caught:
        prove(changed, held)
    # Without a roster the chain stops at the first key that does not fit, which is another words for the same.
    assert caught.value.code in {code, Code.KEY_ID}


def test_an_older_trusted_roster_speaks_for_a_message_of_its_day() -> None:
    gone = tuple(x.nation(name).member for name in x.NAMES[:2])
    second = x.endorsed(x.roster_document(2, organisations=gone), *x.custodians(*x.NAMES)).encode()
    both = anchor(x.roster_of().endorsed.encode(), second)
    assert prove(DISCLOSURE, both).anchor
    with refused(Code.CERTIFICATE):
        prove(DISCLOSURE, anchor(second))


def test_what_no_trusted_roster_bears_out_is_refused_as_the_newest_one_sees_it() -> None:
    both = anchor(x.roster_of(1).endorsed.encode(), x.roster_of(2).endorsed.encode())
    with refused(Code.COMMITMENT):
        prove(replace(DISCLOSURE, k=bytes(32)), both)


def test_an_anchor_without_rosters_proves_nothing() -> None:
    with refused(Code.UNANCHORED):
        prove(DISCLOSURE, replace(anchor(), rosters=()))


def test_a_checkpoint_without_the_policys_quorum_is_refused() -> None:
    witness = NoteSigner(name="w.example", key=x.key("witness"), kind=SignatureType.COSIGNATURE).verifier.vkey
    head = f"log {x.LOG_SIGNER.verifier.vkey}\nroster sha256:{x.roster_of().endorsed.hash.hex()}\nwitness w {witness}\n"
    rosters = (x.roster_of().endorsed.encode(),)
    assert prove(DISCLOSURE, anchor_of_policy(decode_policy(f"{head}quorum none\n".encode()), rosters)).anchor
    with refused(Code.THRESHOLD):
        prove(DISCLOSURE, anchor_of_policy(decode_policy(f"{head}quorum w\n".encode()), rosters))
