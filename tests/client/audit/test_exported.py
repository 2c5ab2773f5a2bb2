"""A disclosed message in a file that anybody may get: for any labels, inside, outside and by what changed them."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, Final, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amanah_client.audit import exported
from amanah_client.audit.bundle_check import Opened
from amanah_client.audit.exported import check_exported
from amanah_client.audit.record import Record
from amanah_protocol.content.sealed import Content, View
from amanah_protocol.content.text import Text
from amanah_protocol.errors import Code, RefusedError
from amanah_protocol.labels import Label, Pap
from amanah_protocol.types import OrgName, PersonId
from amanah_protocol.ways import Somebody

TN, MA = OrgName("cert.example.tn"), OrgName("cert.example.ma")
VIEW: Final = View(log_size=0, log_root=bytes(32), log_signature=b"", room_seq=0, room_head=bytes(32))
LABELS: Final = st.sampled_from(Label)


def person(nation: OrgName) -> Somebody:
    return Somebody(organisation=nation, person=PersonId(bytes(16)))


def goes(sealed: Label, outside: Label, became: Label | None, *, own: bool) -> bool:
    """Whether it may stand there."""
    content = Content(
        message_id=bytes(16), written_at_ms=1, label_number=int(sealed), pap_number=int(Pap.AMBER), view=VIEW,
        body=Text(text="x"),
    )  # fmt: skip
    envelope = SimpleNamespace(header=SimpleNamespace(label=outside))
    sender = SimpleNamespace(somebody=person(TN if own else MA))
    opened = SimpleNamespace(index=7, envelope=envelope, sender=sender, content=content)
    changed: list[tuple[Any, ...]] = [] if became is None else [(int(became),)]
    record = SimpleNamespace(select=lambda *_: changed)
    try:
        check_exported(cast("Opened", opened), cast("Record", record), by=person(TN))
    except RefusedError as refused:
        return refused.code is not Code.LABEL
    return True


@given(sealed=LABELS, outside=LABELS, became=st.none() | LABELS, own=st.booleans())
def test_what_is_strict_by_any_label_that_counts_stays_out_of_a_file(
    sealed: Label, outside: Label, became: Label | None, *, own: bool
) -> None:
    # What says one label outside and has another is broken: no change makes it laxer.
    labels = [sealed, outside] if became is None else [became] if sealed is outside else [sealed, outside, became]
    assert goes(sealed, outside, became, own=own) is (max(labels) <= Label.AMBER)


def test_without_its_check_what_is_strict_would_stand_there(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not goes(Label.RED, Label.RED, None, own=True)
    monkeypatch.setattr(exported, "check_way", lambda *_, **__: None)
    assert goes(Label.RED, Label.RED, None, own=True)
