"""`amanah org`, `amanah roster`, `amanah device`: who is who, before the incident."""

from __future__ import annotations

import time
from collections.abc import Collection
from typing import Annotated, Final, Literal

from cyclopts import App, Parameter

from amanah_client import actions, enrolment, organisation
from amanah_client.cli import files, opening, questions, terminal
from amanah_client.cli.files import File
from amanah_client.cli.terminal import DEFAULTS, Options
from amanah_client.composing import names
from amanah_client.home import Profile, create_profile, find_home
from amanah_client.keystore import KeyFile, Passphrase, create_key_file
from amanah_client.language import gettext as _
from amanah_client.language import isolate
from amanah_protocol import identity
from amanah_protocol.cards import (
    Armour,
    armour,
    armour_kind,
    decode_armour,
    decode_organisation_card,
    decode_relay_card,
    decode_reply,
    decode_witness_keys,
)
from amanah_protocol.endorse import Endorsed
from amanah_protocol.errors import Code, DecodeError, UsageError
from amanah_protocol.identity import Role
from amanah_protocol.log.policy import encode_policy, policy_of_roster
from amanah_protocol.roster import (
    Roster,
    Witness,
    decode_roster,
    default_quorum,
    roster_document,
    signing_organisations,
)
from amanah_protocol.types import PersonId

org = App(name="org", help="An organisation's own acts: root, certificates, revocations, grants and holds.")
_OF_TWO: Final = (
    ("custodian", "custodian", "Make a custodian's key: the second party of grants and holds."),
    ("add-custodian", "add_custodian", "Put a custodian's key into this organisation's card."),
    ("grant-audit", "grant_audit", "Let another's auditor read the metadata of rooms that this organisation owns."),
    ("end-grant", "end_grant", "End an audit grant now."),
    ("hold", "hold", "Keep the content of rooms from being dropped, for a case."),
    ("countersign", "countersign", "Sign as the second party: a grant, a hold, the end of one, a forgotten person."),
    ("forget-person", "forget_person", "Drop who is behind a pseudonym, at all clients."),
    ("drop-name", "drop_name", "Drop the name of a forgotten person here, when clients have."),
)
# Named by where they stand: other verbs do without what they need.
for verb, place, about in _OF_TWO:
    org.command(f"amanah_client.cli.custody:{place}", name=verb, help=about)
roster = App(name="roster", help="The community's signed list of organisations and relays.")
device = App(name="device", help="Enrol this device.")

RoleName = Literal["officer", "bot", "auditor"]
_HEX_ID: Final = 16
_HEX_PERSON: Final = 8


def _new_profile(common: Options, *, key_file: bool) -> Profile:
    """Open the profile if it is there, else make it."""
    home = find_home(common.home)
    if home.exists():
        return opening.profile(common)
    if key_file:
        home.make_folder()
        unlock: KeyFile | Passphrase = create_key_file(home.key_file)
    else:
        unlock = Passphrase(text=questions.new_passphrase())
    return create_profile(home, unlock)


KeyFileFlag = Annotated[bool, Parameter(name="--key-file", negative="")]


@org.command(name="init")
def org_init(
    name: str, /, *, key_file: KeyFileFlag = False, card: File | None = None, common: Options = DEFAULTS
) -> None:
    """Make an organisation: its root key and yearly enrolment key.

    Parameters
    ----------
    name
        DNS name that the organisation owns, for example cert.example.tn.
    key_file
        Protect the keystore by a 0600 key file instead of a passphrase (machines, tests).
    card
        Where to write its card, as `amanah org card` does.
    """
    checked = identity.parse_organisation(name)
    files.check_new(card)
    with _new_profile(common, key_file=key_file) as profile:
        made = organisation.create_organisation(profile, checked)
        made_in = isolate(str(profile.home.path))
        terminal.say(_("organisation %(name)s made in %(path)s", name=isolate(checked), path=made_in))
    terminal.say(_("root key in words: %(words)s", words=isolate(enrolment.words(made.organisation.roots[0]))))
    if card is None:
        terminal.say(_("next: `amanah org card` prints the card for the community's roster"))
    else:
        files.write_file(card, armour(Armour.ORGANISATION, made.encode()))


@org.command
def card(*, out: File | None = None, common: Options = DEFAULTS) -> None:
    """Print this organisation's card, to be put into a roster.

    Parameters
    ----------
    out
        Where to write it; standard output by default.
    """
    with opening.profile(common) as profile:
        own = organisation.own_card(profile)
    files.write_file(out, armour(Armour.ORGANISATION, own.encode()))


@org.command(name="show")
def org_show(*, common: Options = DEFAULTS) -> None:
    """List the devices that this organisation certified."""
    with opening.profile(common) as profile:
        everybody = organisation.issued(profile)
    if common.json:
        terminal.show_json(
            [
                {
                    "device": item.device.hex(),
                    "subject": item.certificate.subject.hex(),
                    "name": item.name,
                    "role": item.certificate.role.name.lower(),
                    "not_after": terminal.iso(item.certificate.not_after_ms),
                    "revoked": item.revoked,
                }
                for item in everybody
            ]
        )
        return
    terminal.show_table(
        (_("device"), _("name"), _("person"), _("role"), _("valid until"), ""),
        (
            (
                item.device.hex()[:_HEX_ID],
                item.name,
                item.certificate.subject.hex()[:_HEX_PERSON],
                item.certificate.role.name.lower(),
                terminal.clock(item.certificate.not_after_ms),
                _("revoked") if item.revoked else "",
            )
            for item in everybody
        ),
        whole=(_("device"), _("person")),
    )


@org.command
def certify(
    request: File,
    /,
    *,
    name: str,
    roster: File,
    ceiling: str = "TLP:RED",
    same_name: Annotated[bool, Parameter(negative="")] = False,
    out: File | None = None,
    common: Options = DEFAULTS,
) -> None:
    """Certify a device; the reply goes back to it by hand.

    A name that somebody else's device carries already is refused, because nobody could tell the two apart.

    Parameters
    ----------
    request
        The device's request file.
    name
        What people call the officer or machine; sealed, the relay never sees it.
    roster
        The signed roster that the device is to trust.
    ceiling
        Highest label for this device.
    same_name
        Give a name that somebody else of this organisation has; better make the two differ.
    out
        Where to write the reply; standard output by default.
    """
    asked = identity.decode_request(files.read_armoured(request, Armour.REQUEST))
    trusted, highest = files.read_armoured(roster, Armour.ROSTER), names.label(ceiling)
    files.check_new(out)
    with opening.profile(common) as profile:
        others = organisation.namesakes(profile, asked, name)
        if others and not same_name:
            raise _namesake(name, others[0])
        reply = organisation.certify(profile, asked, name=name, ceiling=highest, roster=trusted)
    files.write_file(out, armour(Armour.REPLY, reply.encode()))
    named = {"role": asked.role.name.lower(), "device": asked.device_id.hex()[:_HEX_ID], "name": repr(name)}
    terminal.say(_("certified %(role)s %(name)s, device %(device)s", **_isolated(named)))
    terminal.say(_("request in words: %(words)s", words=isolate(enrolment.words(asked.encoded))))
    terminal.say(_("roster in words: %(words)s", words=_roster_words(reply.roster)))


def _roster_words(encoded: bytes) -> str:
    return isolate(enrolment.words(decode_roster(encoded).endorsed.document))


def _isolated(named: dict[str, str]) -> dict[str, str]:
    return {name: isolate(value) for name, value in named.items()}


def _namesake(name: str, other: organisation.Issued) -> UsageError:
    held = f"device {other.device.hex()[:_HEX_ID]} of another person is in force as {other.name!r}"
    hint = (
        "Add what tells them apart, such as the desk; of one person, revoke the old device, or have the new one "
        f"requested with --subject {other.certificate.subject.hex()}; --same-name certifies all the same."
    )
    return UsageError(Code.USAGE, f"{name!r} is taken: {held}", hint=hint)


@org.command
def revoke(
    device: str,
    /,
    *,
    reason: str = "",
    out: File | None = None,
    common: Options = DEFAULTS,
) -> None:
    """Revoke a device; `amanah device submit` hands the revocation to the relay.

    Parameters
    ----------
    device
        Its id, first digits of it, or the name it was certified for.
    reason
        A word for the record, visible to all.
    out
        Where to write the revocation, for `amanah device submit` elsewhere.
    """
    files.check_new(out)
    with opening.profile(common) as profile:
        item = organisation.find_issued(profile, device)
        made = organisation.revoke(profile, item, reason=reason, compromised_since_ms=None)
    files.write_file(out, armour(Armour.REVOCATION, made.encoded))
    named = _isolated({"name": repr(item.name)})
    terminal.say(_("revoked %(name)s; it counts as soon as a device submits it: `amanah device submit FILE`", **named))


@roster.command
def new(
    *cards: File,
    community: str,
    relay: File,
    threshold: int,
    witness: tuple[File, ...] = (),
    quorum: int | None = None,
    previous: File | None = None,
    out: File | None = None,
) -> None:
    """Make an unsigned roster from organisations' cards and a relay's card.

    Parameters
    ----------
    cards
        Organisations' cards.
    community
        A name for people.
    relay
        The relay's card (`amanah-relay keys`).
    threshold
        How many organisations must sign.
    witness
        File of a witness's verifier keys, one a line (C2SP); once for each witness.
    quorum
        How many witnesses must cosign; by default as many as a third of hostile ones cannot outwit.
    previous
        The roster that this one replaces; the version follows it.
    out
        Where to write it; standard output by default.
    """
    if not 1 <= threshold <= len(cards):
        given = (
            "1 organisation's card was given" if len(cards) == 1 else f"{len(cards)} organisations' cards were given"
        )
        hint = "Name the card of each organisation before the options; the threshold is between 1 and all of them."
        raise UsageError(Code.USAGE, f"--threshold {threshold}: {given}", hint=hint)
    decoded = [decode_organisation_card(files.read_armoured(path, Armour.ORGANISATION)) for path in cards]
    witnesses = tuple(decode_witness_keys(files.read_file(path).decode("utf-8", "replace")) for path in witness)
    needed = _quorum(witnesses, quorum)
    version = 1
    if previous is not None:
        version = decode_roster(files.read_armoured(previous, Armour.ROSTER)).version + 1
    document = roster_document(
        version=version,
        community=community,
        issued_ms=time.time_ns() // 1_000_000,
        threshold=threshold,
        organisations=tuple(item.organisation for item in decoded),
        relays=(decode_relay_card(files.read_armoured(relay, Armour.RELAY)),),
        witnesses=witnesses,
        quorum=needed,
    )
    made = Endorsed(document=document, signatures=()).encode()
    decode_roster(made)
    files.write_file(out, armour(Armour.ROSTER, made))
    counted = _isolated({"threshold": str(threshold), "count": str(len(decoded))})
    terminal.say(_("next: %(threshold)s of %(count)s organisations run `amanah roster sign FILE`", **counted))


def _quorum(witnesses: tuple[Witness, ...], wanted: int | None) -> int:
    """The quorum of a new roster; a warning where two checkpoints that contradict each other could both reach it."""
    safe = default_quorum(len(witnesses))
    quorum = safe if wanted is None else wanted
    if not 0 <= quorum <= len(witnesses):
        hint = "Name the file of each witness by --witness; the quorum is between 0 and all of them."
        raise UsageError(Code.USAGE, f"--quorum {quorum}: {len(witnesses)} witnesses were given", hint=hint)
    if quorum < safe:
        terminal.say(
            _(
                "warning: with %(count)s witnesses a quorum below %(safe)s lets hostile ones, up to a third of all, "
                "hide that members are shown different logs; --quorum %(safe)s does not",
                **_isolated({"count": str(len(witnesses)), "safe": str(safe)}),
            )
        )
    return quorum


@roster.command
def sign(file: File, /, *, out: File | None = None, common: Options = DEFAULTS) -> None:
    """Add this organisation's signature to a roster.

    Parameters
    ----------
    file
        The roster.
    out
        Where to write the signed roster; by default the file itself is replaced.
    """
    unsigned = files.read_armoured(file, Armour.ROSTER)
    with opening.profile(common) as profile:
        signed = organisation.sign_roster(profile, unsigned)
    text = armour(Armour.ROSTER, signed)
    if out is not None or str(file) == "-":
        files.write_file(out, text)
        return
    files.replace_file(file, text)
    terminal.say(_("signed: %(file)s", file=isolate(str(file))))


@roster.command(name="show")
def roster_show(
    file: File | None = None,
    /,
    *,
    policy: Annotated[bool, Parameter(negative="")] = False,
    common: Options = DEFAULTS,
) -> None:
    """Show a roster, by default the one that this profile trusts.

    Parameters
    ----------
    file
        A roster's file.
    policy
        Print it as a trust policy for `amanah audit check --policy`, for somebody who has no profile.
    """
    if file is None:
        with opening.profile(common) as profile:
            data = profile.store.value("roster")
        if data is None:
            hint = "Name a roster's file, or install one: `amanah roster install FILE`."
            raise UsageError(Code.NO_PROFILE, "this profile trusts no roster yet", hint=hint)
    else:
        data = files.read_armoured(file, Armour.ROSTER)
    shown = decode_roster(data)
    if policy:
        files.write_file(None, encode_policy(policy_of_roster(shown)))
        return
    signed = signing_organisations(shown.endorsed, shown)
    if common.json:
        terminal.show_json(_roster_json(shown, [str(name) for name in sorted(signed)]))
        return
    _show_roster(shown, signed)


def _show_roster(shown: Roster, signed: Collection[str]) -> None:
    community = terminal.single(shown.community)  # nothing of the file is verified here
    version, until = isolate(str(shown.version)), isolate(terminal.clock(shown.expires_ms))
    told = _("%(community)s, version %(version)s, until %(time)s", community=community, version=version, time=until)
    terminal.show(told)
    terminal.show(_("in words: %(words)s", words=isolate(enrolment.words(shown.endorsed.document))))
    counts = {"signed": len(signed), "needed": shown.threshold, "all": len(shown.organisations)}
    counted = _isolated({name: str(count) for name, count in counts.items()})
    terminal.show(_("signed by %(signed)s, needed %(needed)s of %(all)s", **counted))
    terminal.show_table(
        (_("organisation"), _("roots"), _("signed")),
        (
            (
                item.name,
                _("%(count)s of %(all)s", count=item.threshold, all=len(item.roots)),
                _("yes") if item.name in signed else _("no"),
            )
            for item in shown.organisations
        ),
        whole=(_("organisation"),),
    )
    for relay in shown.relays:
        origin, addresses = terminal.single(relay.origin), terminal.single(", ".join(relay.addresses))
        terminal.show(_("relay %(origin)s at %(addresses)s", origin=origin, addresses=addresses))
    for witness in shown.witnesses:
        terminal.show(_("witness %(name)s", name=terminal.single(witness.name)))
    if shown.witnesses:
        terminal.show(_("of the witnesses, %(count)s must cosign", count=isolate(str(shown.quorum))))


def _roster_json(shown: Roster, signed: list[str]) -> dict[str, object]:
    return {
        "community": shown.community,
        "version": shown.version,
        "expires": terminal.iso(shown.expires_ms),
        "threshold": shown.threshold,
        "signed_by": signed,
        "sha256": shown.endorsed.hash.hex(),
        "organisations": [{"name": o.name, "roots": [root.hex() for root in o.roots]} for o in shown.organisations],
        "relays": [{"origin": r.origin, "addresses": list(r.addresses), "log": r.log_vkey} for r in shown.relays],
        "witnesses": [{"name": w.name, "keys": [key.vkey for key in w.keys]} for w in shown.witnesses],
        "quorum": shown.quorum,
    }


@roster.command(name="install")
def roster_install(file: File, /, *, common: Options = DEFAULTS) -> None:
    """Trust a roster: a newer version of the one that is trusted already, signed by old and new.

    Parameters
    ----------
    file
        The signed roster; `-` for standard input.
    """
    newer = files.read_armoured(file, Armour.ROSTER)
    with opening.profile(common) as profile:
        verified = enrolment.install_roster(profile, newer)
    named = _isolated({"community": verified.value.community, "version": str(verified.value.version)})
    terminal.say(_("trusted: %(community)s, version %(version)s", **named))


@device.command
def request(
    organisation: str,
    /,
    *,
    role: RoleName = "officer",
    subject: str | None = None,
    key_file: KeyFileFlag = False,
    out: File | None = None,
    common: Options = DEFAULTS,
) -> None:
    """Make this device's key and the request that its organisation certifies.

    Parameters
    ----------
    organisation
        DNS name of the own organisation.
    role
        As what.
    subject
        Pseudonym (32 hex digits) of an officer who has a device already.
    key_file
        Protect the keystore by a 0600 key file instead of a passphrase (machines, tests).
    out
        Where to write the request; standard output by default.
    """
    checked = identity.parse_organisation(organisation)
    person = None if subject is None else _person(subject)
    files.check_new(out)
    with _new_profile(common, key_file=key_file) as profile:
        made = enrolment.request_device(profile, organisation=checked, role=Role[role.upper()], subject=person)
    files.write_file(out, armour(Armour.REQUEST, made.encoded))
    named = _isolated({"device": made.device_id.hex()[:_HEX_ID], "organisation": checked})
    terminal.say(_("device %(device)s of %(organisation)s", **named))
    terminal.say(_("request in words: %(words)s", words=isolate(enrolment.words(made.encoded))))


def _person(text: str) -> PersonId:
    try:
        subject = bytes.fromhex(text)
    except ValueError:
        subject = b""
    if len(subject) != 16:
        hint = "`amanah device show` on the officer's other device shows it as the subject."
        raise UsageError(Code.USAGE, f"{text!r} is not a pseudonym of 32 hex digits", hint=hint)
    return PersonId(subject)


@device.command(name="install")
def device_install(reply: File, /, *, common: Options = DEFAULTS) -> None:
    """Install the organisation's reply: certificate, roster, first trust.

    Parameters
    ----------
    reply
        The file that `amanah org certify` wrote; `-` for standard input.
    """
    decoded = decode_reply(files.read_armoured(reply, Armour.REPLY))
    with opening.profile(common) as profile:
        certificate = enrolment.install_reply(profile, decoded).value
    named = _isolated({"role": certificate.role.name.lower(), "organisation": certificate.organisation})
    terminal.say(_("enrolled: %(role)s of %(organisation)s", **named))
    terminal.say(_("roster in words: %(words)s", words=_roster_words(decoded.roster)))
    terminal.say(_("compare these eight words with your organisation by voice before you rely on them"))


@device.command(name="show")
def device_show(*, common: Options = DEFAULTS) -> None:
    """Show this device and its certificate."""
    with opening.profile(common) as profile:
        stored = profile.store.value("certificate")
        if stored is None:
            asked = enrolment.own_request(profile)
            detail = f"requested from {asked.organisation}; the reply is not installed yet"
            raise UsageError(Code.NO_PROFILE, detail, hint="`amanah device install FILE` installs it.")
    certificate = identity.decode_certificate(stored)
    shown = {
        "device": certificate.device_id.hex(),
        "organisation": certificate.organisation,
        "subject": certificate.subject.hex(),
        "role": certificate.role.name.lower(),
        "ceiling": certificate.ceiling.text,
        "not_before": terminal.iso(certificate.not_before_ms),
        "not_after": terminal.iso(certificate.not_after_ms),
        "suites": [f"0x{suite:04X}" for suite in certificate.suites],
    }
    if common.json:
        terminal.show_json(shown)
        return
    for key, value in shown.items():
        terminal.show(f"{key + ':':14} {', '.join(value) if isinstance(value, list) else value}")


@device.command
def submit(file: File, /, *, common: Options = DEFAULTS) -> None:
    """Hand a revocation, a grant, a hold or a forgotten person to the relay, for an organisation without a device.

    Parameters
    ----------
    file
        What `amanah org revoke`, `countersign` or `forget-person` wrote; `-` for standard input.
    """
    from amanah_client.cli.custody import SUBMITTED  # noqa: PLC0415 - a verb loads what it needs

    text = files.read_file(file).decode("utf-8", "replace")
    kind = armour_kind(text)
    if kind not in SUBMITTED:
        what = f"this is {kind!s}" if kind else "this is none"
        raise DecodeError(Code.BAD_TYPE, f"something that is submitted is wanted, {what}")
    action = actions.SubmitControl(type=SUBMITTED[kind], object=decode_armour(text, kind))
    done = opening.with_client(common, lambda client: client.do(action, common.timeout))
    terminal.say(_("in the log at %(index)s", index=isolate(str(done.index))))
