"""Whole bundles, each by its two verifiers: those that one writer makes, and those of the other."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import pytest

from amanah_client.audit.anchors import anchor_of_policy
from amanah_client.audit.report import Finding
from amanah_protocol.errors import AmanahError
from amanah_protocol.log.checkpoint import decode_checkpoint, sign_checkpoint
from amanah_protocol.log.policy import decode_policy, encode_policy, policy_of_roster
from tests.client.audit import bundles as main_bundles
from tests.client.audit.world import NOW_MS, anchor, incident
from tests.vectors import examples as x
from tests.verify.bundles import ROSTER, TOLD, Evidence, checkpoint_at, cosigned, honest, members_of, verdict
from tests.verify.test_bundle_faults import CLAIMS, DISCLOSURE, WRONG_HEADS, head
from tests.verify.test_witnesses import KNOWN

NOW_S = NOW_MS // 1000
FREE = f"{KNOWN}quorum none\nroster sha256:{x.roster_of().endorsed.hash.hex()}\n"
"""A policy under which every witness has a clock, and none is needed."""


def unstamped(**changes: Any) -> Evidence:  # noqa: ANN401 - fields of `Evidence`
    """A bundle without time stamps, of which one verifier says that it does not check them."""
    return honest(timestamps=(), **changes)


def first_bad(data: bytes, policy: str | None = None) -> Finding | None:
    """What the main verifier finds wrong with a bundle first."""
    held = anchor() if policy is None else anchor_of_policy(decode_policy(policy.encode()), (ROSTER,))
    return main_bundles.checked(data, held).report.first_bad


def main_one(data: bytes, policy: str | None = None) -> bool:
    """Whether the main verifier finds nothing wrong with a bundle."""
    try:
        return first_bad(data, policy) is None
    except AmanahError:
        return False


def agreed(data: bytes, policy: str | None = None) -> bool:
    """What both say."""
    second = verdict(data, (ROSTER,), None if policy is None else policy.encode()).holds
    assert main_one(data, policy) is second
    return second


def test_what_either_writer_makes_holds_for_both() -> None:
    assert agreed(main_bundles.bundle(incident()))
    assert agreed(unstamped().encode())
    assert agreed(unstamped(checkpoints=(), control_head=b"", disclosures=()).encode())


def test_a_policy_that_names_authorities_is_one_for_both() -> None:
    text = encode_policy(policy_of_roster(x.roster_of())).decode()
    assert agreed(honest().encode(), text + f"timestamp ours sha256:{'ab' * 32}\n")
    for line in ("timestamp ours\n", f"timestamp ours sha256:{'AB' * 32}\n"):
        with pytest.raises(AmanahError):
            decode_policy((text + line).encode())
        assert not verdict(honest().encode(), (ROSTER,), (text + line).encode()).holds


@pytest.mark.parametrize(("name", "change"), CLAIMS, ids=[name for name, _ in CLAIMS])
def test_claims_that_do_not_hold_are_found_by_both(name: str, change: Callable[[dict[str, Any]], object]) -> None:
    assert not agreed(unstamped(manifest=lambda manifest: [change(manifest), None][1]).encode()), name


@pytest.mark.parametrize("name", list(members_of(unstamped().encode())))
def test_a_member_that_was_changed_is_found_by_both(name: str) -> None:
    def longer(members: dict[str, bytes]) -> None:
        members[name] += b"\n"

    assert not agreed(unstamped(members=longer).encode())


@pytest.mark.parametrize("place", range(0, 43, 3))
def test_a_bit_of_the_archives_frame_is_found_by_both(place: int) -> None:
    data = bytearray(unstamped().encode())
    data[place] ^= 1 << random.Random(place).randrange(8)
    assert not agreed(bytes(data))


def test_disclosures_are_judged_alike() -> None:
    assert not agreed(unstamped(disclosures=(DISCLOSURE, DISCLOSURE)).encode())
    assert not agreed(unstamped(disclosures=(DISCLOSURE[:-1] + b"!",)).encode())


def test_smaller_checkpoints_are_judged_alike() -> None:
    rows = TOLD.rows()
    assert agreed(unstamped(checkpoints=(checkpoint_at(rows, 1), checkpoint_at(rows, 30))).encode())
    assert not agreed(unstamped(checkpoints=(checkpoint_at(rows, 30), checkpoint_at(rows, 1))).encode())
    assert not agreed(unstamped(checkpoints=(checkpoint_at([rows[1], rows[0], *rows[2:]], 9),)).encode())


def test_a_head_of_the_control_stream_is_judged_alike() -> None:
    for true in (head(99, 12), head(20, 11)):
        assert agreed(unstamped(control_head=true).encode())
    for wrong in WRONG_HEADS:
        assert not agreed(unstamped(control_head=wrong).encode())


TIMES: list[tuple[Iterable[int], Iterable[int]]] = [
    ([NOW_S + 20] * 4, [NOW_S + 40] * 4),
    ([NOW_S - 3_600] * 4, [NOW_S + 40] * 4),
    ([NOW_S + 20] * 4, [NOW_S - 3_600] * 4),
    ([NOW_S + 3_600] * 4, [NOW_S + 3_600] * 4),
    ([NOW_S + 3_600, *[NOW_S + 20] * 3], [NOW_S + 40] * 4),
    ([*[NOW_S + 3_600] * 2, *[NOW_S + 20] * 2], [NOW_S + 40] * 4),
    ([NOW_S - 101] * 4, [NOW_S - 86] * 4),
    ([NOW_S - 102] * 4, [NOW_S - 86] * 4),
    ([], [NOW_S + 40] * 4),
    ([NOW_S - 3_600], [NOW_S + 40] * 4),
]


@pytest.mark.parametrize(("early", "late"), TIMES)
def test_times_are_bounded_alike(early: Iterable[int], late: Iterable[int]) -> None:
    evidence = unstamped(
        checkpoint=cosigned(TOLD.log.checkpoint(), late),
        checkpoints=(checkpoint_at(TOLD.rows(), 9), cosigned(checkpoint_at(TOLD.rows(), 20), early)),
    )
    agreed(evidence.encode(), FREE)


def another(note: bytes) -> bytes:
    """A checkpoint of the same size, of another tree."""
    return sign_checkpoint(replace(decode_checkpoint(note)[0], root=x.fixed("another tree")), x.LOG_SIGNER)


EARLY, SMALLER, LAST = [NOW_S - 3_600] * 4, checkpoint_at(TOLD.rows(), 20), TOLD.log.checkpoint()


@pytest.mark.parametrize(
    ("smaller", "last", "first"),
    [
        (cosigned(SMALLER, EARLY), LAST, 0),
        (cosigned(another(SMALLER), EARLY), LAST, None),
        (cosigned(SMALLER, [NOW_S + 3_600] * 4), LAST, 20),
        (cosigned(another(SMALLER), [NOW_S + 3_600] * 4), LAST, None),
        (SMALLER, cosigned(LAST, EARLY), 0),
        (SMALLER, cosigned(another(LAST), EARLY), None),
        (cosigned(another(SMALLER), [NOW_S + 20] * 4), cosigned(LAST, EARLY), 0),
    ],
)
def test_a_checkpoint_of_another_tree_than_the_rows_bounds_no_times(
    smaller: bytes, last: bytes, first: int | None
) -> None:
    data = unstamped(checkpoint=last, checkpoints=(smaller,), control_head=b"").encode()
    found, second = first_bad(data, FREE), verdict(data, (ROSTER,), FREE.encode())
    assert found is not None
    assert not second.holds
    assert (found.index, second.first) == (first, first)
