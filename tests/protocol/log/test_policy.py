"""The policy file: what it takes, what it refuses and where, and when a quorum is reached."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from amanah_client.mldsa import MlDsaKey
from amanah_protocol.errors import Code, DecodeError, UsageError
from amanah_protocol.log.checkpoint import Checkpoint, decode_checkpoint, encode_body, sign_checkpoint
from amanah_protocol.log.note import Note
from amanah_protocol.log.note_keys import NoteSigner, NoteVerifier, SignatureType
from amanah_protocol.log.policy import Group, Party, Policy, decode_policy, encode_policy, policy_of_roster
from amanah_protocol.roster import Witness, decode_roster
from tests.protocol.refusal import refused
from tests.vectors import examples as x

HASH = x.roster_of().endorsed.hash
LOG = x.LOG_SIGNER.verifier.vkey
TAIL = f"log {LOG}\nroster sha256:{HASH.hex()}\n"
WITNESSES = {
    name: NoteSigner(name=f"{name}.example", key=x.key(name), kind=SignatureType.COSIGNATURE)
    for name in ("x1", "x2", "x3", "y1")
}
NAMED = "".join(f"witness {name} {signer.verifier.vkey}\n" for name, signer in WITNESSES.items())
HEAD = Checkpoint(origin=x.ORIGIN, size=7, root=x.fixed("root"))


def policy(lines: str) -> Policy:
    """A policy with these lines beside its log and roster."""
    return decode_policy((TAIL + lines).encode())


def note(*names: str, signer: NoteSigner = x.LOG_SIGNER, head: Checkpoint = HEAD) -> bytes:
    """The checkpoint, cosigned by these."""
    lines = [WITNESSES[name].sign(encode_body(head), time_s=1_790_000_000) for name in names]
    signed = decode_checkpoint(sign_checkpoint(head, signer))[1]
    return Note(text=signed.text, signatures=(*signed.signatures, *lines)).encode()


# ---- reading


def test_a_policy_without_witnesses_asks_for_none() -> None:
    read = policy("quorum none\n")
    assert read == Policy(logs=(Party(key=x.LOG_SIGNER.verifier),), quorum=None, roster=HASH)


def test_a_policy_that_judges_checkpoints_alone_names_no_roster() -> None:
    read = decode_policy(f"log {LOG}\nquorum none\n".encode())
    assert read.roster is None
    assert encode_policy(read) == f"log {LOG}\nquorum none\n".encode()
    assert read.verify_note(note()).checkpoint == HEAD


def test_a_policy_of_two_levels_is_read() -> None:
    read = policy(NAMED + "group X 2 x1 x2 x3\ngroup both all X y1\nquorum both\n")
    assert read.groups == {
        "X": Group(threshold=2, members=("x1", "x2", "x3")),
        "both": Group(threshold=2, members=("X", "y1")),
    }
    assert read.quorum == "both"


def test_authorities_that_stamp_are_named_by_their_roots() -> None:
    assert policy(f"quorum none\ntimestamp one sha256:{HASH.hex()}\n").timestamps == {"one": HASH}
    assert policy("quorum none\n").timestamps == {}


def test_the_example_of_the_specification_is_read() -> None:
    """C2SP tlog-policy, section Example policy, with keys for those that it elides."""
    names = ("X1", "X2", "X3", "Y1", "Y2", "Y3")
    witnesses = [f"witness {name} {key_of(number)}\n" for number, name in enumerate(names)]
    text = (
        f"log {LOG}\n\n" + "".join(witnesses[:3]) + "group X-witnesses 2 X1 X2 X3\n\n" + "".join(witnesses[3:])
        + "group Y-witnesses any Y1 Y2 Y3\n\ngroup X-and-Y all X-witnesses Y-witnesses\nquorum X-and-Y\n"
    )  # fmt: skip
    read = decode_policy(text.encode())
    assert tuple(read.witnesses) == names
    assert read.groups == {
        "X-witnesses": Group(threshold=2, members=("X1", "X2", "X3")),
        "Y-witnesses": Group(threshold=1, members=("Y1", "Y2", "Y3")),
        "X-and-Y": Group(threshold=2, members=("X-witnesses", "Y-witnesses")),
    }
    assert read.quorum == "X-and-Y"


def test_addresses_are_kept_and_given_back() -> None:
    lines = f"log {LOG} https://relay.example/log\nwitness w {key_of(1)} https://w.example/\nquorum w\n"
    read = decode_policy(lines.encode())
    assert (read.logs[0].url, read.witnesses["w"].url) == ("https://relay.example/log", "https://w.example/")
    assert encode_policy(read) == lines.encode()


def test_comments_blanks_and_tabs_mean_nothing() -> None:
    log = f"\tlog\t{LOG}  "
    text = f"\n # of the community \xe9\n{log}\nquorum  none\nroster sha256:{HASH.hex()}"
    assert decode_policy(text.encode("latin-1")) == policy("quorum none\n")


def test_names_are_opaque_octets() -> None:
    line = f"witness \xff {WITNESSES['x1'].verifier.vkey} https://\xfe/\nquorum \xff\n".encode("latin-1")
    read = decode_policy(TAIL.encode() + line)
    assert read.quorum == "\udcff"
    assert decode_policy(encode_policy(read)) == read
    assert line.partition(b"\n")[0] in encode_policy(read)


def test_a_word_in_another_space_than_blank_or_tab_is_one_word() -> None:
    with refused(Code.CONFIG, UsageError):
        policy("quorum\u2003none\n")


@pytest.mark.parametrize(
    "lines",
    [
        "quorum none\n",
        NAMED + "group g any x1 x2\nquorum g\n",
        NAMED + "group g all x1 x2\nquorum g\n",
        NAMED + "quorum y1\n",
        f"quorum none\ntimestamp one sha256:{HASH.hex()}\ntimestamp two sha256:{HASH.hex()}\n",
    ],
)
def test_what_is_written_is_read_back(lines: str) -> None:
    read = policy(lines)
    assert decode_policy(encode_policy(read)) == read


@pytest.mark.parametrize(
    ("lines", "number"),
    [
        ("quorum none\ntrust everybody\n", 4),
        ("log\n", 3),
        (f"log {LOG}\n", 3),
        ("log nonsense\n", 3),
        (f"log {WITNESSES['x1'].verifier.vkey}\n", 3),
        ("witness x1\n", 3),
        (f"witness x1 {LOG}\n", 3),
        (NAMED + f"witness again {WITNESSES['x1'].verifier.vkey}\n", 7),
        (NAMED + f"witness x1 {LOG}\n", 7),
        (f"witness none {WITNESSES['x1'].verifier.vkey}\n", 3),
        (NAMED + "group g 1\n", 7),
        (NAMED + "group g 0 x1\n", 7),
        (NAMED + "group g 01 x1\n", 7),
        (NAMED + "group g 2 x1\n", 7),
        (NAMED + "group g some x1\n", 7),
        (NAMED + "group g 1 x1 x1\n", 7),
        (NAMED + "group g 1 x1\ngroup h 1 x1\n", 8),
        (NAMED + "group x1 1 x2\n", 7),
        (NAMED + "group none 1 x2\n", 7),
        (NAMED + "group g 1 none\n", 7),
        (NAMED + "group g 1 later\ngroup later 1 x1\n", 7),
        (NAMED + "quorum later\ngroup later 1 x1\n", 7),
        ("quorum none\nquorum none\n", 4),
        ("quorum\n", 3),
        (f"roster sha256:{HASH.hex()}\n", 3),
        ("roster\n", 3),
        ("timestamp\n", 3),
        ("timestamp one\n", 3),
        (f"timestamp one {HASH.hex()}\n", 3),
        (f"timestamp one sha256:{HASH.hex()} more\n", 3),
        (f"timestamp one sha256:{HASH.hex()}\ntimestamp one sha256:{HASH.hex()}\n", 4),
    ],
)
def test_a_line_that_is_not_of_a_policy_is_named(lines: str, number: int) -> None:
    with pytest.raises(UsageError, match=rf"line {number} of the policy") as caught:
        policy(lines)
    assert caught.value.code is Code.CONFIG


@pytest.mark.parametrize("digits", ["", "ab", HASH.hex().upper(), HASH.hex() + "00"])
def test_a_roster_line_holds_64_digits(digits: str) -> None:
    with pytest.raises(UsageError, match="line 2 of the policy"):
        decode_policy(f"log {LOG}\nroster sha256:{digits}\nquorum none\n".encode())


@pytest.mark.parametrize("text", ["", TAIL, f"quorum none\nroster sha256:{HASH.hex()}\n"])
def test_a_policy_lacks_neither_log_nor_quorum(text: str) -> None:
    with refused(Code.CONFIG, UsageError):
        decode_policy(text.encode())


@pytest.mark.parametrize("octet", [b"\x00", b"\r", b"\x0c", b"\x7f"])
def test_control_characters_are_refused(octet: bytes) -> None:
    with refused(Code.CONFIG, UsageError):
        decode_policy(TAIL.encode() + b"quorum none\n#" + octet)


def test_a_policy_is_bounded() -> None:
    many = "".join(f"group g{number} 1 x1\n" for number in range(300))
    with pytest.raises(UsageError, match="line 7 of the policy"):
        policy(NAMED + many.replace("x1", "nobody"))
    with refused(Code.CONFIG, UsageError):
        decode_policy(b"#" * (2 * 1024 * 1024 + 1))
    lines = "".join(f"witness w{n} {key_of(n)}\n" for n in range(1_099))
    with pytest.raises(UsageError, match="line 1101 of the policy: too many lines"):
        policy(lines)


def key_of(number: int) -> str:
    signer = NoteSigner(name="w.example", key=x.key(f"witness {number}"), kind=SignatureType.COSIGNATURE)
    return signer.verifier.vkey


# ---- holding a checkpoint against it


def test_a_checkpoint_of_the_policys_log_holds() -> None:
    held = policy("quorum none\n").verify_note(note())
    assert (held.checkpoint, held.cosignatures) == (HEAD, ())


def test_any_log_of_the_policy_may_have_signed() -> None:
    second = NoteSigner(name=x.ORIGIN, key=x.key("next log key"))
    both = policy(f"log {second.verifier.vkey}\nquorum none\n")
    assert both.verify_note(note(signer=second)).checkpoint == HEAD
    assert both.verify_note(note()).checkpoint == HEAD


def test_a_checkpoint_of_another_log_is_refused() -> None:
    other = NoteSigner(name="other.example/log", key=x.key("log"))
    with refused(Code.CHECKPOINT):
        policy("quorum none\n").verify_note(
            note(signer=other, head=Checkpoint(origin=other.name, size=7, root=HEAD.root))
        )


def test_a_checkpoint_that_only_witnesses_signed_is_refused() -> None:
    cosigned = decode_checkpoint(note("x1"))[1]
    without = Note(text=cosigned.text, signatures=cosigned.signatures[1:]).encode()
    with refused(Code.CHECKPOINT):
        policy(NAMED + "quorum x1\n").verify_note(without)


def test_what_is_no_checkpoint_is_refused() -> None:
    with refused(Code.MALFORMED, DecodeError):
        policy("quorum none\n").verify_note(b"none")


QUORUM = NAMED + "group X 2 x1 x2 x3\ngroup both all X y1\nquorum both\n"


@pytest.mark.parametrize(
    ("names", "reached"),
    [
        (("x1", "x2", "y1"), True),
        (("x1", "x2", "x3", "y1"), True),
        (("x1", "x2", "x3"), False),
        (("x1", "y1"), False),
        ((), False),
    ],
)
def test_a_quorum_of_two_levels(names: tuple[str, ...], reached: bool) -> None:  # noqa: FBT001 - a parameter of the test
    if reached:
        assert {name for name, _ in policy(QUORUM).verify_note(note(*names)).cosignatures} == set(names)
    else:
        with refused(Code.THRESHOLD):
            policy(QUORUM).verify_note(note(*names))


def test_one_witness_twice_counts_once() -> None:
    with refused(Code.THRESHOLD):
        policy(QUORUM).verify_note(note("x1", "x1", "y1"))


def test_a_witness_that_the_policy_does_not_name_counts_nothing() -> None:
    only = policy(f"witness x1 {WITNESSES['x1'].verifier.vkey}\nquorum x1\n")
    with refused(Code.THRESHOLD):
        only.verify_note(note("x2"))


def test_a_cosignature_that_fails_spoils_the_note() -> None:
    other = Checkpoint(origin=x.ORIGIN, size=8, root=HEAD.root)
    wrong = WITNESSES["x1"].sign(encode_body(other), time_s=1)
    signed = decode_checkpoint(note())[1]
    with refused(Code.SIGNATURE):
        policy(NAMED + "quorum x1\n").verify_note(
            Note(text=signed.text, signatures=(*signed.signatures, wrong)).encode()
        )


# ---- keys of ML-DSA-44

PQ = NoteSigner(name="x1.example", key=MlDsaKey(bytes(32)), kind=SignatureType.ML_DSA_44)
BOTH = (
    f"witness x1-ed {WITNESSES['x1'].verifier.vkey}\nwitness x1-pq {PQ.verifier.vkey}\n"
    f"group x1 any x1-ed x1-pq\nwitness x2 {WITNESSES['x2'].verifier.vkey}\n"
)


def with_lines(*signers: NoteSigner, time_s: int = 7) -> bytes:
    """The checkpoint with further lines of these."""
    signed = decode_checkpoint(note())[1]
    lines = [signer.sign(signed.text, time_s=time_s) for signer in signers]
    return Note(text=signed.text, signatures=(*signed.signatures, *lines)).encode()


def test_a_witness_may_have_a_key_of_ml_dsa_44() -> None:
    only = policy(f"witness w {PQ.verifier.vkey}\nquorum w\n")
    assert only.verify_note(with_lines(PQ)).cosignatures == (("w", 7),)
    with refused(Code.THRESHOLD):
        only.verify_note(with_lines(WITNESSES["x1"]))


def test_a_witness_with_two_keys_counts_once() -> None:
    both = policy(BOTH + "group q 2 x1 x2\nquorum q\n")
    with refused(Code.THRESHOLD):
        both.verify_note(with_lines(WITNESSES["x1"], PQ))
    for own in ((PQ,), (WITNESSES["x1"],), (WITNESSES["x1"], PQ)):
        assert len(both.verify_note(with_lines(*own, WITNESSES["x2"])).cosignatures) == len(own) + 1
    # Without the group of its own, its two lines would be a quorum of two.
    flat = policy(BOTH.replace("group x1 any x1-ed x1-pq\n", "") + "group q 2 x1-ed x1-pq x2\nquorum q\n")
    assert len(flat.verify_note(with_lines(WITNESSES["x1"], PQ)).cosignatures) == 2


def test_a_cosignature_without_a_time_counts_for_no_witness() -> None:
    only = policy(f"witness w {PQ.verifier.vkey}\nquorum w\n")
    with refused(Code.THRESHOLD):
        only.verify_note(with_lines(PQ, time_s=0))
    assert only.verify_note(with_lines(PQ, time_s=1)).cosignatures == (("w", 1),)


def test_a_log_may_sign_with_ml_dsa_44() -> None:
    log = NoteSigner(name=x.ORIGIN, key=MlDsaKey(bytes(32)), kind=SignatureType.ML_DSA_44)
    signed = sign_checkpoint(HEAD, log)
    assert decode_policy(f"log {log.verifier.vkey}\nquorum none\n".encode()).verify_note(signed).checkpoint == HEAD
    with refused(Code.SIGNATURE):
        policy("quorum none\n").verify_note(signed)


# ---- of a roster


def policy_with(quorum: int, *witnesses: Witness) -> Policy:
    document = x.roster_document(1, witnesses=witnesses, quorum=quorum)
    return policy_of_roster(decode_roster(x.endorsed(document, *x.custodians(*x.NAMES)).encode()))


def roster_with(quorum: int) -> Policy:
    named = [Witness(name=f"The {name}", keys=(signer.verifier,)) for name, signer in WITNESSES.items()]
    return policy_with(quorum, *named)


def with_both_keys(quorum: int) -> Policy:
    """Of a roster whose first witness has a key of each type."""
    two = Witness(name="Two", keys=(WITNESSES["x1"].verifier, PQ.verifier))
    return policy_with(quorum, two, Witness(name="One", keys=(WITNESSES["x2"].verifier,)))


@pytest.mark.parametrize("lines", [lambda made: made, lambda made: decode_policy(encode_policy(made))])
def test_a_witness_of_a_roster_counts_once_with_either_key_and_with_both(lines: Callable[[Policy], Policy]) -> None:
    made = lines(with_both_keys(2))
    assert made == with_both_keys(2)
    for own in ((PQ,), (WITNESSES["x1"],), (WITNESSES["x1"], PQ)):
        assert len(made.verify_note(with_lines(*own, WITNESSES["x2"])).cosignatures) == len(own) + 1
        with refused(Code.THRESHOLD):
            made.verify_note(with_lines(*own))


def test_the_largest_roster_has_a_policy_that_is_read() -> None:
    def public(number: int, length: int) -> bytes:
        return number.to_bytes(2, "big") * (length // 2)

    witnesses = tuple(
        Witness(
            name=f"{number}",
            keys=(
                NoteVerifier(name="w", public=public(number, 32), kind=SignatureType.COSIGNATURE),
                NoteVerifier(name="w", public=public(number, 1_312), kind=SignatureType.ML_DSA_44),
            ),
        )
        for number in range(256)
    )
    made = policy_with(171, *witnesses)
    assert decode_policy(encode_policy(made)) == made


def test_a_roster_without_a_quorum_asks_for_no_witness() -> None:
    made = policy_of_roster(x.roster_of())
    assert made == policy("quorum none\n")


@pytest.mark.parametrize("lines", [lambda made: made, lambda made: decode_policy(encode_policy(made))])
def test_a_rosters_quorum_is_asked_for(lines: Callable[[Policy], Policy]) -> None:
    made = lines(roster_with(2))
    assert len(made.verify_note(note("x1", "y1")).cosignatures) == 2
    with refused(Code.THRESHOLD):
        made.verify_note(note("x1"))


def test_witnesses_of_a_roster_without_a_quorum_are_named_when_they_cosigned() -> None:
    assert roster_with(0).verify_note(note("x2")).cosignatures == (("witness-2", 1_790_000_000),)
