from __future__ import annotations

import re
from typing import Final

import pytest

from amanah_protocol.errors import (
    MEANINGS,
    AmanahError,
    Code,
    DecodeError,
    OperationalError,
    PeerError,
    RefusedError,
    UsageError,
    VerifyError,
)

GIVEN_OUT: Final = """
    TOO_LARGE MALFORMED NOT_CANONICAL BAD_TYPE BAD_HEADER UNKNOWN_VERSION CONTENT_HASH KEY_ID SIGNATURE THRESHOLD
    CERTIFICATE EXPIRED REVOKED FOREIGN_DEVICE ROLE LABEL ROLLBACK CLOCK LOGIN REPLACED FRAME
    UNKNOWN_ROOM ROOM_EXISTS NOT_MEMBER STALE_EPOCH STALE_INTAKE COUNTER MEMBERSHIP SUITE SUITE_WITHHELD NO_KEY_PACKAGE
    QUOTA RATE SLOW NOT_FOUND STAGING BINDING AUDIENCE COMMITMENT REPLAY OPEN GENERATION REFUSED_COMMIT
    GAP BEHIND FORK VOIDED_APPEARED RECORD PROOF CHECKPOINT RECEIPT LOG_ROLLBACK UNANCHORED STALE_HEAD
    USAGE CONFIG PASSPHRASE NO_PROFILE NOT_INITIALISED HELD
    OFFLINE TIMEOUT STORE DAMAGED DISK_FULL NO_MEMORY ADDRESS_IN_USE STOPPING INTERNAL
""".split()  # noqa: SIM905 - a list literal would take a line for each code
"""Codes that other programs may know already: a line may be added here, never taken away."""

AGAIN: Final = """
    CLOCK SUITE_WITHHELD NO_KEY_PACKAGE QUOTA RATE SLOW STAGING GAP BEHIND STALE_HEAD HELD
    OFFLINE TIMEOUT STORE DISK_FULL NO_MEMORY ADDRESS_IN_USE STOPPING INTERNAL
""".split()  # noqa: SIM905 - the same
"""The codes after which the same bytes may be accepted later."""


def test_no_code_that_was_given_out_is_missing_or_renamed() -> None:
    assert set(GIVEN_OUT) <= {str(code) for code in Code}
    assert len(GIVEN_OUT) == len(set(GIVEN_OUT))


def test_the_text_of_a_code_is_its_name() -> None:
    assert [code.value for code in Code] == [code.name for code in Code]


def test_every_code_has_a_meaning_and_every_meaning_a_code() -> None:
    assert set(MEANINGS) == set(Code)


@pytest.mark.parametrize("code", Code)
def test_a_hint_is_one_short_sentence_for_people(code: Code) -> None:
    hint = MEANINGS[code].hint
    assert re.fullmatch(r"[A-Z].*[^.\s]\.", hint)
    assert not re.search(r"[.!?]\s", hint)
    assert len(hint) <= 100
    assert not re.search(r"\b[A-Z]+_[A-Z_]+\b", hint)


@pytest.mark.parametrize("code", [Code(name) for name in GIVEN_OUT])
def test_whether_a_code_is_final_does_not_change(code: Code) -> None:
    assert MEANINGS[code].final == (code not in AGAIN)


@pytest.mark.parametrize("branch", [DecodeError, VerifyError, RefusedError])
def test_what_a_peer_did_wrong_is_a_peer_error(branch: type[PeerError]) -> None:
    assert issubclass(branch, PeerError)


def test_the_three_branches_are_apart() -> None:
    branches = (PeerError, UsageError, OperationalError)
    assert all(issubclass(branch, AmanahError) for branch in branches)
    assert not any(issubclass(one, other) for one in branches for other in branches if one is not other)


def test_an_error_says_what_happened_and_what_to_do() -> None:
    error = OperationalError(Code.STORE, "the disk said no", retry_after_ms=500)
    assert str(error) == "STORE: the disk said no"
    assert (error.code, error.detail, error.retry_after_ms) == (Code.STORE, "the disk said no", 500)
    assert error.hint == MEANINGS[Code.STORE].hint
    assert OperationalError(Code.STORE, "the disk said no", hint="Mount it.").hint == "Mount it."
    assert not error.final
    assert VerifyError(Code.SIGNATURE, "forged").final
