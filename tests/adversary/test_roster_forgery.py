"""Attacks 30 and 31: an older roster, and one that too few have signed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

from amanah_client import actions, model
from amanah_client.model import IntentState
from amanah_protocol import cbor, cose
from amanah_protocol.cose import Typ
from amanah_protocol.crypto import SigningKey, sha256
from amanah_protocol.endorse import Endorsed, decode_endorsed, endorse
from amanah_protocol.errors import Code
from amanah_protocol.log.leaf import LeafType
from amanah_protocol.roster import Organisation, Roster, decode_roster, roster_document
from amanah_protocol.types import OrgName
from tests.adversary.outcomes import control, defended
from tests.adversary.shown import evidence
from tests.adversary.stage import Stage
from tests.simulation.community import MA, SN, TN

Play = Callable[..., Stage]
EVIL: Final = SigningKey(sha256(b"the attacker's root"))
EVIL_SN: Final = SigningKey(sha256(b"sn"))
EVIL_TN: Final = SigningKey(sha256(b"tn"))
NOBODY: Final = OrgName("cert.example.zz")


def root(stage: Stage, name: OrgName) -> SigningKey:
    """An organisation's root key."""
    return next(d.organisation.root for d in stage.world.community.devices.values() if d.organisation.name == name)


def first(stage: Stage) -> Roster:
    """The roster that everybody was given."""
    return decode_roster(stage.world.community.roster)


def document(stage: Stage, version: int, **changes: Any) -> bytes:  # noqa: ANN401 - fields of a roster
    """The document of a version, the first one's but for what is changed."""
    known = first(stage)
    fields: dict[str, Any] = {
        "version": version,
        "community": known.community,
        "issued_ms": stage.now_ms - 1_000 + version,
        "threshold": known.threshold,
        "organisations": known.organisations,
        "relays": known.relays,
        **changes,
    }
    return roster_document(**fields)


def endorsed(data: bytes, *keys: SigningKey) -> bytes:
    """A document signed by these keys."""
    return Endorsed(document=data, signatures=tuple(endorse(data, key) for key in keys)).encode()


def submit(stage: Stage, name: str, roster: bytes) -> model.Intent:
    """Bring a roster the honest way."""
    return stage.do(name, actions.SubmitControl(type=int(LeafType.ROSTER), object=roster))


def plant(stage: Stage, roster: bytes) -> None:
    """The relay logs a roster past all checks."""
    stage.relay.log_control(LeafType.ROSTER, decode_endorsed(roster).record, roster)
    stage.wait(2)


def versions(stage: Stage) -> dict[str, int]:
    """Which roster each device holds."""
    return {name: decode_roster(client.store.snapshot().roster).version for name, client in stage.world.clients.items()}


# ---- 30


def accept_three(stage: Stage) -> list[bytes]:
    """Versions 2 and 3 are accepted; gives all three, the first with another document of its version."""
    signers = (root(stage, TN), root(stage, MA))
    later = [endorsed(document(stage, version), *signers) for version in (2, 3)]
    for roster in later:
        assert submit(stage, "tn-1", roster).state is IntentState.DONE
    stage.wait(2)
    assert set(versions(stage).values()) == {3}
    same = endorsed(document(stage, 3, community="the same version, another document"), *signers)
    return [stage.world.community.roster, *later[:1], same]


@defended(30)
def test_an_older_roster_is_refused_by_all_also_after_a_restart(play: Play) -> None:
    stage = play()
    older = accept_three(stage)
    for restarted in (False, True):
        if restarted:
            for name in ("ma-1", "sn-1"):
                stage.client(name).kill()
            stage.wait(1)
        for roster in older:
            plant(stage, roster)
        if restarted:
            for name in ("ma-1", "sn-1"):
                stage.client(name).start()
            stage.wait(10)
        assert set(versions(stage).values()) == {3}
    for name in stage.world.clients:
        alarms = stage.alarms(name)
        assert {alarm.code for alarm in alarms} == {Code.ROLLBACK}
        assert all(evidence(alarm)[1] in older for alarm in alarms)
    stage.say("ma-1", "and on")
    stage.wait(3)
    assert stage.texts("tn-2") == ["and on"]


@control(30, "versions of the roster ascend")
def test_without_the_look_at_versions_the_first_roster_is_back(play: Play) -> None:
    stage = play()
    older = accept_three(stage)
    plant(stage, older[0])
    assert set(versions(stage).values()) == {1}
    assert stage.all_alarms() == {}


# ---- 31

Forgery = Callable[[Stage], bytes]


def usurped(stage: Stage, **changes: Any) -> bytes:  # noqa: ANN401 - fields of a roster
    """What the attacker, who has TN's root, wants: a roster in which one signature is enough, and its own relay."""
    relays = (replace(first(stage).relays[0], key=EVIL.public),)
    return document(stage, 2, **{"threshold": 1, "relays": relays, **changes})


def signed_as(data: bytes, kid: bytes, key: SigningKey, typ: Typ = Typ.ENDORSEMENT) -> bytes:
    """An endorsement that names another signer than its key's."""
    protected, payload = cbor.encode({1: cose.ALG_ED25519, 4: kid, 16: str(typ)}), cbor.encode(sha256(data))
    return cose.encode_sign1(protected, payload, key.sign(cose.signed_bytes(protected, payload)))


def beside(data: bytes, *signatures: bytes) -> bytes:
    """A document with these signatures."""
    return Endorsed(document=data, signatures=signatures).encode()


def again(stage: Stage) -> bytes:
    """TN's signature twice, made twice: once as it is, once over a header that says no more in more bytes."""
    data, key = usurped(stage), root(stage, TN)
    protected = b"\xa3\x01\x32\x04\x59\x00\x20" + key.key_id + b"\x10" + cbor.encode(str(Typ.ENDORSEMENT))
    payload = cbor.encode(sha256(data))
    longer = cose.encode_sign1(protected, payload, key.sign(cose.signed_bytes(protected, payload)))
    return beside(data, endorse(data, key), longer)


def organisations(stage: Stage, **roots: tuple[SigningKey, ...]) -> tuple[Organisation, ...]:
    """The members, with other roots for some, by their country."""
    keys = {OrgName(f"cert.example.{country}"): signers for country, signers in roots.items()}
    return tuple(
        replace(o, roots=tuple(sorted(key.public for key in keys[o.name]))) if o.name in keys else o
        for o in first(stage).organisations
    )


def with_nobody(stage: Stage) -> tuple[Organisation, ...]:
    """The members and one that the attacker has made up."""
    return (*first(stage).organisations, Organisation(name=NOBODY, threshold=1, roots=(EVIL.public,)))


def doubled(stage: Stage) -> bytes:
    """A document that names TN's root in MA's place too, past the maker's own order."""
    return usurped(stage, organisations=organisations(stage, ma=(root(stage, TN),)))


FORGERIES: Final[dict[str, Forgery]] = {
    "nobody signs": lambda s: beside(usurped(s)),
    "one signs": lambda s: endorsed(usurped(s), root(s, TN)),
    "one signs twice": lambda s: endorsed(usurped(s), root(s, TN), root(s, TN)),
    "one signs two hundred times": lambda s: endorsed(usurped(s), *[root(s, TN)] * 200),
    "one signs twice in two encodings": again,
    "an unknown key signs": lambda s: endorsed(usurped(s), EVIL),
    "one and an unknown key sign": lambda s: endorsed(usurped(s), root(s, TN), EVIL),
    "the relay signs": lambda s: endorsed(usurped(s), root(s, TN), s.relay.key),
    "an enrolment key signs": lambda s: endorsed(
        usurped(s), root(s, TN), s.device("ma-1").organisation.enrolment_key
    ),
    "a device signs": lambda s: endorsed(usurped(s), root(s, TN), s.device("ma-1").key),
    "one signs under another's id": lambda s: beside(
        d := usurped(s), endorse(d, root(s, TN)), signed_as(d, root(s, MA).key_id, root(s, TN))
    ),
    "an unknown key signs under a member's id": lambda s: beside(
        d := usurped(s), endorse(d, root(s, TN)), signed_as(d, root(s, MA).key_id, EVIL)
    ),
    "an empty signature under a member's id": lambda s: beside(
        d := usurped(s), endorse(d, root(s, TN)), endorse(d, root(s, MA))[:-64] + bytes(64)
    ),
    "a member's signature of another roster": lambda s: beside(
        d := usurped(s), endorse(d, root(s, TN)), endorse(document(s, 2), root(s, MA))
    ),
    "a member's signature of its enrolment key": lambda s: beside(
        d := usurped(s), endorse(d, root(s, TN)), *decode_endorsed(s.device("ma-1").organisation.enrolment).signatures
    ),
    "a member's signature made for another purpose": lambda s: beside(
        d := usurped(s), endorse(d, root(s, TN)), signed_as(d, root(s, MA).key_id, root(s, MA), Typ.LEGAL_HOLD)
    ),
    "a threshold of nought": lambda s: endorsed(usurped(s, threshold=0), root(s, TN)),
    "a threshold of all and one more": lambda s: endorsed(usurped(s, threshold=4), root(s, TN), root(s, MA)),
    "one key is two members' root": lambda s: endorsed(doubled(s), root(s, TN)),
    "one key stands twice among its roots": lambda s: endorsed(
        usurped(s, organisations=organisations(s, tn=(root(s, TN), root(s, TN)))), root(s, TN)
    ),
    "a member stands there twice": lambda s: endorsed(
        usurped(s, organisations=(*first(s).organisations, first(s).organisations[-1])), root(s, TN)
    ),
    "a member that the attacker made up signs": lambda s: endorsed(
        usurped(s, threshold=2, organisations=with_nobody(s)), root(s, TN), EVIL
    ),
    "all roots are the attacker's, who signs for all": lambda s: endorsed(
        usurped(s, organisations=organisations(s, ma=(EVIL,), sn=(EVIL_SN,), tn=(EVIL_TN,))), EVIL, EVIL_SN, EVIL_TN
    ),
}  # fmt: skip
"""Rosters of an attacker who has one root of three, where two must sign."""


@defended(31)
def test_no_forgery_reaches_the_threshold(play: Play) -> None:
    assert len(FORGERIES) >= 21
    stage = play()
    before = stage.states()
    forged = {name: make(stage) for name, make in FORGERIES.items()}
    for roster in forged.values():
        plant(stage, roster)
    control = {name: state.control for name, state in stage.states().items()}
    for name, state in stage.states().items():
        assert replace(state, control=b"") == replace(before[name], control=b"")
    # None of them is taken into the record of what was verified.
    assert control == {name: state.control for name, state in before.items()}
    allowed = {Code.THRESHOLD, Code.SIGNATURE, Code.BINDING, Code.BAD_TYPE, Code.BAD_HEADER, Code.NOT_CANONICAL}
    for name in stage.world.clients:
        alarms = stage.alarms(name)
        assert {alarm.code for alarm in alarms} <= allowed
        assert all(evidence(alarm)[1] in forged.values() for alarm in alarms)
    stage.say("ma-1", "and on")
    stage.wait(3)
    assert stage.texts("tn-2") == ["and on"]


@defended(31)
def test_an_honest_relay_logs_no_forgery_either(play: Play) -> None:
    stage = play()
    for name, make in FORGERIES.items():
        assert submit(stage, "tn-1", make(stage)).state is IntentState.FAILED, name
        stage.wait(5)
    assert set(versions(stage).values()) == {1}
    two = endorsed(document(stage, 2), root(stage, TN), root(stage, SN))
    assert submit(stage, "tn-1", two).state is IntentState.DONE


@control(31, "the roster's threshold")
def test_without_the_threshold_one_root_takes_the_community_over(play: Play) -> None:
    stage = play()
    forged = FORGERIES["one signs"](stage)
    plant(stage, forged)
    for client in stage.world.clients.values():
        taken = decode_roster(client.store.snapshot().roster)
        assert taken.endorsed.encode() == forged
        assert taken.relays[0].key == EVIL.public
    assert stage.all_alarms() == {}
