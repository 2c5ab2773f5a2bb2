from __future__ import annotations

from typing import Any

import pytest

from amanah_protocol import cose
from amanah_protocol.cose import Typ
from amanah_protocol.crypto import sha256
from amanah_protocol.custody.chain import custody_chain
from amanah_protocol.custody.erasures import (
    CONTENT_PURPOSE,
    PERSON_PURPOSE,
    Cause,
    ContentErasure,
    decode_person_erasure,
    erased_digest,
    issue_person_erasure,
    sign_erasure,
    verify_erasure,
    verify_person_erasure,
)
from amanah_protocol.errors import Code, DecodeError
from amanah_protocol.limits import MAX_ERASED_PLACES
from tests.protocol.custody.parties import OFFICER
from tests.protocol.refusal import refused
from tests.vectors import examples as x

SUBJECT = x.request().subject
STATEMENT = ContentErasure(
    room=x.ROOM, places=(4, 7), digest=x.fixed("digest"), cause=Cause.ROOM, erased_at_ms=x.NOW_MS
)


def test_a_statement_of_the_relay_is_what_it_signed() -> None:
    assert verify_erasure(sign_erasure(STATEMENT, x.RELAY_KEY), x.RELAY_KEY.public).value == STATEMENT


def test_nobody_but_the_relay_says_what_it_dropped() -> None:
    with refused(Code.KEY_ID):
        verify_erasure(sign_erasure(STATEMENT, OFFICER), x.RELAY_KEY.public)
    with refused(Code.SIGNATURE):
        verify_erasure(sign_erasure(STATEMENT, x.RELAY_KEY)[:-1] + b"\0", x.RELAY_KEY.public)


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (0, PERSON_PURPOSE),
        (1, bytes(15)),
        (2, []),
        (2, [0]),
        (2, [2, 1]),
        (2, [1, 1]),
        (2, list(range(1, MAX_ERASED_PLACES + 2))),
        (3, bytes(31)),
        (4, 0),
        (4, 5),
        (5, None),
    ],
)
def test_a_statement_that_makes_no_sense_is_refused(place: int, value: object) -> None:
    fields: list[Any] = [CONTENT_PURPOSE, x.ROOM, [4, 7], x.fixed("digest"), 1, x.NOW_MS]
    assert cose.sign(Typ.ERASURE, fields, x.RELAY_KEY) == sign_erasure(STATEMENT, x.RELAY_KEY)
    fields[place] = value
    with refused(Code.BAD_TYPE, DecodeError):
        verify_erasure(cose.sign(Typ.ERASURE, fields, x.RELAY_KEY), x.RELAY_KEY.public)


def test_the_digest_binds_places_and_what_stood_there() -> None:
    one, other = sha256(b"one"), sha256(b"other")
    digests = {
        erased_digest(erased)
        for erased in ([(1, one)], [(2, one)], [(1, other)], [(1, one), (2, other)], [(2, one), (1, other)], [])
    }
    assert len(digests) == 6


def test_an_organisation_says_whose_name_it_has_forgotten() -> None:
    made = issue_person_erasure(OFFICER, organisation=x.TN, subject=SUBJECT, now_ms=x.NOW_MS)
    assert decode_person_erasure(made.encoded) == made
    assert (made.organisation, made.subject, made.issuer) == (x.TN, SUBJECT, OFFICER.key_id)
    verify_person_erasure(made, OFFICER.public)
    with refused(Code.KEY_ID):
        verify_person_erasure(made, x.RELAY_KEY.public)
    with refused(Code.BAD_TYPE, DecodeError):
        verify_erasure(made.encoded, OFFICER.public)
    with refused(Code.BAD_TYPE, DecodeError):
        decode_person_erasure(sign_erasure(STATEMENT, OFFICER))
    four = cose.sign(Typ.ERASURE, [CONTENT_PURPOSE, x.TN, SUBJECT, x.NOW_MS], OFFICER)
    with refused(Code.BAD_TYPE, DecodeError):
        decode_person_erasure(four)


def test_each_room_has_a_custody_chain_of_its_own() -> None:
    chain = custody_chain(x.ROOM)
    assert len(chain) == 16
    assert len({chain, custody_chain(chain), x.ROOM}) == 3
