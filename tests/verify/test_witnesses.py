"""Whose signatures a checkpoint needs, and what their times say of the entries."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from amanah_protocol import kinds
from amanah_protocol.log.mldsa import mldsa44_public
from amanah_protocol.log.note_keys import NoteSigner, NoteVerifier, SignatureType
from amanah_protocol.log.policy import decode_policy, policy_of_roster
from amanah_protocol.roster import decode_roster
from tests.client.audit.world import NOW_MS, OFFICER_TN, Incident, incident
from tests.vectors import examples as x
from tests.verify.bundles import (
    SIGNERS,
    VERIFIER,
    WITNESSED,
    Verdict,
    checkpoint_at,
    cosigned,
    honest,
    verdict,
    witnessed,
)

NOW_S = NOW_MS // 1000
LATER_S = NOW_S + 60
HEAD = f"log {x.LOG_SIGNER.verifier.vkey}\n"
NAMES = ("a", "b", "c", "d")
KNOWN = HEAD + "".join(f"witness {name} {signer.verifier.vkey}\n" for name, signer in zip(NAMES, SIGNERS, strict=True))


PLAIN = incident()


def judged(data: bytes, policy: str) -> Verdict:
    roster = x.roster_of().endorsed
    return verdict(data, (roster.encode(),), f"{policy}roster sha256:{roster.hash.hex()}\n".encode())


# ---- the quorum


@pytest.mark.parametrize(("number", "holds"), [(4, True), (3, True), (2, False), (0, False)])
def test_a_rosters_quorum_has_to_cosign(number: int, holds: bool) -> None:  # noqa: FBT001 - a parameter of the test
    data = witnessed([LATER_S] * number, PLAIN, checkpoints=()).encode()
    assert verdict(data, (WITNESSED.encode(),)).holds is holds


GROUPS = [
    ("quorum none\n", 0, True),
    ("quorum b\n", 1, False),
    ("quorum b\n", 2, True),
    ("group g 2 a b c\nquorum g\n", 2, True),
    ("group g 2 b c d\nquorum g\n", 2, False),
    ("group g any c d\ngroup h all a b\ngroup i all g h\nquorum i\n", 3, True),
    ("group g any c d\ngroup h all a b\ngroup i all g h\nquorum i\n", 2, False),
    ("group g all a\ngroup h any b\ngroup i 2 g h c\nquorum i\n", 2, True),
]


@pytest.mark.parametrize(("lines", "number", "holds"), GROUPS)
def test_groups_of_witnesses_count_as_the_policy_says(
    lines: str,
    number: int,
    holds: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    note = cosigned(PLAIN.log.checkpoint(), [LATER_S] * number)
    found = judged(honest(PLAIN, checkpoint=note, checkpoints=()).encode(), KNOWN + lines)
    assert found.holds is holds
    ours = decode_policy((KNOWN + lines).encode())
    assert VERIFIER.Policy((KNOWN + lines).encode()).reached(NAMES[:number]) is holds
    assert ours.quorum == (None if "none" in lines else lines.rsplit(maxsplit=1)[-1])


POLICIES = [
    HEAD + "quorum none\n",
    "  # a comment\n\n" + HEAD.replace(" ", " \t ") + "quorum none",
    HEAD.replace("\n", " https://relay.example/\n") + "quorum none\n",
    KNOWN + "group g any a b\nquorum g\n",
    KNOWN + "group g 4 a b c d\nquorum g\n",
    HEAD,
    "quorum none\n",
    HEAD + "quorum none\nquorum none\n",
    HEAD + HEAD + "quorum none\n",
    HEAD + "quorum a\n",
    KNOWN + "quorum none more\n",
    KNOWN + "group g any a a\nquorum g\n",
    KNOWN + "group g any a b\ngroup h any a\nquorum h\n",
    KNOWN + "group g 0 a b\nquorum g\n",
    KNOWN + "group g 3 a b\nquorum g\n",
    KNOWN + "group g 01 a b\nquorum g\n",
    KNOWN + "group g any\nquorum none\n",
    KNOWN + "group g\nquorum none\n",
    KNOWN + "group none any a\nquorum none\n",
    KNOWN + "group a any b\nquorum none\n",
    KNOWN + "group g any g\nquorum none\n",
    KNOWN + f"witness e {SIGNERS[0].verifier.vkey}\nquorum none\n",
    KNOWN + f"witness e {x.LOG_SIGNER.verifier.vkey}\nquorum none\n",
    HEAD + f"log {SIGNERS[0].verifier.vkey}\nquorum none\n",
    HEAD + "roster sha256:" + "ab" * 32 + "\nquorum none\n",
    HEAD + "roster sha256:" + "AB" * 32 + "\nquorum none\n",
    HEAD + "roster sha256:" + "ab" * 32 + "\nroster sha256:" + "ab" * 32 + "\nquorum none\n",
    HEAD + "policy none\nquorum none\n",
    HEAD + "quorum none\r\n",
    HEAD + "quorum\x0bnone\n",
    HEAD.replace("+", "-", 1) + "quorum none\n",
    HEAD[:-2] + "\nquorum none\n",
]


@pytest.mark.parametrize("policy", POLICIES)
def test_policies_are_read_and_refused_as_the_other_reader_does(policy: str) -> None:
    def read(reader: object) -> bool:
        try:
            reader(policy.encode())  # type: ignore[operator]  # one of two readers
        except Exception:  # noqa: BLE001 - each has errors of its own
            return False
        return True

    assert read(VERIFIER.Policy) is read(decode_policy)


def test_the_policy_of_a_roster_is_the_one_that_the_other_reader_makes_of_it() -> None:
    both = x.endorsed(x.roster_document(1, witnesses=x.WITNESSES, quorum=2), *x.custodians(*x.NAMES)).encode()
    for encoded in (WITNESSED.encode(), both, x.roster_of().endorsed.encode()):
        ours, theirs = policy_of_roster(decode_roster(encoded)), VERIFIER.Roster(VERIFIER.Endorsed(encoded)).policy()
        assert [log.key.public for log in ours.logs] == [log.public for log in theirs.logs]
        keys = [key.public for key in theirs.names.values() if not isinstance(key, tuple)]
        assert sorted(keys) == sorted(party.key.public for party in ours.witnesses.values())
        assert theirs.roster == ours.roster


# ---- signatures


def forged(note: bytes) -> bytes:
    line = note.decode().splitlines()[-1]
    return note.decode().replace(line, line[:-6] + ("AAAA" if line[-6:-2] != "AAAA" else "BBBB") + line[-2:]).encode()


def test_a_false_line_of_a_known_witness_spoils_the_note_and_one_of_an_unknown_does_not() -> None:
    note = cosigned(PLAIN.log.checkpoint(), [LATER_S] * 4)
    assert judged(honest(PLAIN, checkpoint=note).encode(), KNOWN + "quorum a\n").holds
    assert not judged(honest(PLAIN, checkpoint=forged(note)).encode(), KNOWN + "quorum a\n").holds
    assert judged(
        honest(PLAIN, checkpoint=forged(note)).encode(), KNOWN.rsplit("witness d ", 1)[0] + "quorum a\n"
    ).holds


def test_one_witness_that_cosigns_three_times_is_one() -> None:
    note = cosigned(PLAIN.log.checkpoint(), [LATER_S, LATER_S + 1, LATER_S + 2], [SIGNERS[0]] * 3)
    assert not judged(honest(PLAIN, checkpoint=note).encode(), KNOWN + "group g 2 a b c d\nquorum g\n").holds


def test_cosignatures_of_another_checkpoint_do_not_count() -> None:
    other = cosigned(checkpoint_at(PLAIN.rows(), 20), [LATER_S] * 4).decode().split("\n\n")[1]
    note = PLAIN.log.checkpoint() + "".join(line + "\n" for line in other.splitlines()[1:]).encode()
    assert not judged(honest(PLAIN, checkpoint=note).encode(), KNOWN + "quorum a\n").holds


def test_a_log_that_is_none_of_the_policys_is_found() -> None:
    foreign = NoteSigner(name=x.ORIGIN, key=x.key("another log")).verifier.vkey
    assert not judged(honest(PLAIN).encode(), f"log {foreign}\nquorum none\n").holds
    named = NoteSigner(name="another.example/log", key=x.key("log")).verifier.vkey
    assert not judged(honest(PLAIN).encode(), f"log {named}\nquorum none\n").holds


def test_a_cosignature_with_ml_dsa_is_named_and_a_quorum_that_needs_it_says_so() -> None:
    key = NoteVerifier(name="pq.example", public=mldsa44_public(x.fixed("pq")), kind=SignatureType.ML_DSA_44)
    line = VERIFIER.base64.b64encode(key.key_id + LATER_S.to_bytes(8, "big") + bytes(2420)).decode()
    note = PLAIN.log.checkpoint() + f"\N{EM DASH} pq.example {line}\n".encode()
    with_it = KNOWN + f"witness pq {key.vkey}\n"
    free = judged(honest(PLAIN, checkpoint=note).encode(), with_it + "quorum none\n")
    assert free.holds
    assert "signatures with ML-DSA-44 on checkpoints" in free.unchecked
    bound = judged(honest(PLAIN, checkpoint=note).encode(), with_it + "quorum pq\n")
    assert bound.reasons[0][1].endswith("unless cosignatures with ML-DSA-44 count, which are not read here")
    short = judged(honest(PLAIN, checkpoint=note).encode(), with_it + "quorum a\n")
    assert short.reasons[0][1] == "the quorum did not cosign it"


# ---- times


def bounded(made: Incident, early: Iterable[int], late: Iterable[int], size: int = 20) -> Verdict:
    """A checkpoint at `size` with cosignatures of `early`, and the last one of `late`."""
    evidence = honest(
        made,
        checkpoint=cosigned(made.log.checkpoint(), late),
        checkpoints=(checkpoint_at(made.rows(), 9), cosigned(checkpoint_at(made.rows(), size), early)),
    )
    return judged(evidence.encode(), KNOWN + "quorum none\n")


def test_times_of_acceptance_inside_of_what_was_witnessed_hold() -> None:
    assert bounded(PLAIN, [NOW_S + 20] * 4, [NOW_S + 40] * 4).holds


def test_an_entry_that_was_witnessed_before_it_was_accepted_is_found() -> None:
    hour = NOW_S - 3_600
    assert bounded(PLAIN, [hour] * 4, [NOW_S + 40] * 4).first == 0
    assert bounded(PLAIN, [NOW_S + 20] * 4, [hour] * 4).first == 20


def test_an_entry_behind_a_later_checkpoint_is_found() -> None:
    late = NOW_S + 3_600
    assert bounded(PLAIN, [late] * 4, [late] * 4).first == 20


def test_two_minutes_are_no_fault() -> None:
    assert bounded(PLAIN, [NOW_S + 19 - 120] * 4, [NOW_S + 34 - 120] * 4).holds
    assert bounded(PLAIN, [NOW_S + 19 - 121] * 4, [NOW_S + 34 - 120] * 4).first is not None


@pytest.mark.parametrize("liars", [0, 1, 2])
def test_one_of_four_witnesses_may_lie(liars: int) -> None:
    for lie in (NOW_S - 3_600, NOW_S + 3_600):
        times = [lie] * liars + [NOW_S + 20] * (4 - liars)
        assert bounded(PLAIN, times, [NOW_S + 40] * 4).holds is (liars < 2)


def test_a_checkpoint_without_times_bounds_nothing() -> None:
    made = incident()
    made.log.post(OFFICER_TN, made.room, kinds.Message(), leaf_accepted_at_ms=NOW_MS + 86_400_000)
    assert bounded(made, [], []).holds
    assert bounded(made, [], [NOW_S + 40] * 4).first == made.log.last
