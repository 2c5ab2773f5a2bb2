"""Parties, messages and rooms as text for people and as JSON for programs.

The JSON shapes are stable: fields may be added, none changes its meaning. Bytes are hex, times are
RFC 3339 in UTC, enumerations are their names in lower case.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator
from typing import Final

from amanah_client import terms
from amanah_client.cli.terminal import Line, clock, composed, iso, isolated, shown, single
from amanah_client.directory import Directory, Party
from amanah_client.doing import QUIET_KINDS, QUIET_TYPES, does, summary
from amanah_client.language import gettext as _
from amanah_client.message import Message
from amanah_client.model import Alarm, MessageState, Retitled
from amanah_client.plain import plain
from amanah_client.reading import UNCHANGED, Since
from amanah_client.room import Room
from amanah_client.said import ID_DIGITS, said, said_json
from amanah_client.saying import unusual
from amanah_client.standing import Standing
from amanah_protocol.content.alert import Alert, Severity
from amanah_protocol.content.bodies import AlertBatch, RoomInfo, Said
from amanah_protocol.content.revision import Withdrawal
from amanah_protocol.content.text import Text as TextBody
from amanah_protocol.labels import Label, Pap, Precedence

_STYLES: Final = {
    Label.CLEAR: "white on black",
    Label.GREEN: "#33ff00 on black",
    Label.AMBER: "#ffc000 on black",
    Label.AMBER_STRICT: "#ffc000 on black",
    Label.RED: "#ff2b2b on black",
}
"""The colours of TLP 2.0; the label stands there in words as well."""
DRILL: Final = "DRILL  "
"""Of a message that is an exercise."""
_DRILL_STYLE: Final = "bold reverse"
_LABEL_WIDTH: Final = len(Label.AMBER_STRICT.text)
_LISTED_ALERTS: Final = 10
_INDENT: Final = 7
"""Of what a message says below its first line."""
_SEVERITY_WIDTH: Final = max(len(severity.name) for severity in Severity)


def is_quiet(message: Message) -> bool:
    """Whether a message is of no interest to a person who reads the room."""
    return message.kind in QUIET_KINDS or message.type in QUIET_TYPES


# ---- text


def short(identifier: bytes) -> str:
    """The first digits of an id."""
    return identifier.hex()[:ID_DIGITS]


def who(party: Party) -> str:
    """`name, organisation`, each safe for a terminal; of two who have one name, with the device."""
    name = f"{single(party.name)} ({short(party.device)})" if party.namesakes else single(party.name)
    return f"{name}, {party.organisation}" if party.organisation else name


def line(message: Message, directory: Directory, label: Label, pap: Pap | None, *, since: Since = UNCHANGED) -> Line:
    """One message for a terminal: place, id, time, the label that counts, sender, the PAP that does, what it says.

    The place is the log's, the time its author's, who signed both it and the message. The relay's time is shown as
    the relay's word, and only where it says something else (attack 40). What a person wrote stands behind a colon and
    nothing of ours behind it, so that no text can look like something that this program says. What is withdrawn
    or corrected stands there as it was said, with when that was. In a drill each line of it says so, whichever of
    them is seen alone.
    """
    place = "-" if message.room_seq is None else str(message.room_seq)
    # What has no content has no label: metadata is nothing that anybody hands on.
    text = "" if message.body is None and message.state is MessageState.STORED else label.text
    speaks = message.text is not None and message.state is not MessageState.UNREADABLE
    drill = DRILL if message.drill else ""
    says = f"\n{drill:{_INDENT}}".join(_says(message, directory).split("\n"))
    parts = (
        (f"{place:>5}  {short(message.id)}  {clock(message.sent_at_ms)}  ", ""),
        (drill, _DRILL_STYLE),
        (text, _STYLES[label]),
        (" " * (_LABEL_WIDTH - len(text)) + f"  {who(message.sender)}{_remarks(message, pap, since)}", ""),
        (f": {says}" if speaks else f" {says}", "" if speaks else "dim"),
    )
    return Line(parts, indent=_INDENT, mark=(drill, _DRILL_STYLE if drill else ""))


def _remarks(message: Message, pap: Pap | None, since: Since) -> str:
    """What has to be said of a message besides what it says."""
    urgent = "" if message.precedence is Precedence.ROUTINE else f" [{terms.precedence(message.precedence)}]"
    allowed = f" [{mark}]" if (mark := unusual(pap)) else ""
    repaired = "" if message.repaired_by is None else " " + _("[repaired by %(whom)s]", whom=who(message.repaired_by))
    repaired += "" if message.granted_by is None else " " + _("[granted by %(whom)s]", whom=who(message.granted_by))
    relay = " " + _("[the relay says: %(time)s]", time=clock(message.accepted_at_ms)) if message.clocks_differ else ""
    answers, body = "", message.body
    if isinstance(body, TextBody):
        answers = (
            "" if body.reply_to is None else " " + _("[answers %(message)s]", message=isolated(short(body.reply_to)))
        )
        answers += (
            ""
            if body.thread is None
            else " " + _("[in the thread of %(message)s]", message=isolated(short(body.thread)))
        )
        answers += "" if body.asks is None else " " + _("[asks: %(grade)s]", grade=terms.grade(body.asks))
    return urgent + remark_of(since) + allowed + answers + repaired + relay


def remark_of(since: Since) -> str:
    """What is to be said of a message that its author took back, or says otherwise by now; "" where it stands."""
    if since.withdrawn is not None:
        return " " + _("[withdrawn by its author: %(time)s]", time=clock(since.withdrawn.sent_at_ms))
    if since.corrected is not None:
        return " " + _("[corrected by its author: %(time)s]", time=clock(since.corrected.sent_at_ms))
    return ""


def _says(message: Message, directory: Directory) -> str:  # noqa: PLR0911 - one for each thing that can be said
    match message.state, message.body:
        case MessageState.UNREADABLE, _:
            named = {"cause": message.cause, "code": shown(message.code), "explanation": message.explanation}
            return _("[cannot be read: %(cause)s (%(code)s). %(explanation)s]", **named)
        case MessageState.ERASED, _:
            return _("[erased]")
        case _, body if isinstance(body, Said):
            return isolated(body.text) if isinstance(body, TextBody) else composed(said(body))
        case _, AlertBatch(source=source, alerts=alerts):
            first = _("%(alerts)s from %(source)s", alerts=summary(alerts, isolated), source=single(source))
            return "\n".join((first, *_listed(alerts)))
        case _, RoomInfo(title=title):
            return _names(title, message.row.retitled)
        case _, None:
            return f"[{does(message.specific, lambda device: who(directory.party(device)), isolated)}]"
        case _:
            return f"[{message.type}]"


def _names(title: str, retitled: Retitled | None) -> str:
    if retitled is None:
        return _("[names the room %(title)s]", title=isolated(title))
    named = {"title": single(title), "before": single(retitled.before)}
    if retitled.holds:
        return _("[renames the room from %(before)s to %(title)s]", **named)
    return _("[calls the room %(title)s without effect; it stays %(before)s]", **named)


def _listed(alerts: tuple[Alert, ...]) -> Iterator[str]:
    """A line for each of the worst alerts; a batch must not push what people say off the screen."""
    for alert in sorted(alerts, key=lambda alert: alert.severity, reverse=True)[:_LISTED_ALERTS]:
        flow = f"{_end(alert.source_address, alert.source_port)} -> "
        flow += _end(alert.destination_address, alert.destination_port)
        protocol = f" {single(alert.protocol)}" if alert.protocol else ""
        signature = f" [{single(alert.signature_id)}]" if alert.signature_id else ""
        said = f"{flow}{protocol}  {single(alert.title)}{signature}"
        yield f"{terms.severity(alert.severity):<{_SEVERITY_WIDTH}}  {clock(alert.observed_at_ms)}  {said}"
    if len(alerts) > _LISTED_ALERTS:
        yield _("and %(count)s more; --json shows all of them", count=len(alerts) - _LISTED_ALERTS)


def _end(address: str | None, port: int | None) -> str:
    """One end of a flow as people write it; the address of version 6 in brackets before a port (RFC 5952)."""
    host = single(address) if address else "?"
    if port is None:
        return host
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


# ---- JSON


def party_json(party: Party) -> dict[str, object]:
    """Who somebody is."""
    return {
        "device": party.device.hex(),
        "organisation": party.organisation or None,
        "subject": None if party.subject is None else party.subject.hex(),
        "role": None if party.role is None else party.role.name.lower(),
        "name": party.name,
        "revoked": party.revoked,
    }


def message_json(message: Message, label: Label, pap: Pap | None, *, since: Since = UNCHANGED) -> dict[str, object]:
    """A message; `text`, `alerts` and `title` stand there where it is that, and `said` where a person said it.

    Args:
        message: The message.
        label: The label that counts of it; `sent_label` is the one it was sent with.
        pap: What readers may do with it, in the same way; `sent_pap` is what it was sent with.
        since: What its author has made of it.
    """
    value: dict[str, object] = {
        "id": message.id.hex(),
        "envelope": message.id.hex(),
        "room": message.room.hex(),
        "room_seq": message.room_seq,
        "log_index": message.row.index,
        "kind": message.kind.name.lower(),
        "type": message.type,
        "drill": message.drill,
        "sender": party_json(message.sender),
        "label": label.text,
        "sent_label": message.label.text,
        "pap": None if pap is None else pap.text,
        "sent_pap": None if message.pap is None else message.pap.text,
        "precedence": message.precedence.name.lower(),
        "state": str(message.state),
        "cause": None if message.cause is None else str(message.cause),
        "code": message.code or None,
        "explanation": message.explanation or None,
        "mending": None if message.mending is None else str(message.mending),
        "repaired_by": None if message.repaired_by is None else party_json(message.repaired_by),
        "granted_by": None if message.granted_by is None else party_json(message.granted_by),
        "written_at": iso(message.written_at_ms),
        "sent_at": iso(message.sent_at_ms),
        "accepted_at": iso(message.accepted_at_ms),
        "withdrawn": withdrawal_json(since.withdrawn),
        "corrected": None if since.corrected is None else _entry_json(since.corrected),
        "header": plain(message.specific),
    }
    match message.body:
        case body if isinstance(body, Said):
            value["said"] = said_json(body)
            if isinstance(body, TextBody):
                value["text"] = body.text
        case AlertBatch(source=source, alerts=alerts):
            value["source"] = source
            value["alerts"] = [alert_json(alert) for alert in alerts]
        case RoomInfo(title=title):
            value["title"] = title
            if (retitled := message.row.retitled) is not None:
                value |= {"title_before": retitled.before, "title_holds": retitled.holds}
        case _:
            pass
    return value


def withdrawal_json(withdrawal: Message | None) -> dict[str, object] | None:
    """When and why something was withdrawn, and by which entry; None where it was not."""
    if withdrawal is None:
        return None
    return _entry_json(withdrawal) | {
        "reason": withdrawal.body.reason if isinstance(withdrawal.body, Withdrawal) else ""
    }


def _entry_json(message: Message) -> dict[str, object]:
    return {"envelope": message.id.hex(), "at": iso(message.sent_at_ms)}


def alert_json(alert: Alert) -> dict[str, object]:
    """One alert; `original` is the source's own record as text, None where it was too large to travel.

    One that is not UTF-8 stands under `original_base64` alone: altered, it would not have its hash.
    """
    try:
        original, encoded = alert.original.decode(), None
    except UnicodeDecodeError:
        original, encoded = "", b64encode(alert.original).decode()
    return {
        "source": alert.source,
        "dedupe_id": alert.dedupe_id,
        "observed_at": iso(alert.observed_at_ms),
        "severity": alert.severity.name.lower(),
        "title": alert.title,
        "category": alert.category,
        "signature_id": alert.signature_id,
        "source_address": alert.source_address,
        "source_port": alert.source_port,
        "destination_address": alert.destination_address,
        "destination_port": alert.destination_port,
        "protocol": alert.protocol,
        "original": original or None,
        "original_base64": encoded,
        "original_sha256": alert.original_hash.hex(),
    }


def room_json(room: Room) -> dict[str, object]:
    """A room, without its members."""
    created = room.created
    return {
        "room": room.id.hex(),
        "title": room.row.title or None,
        "status": room.status,
        "drill": room.is_drill,
        "ceiling": room.ceiling.text,
        "owner": None if created is None else created.owner,
        "agreement": None if created is None else created.agreement,
        "epoch": room.epoch,
        "room_seq": room.row.head_seq,
        "unreadable": unreadable_json(room),
        "successor": None if room.row.successor is None else room.row.successor.hex(),
        "continues": None if created is None or created.successor_of is None else created.successor_of.hex(),
    }


def unreadable_json(room: Room) -> dict[str, int]:
    """How many messages of a room cannot be read, by cause."""
    return {str(cause): count for cause, count in room.unreadable().items()}


def alarm_json(alarm: Alarm) -> dict[str, object]:
    """An alarm; its evidence in hex."""
    return {
        "at": iso(alarm.at_ms),
        "code": alarm.code,
        "room": None if alarm.room is None else alarm.room.hex(),
        "detail": alarm.detail,
        "evidence": alarm.evidence.hex() or None,
    }


def standing_json(standing: Standing) -> dict[str, object]:
    """How the log stands."""
    row = standing.witnessed
    return {
        "size": None if standing.log is None else standing.log.size,
        "cosigned": None if row is None or not row.size else row.size,
        "cosignatures": [] if row is None else [{"name": n, "time": iso(at * 1_000)} for n, at in row.cosignatures],
        "witnesses": 0 if row is None else row.witnesses,
        "quorum": standing.quorum,
        "state": None if row is None else str(row.state),
        "conflicts": standing.conflicts,
    }
