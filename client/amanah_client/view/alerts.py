"""Alerts of machines as one card: folded by what they say, and the sum of all that was sent."""

from __future__ import annotations

from typing import Final

from amanah_client.language import gettext as _
from amanah_client.language import ngettext, number
from amanah_client.view import words
from amanah_client.view.entries import AlertCard, AlertGroup
from amanah_client.view.indicators import defanged
from amanah_client.visible import shown
from amanah_protocol.content.alert import Alert
from amanah_protocol.content.bodies import AlertBatch
from amanah_protocol.kinds import Counts

_FLOWS: Final = 4


def alert_card(batch: AlertBatch, counts: Counts | None) -> AlertCard:
    """A batch.

    Args:
        batch: The alerts.
        counts: What their machine counted behind it, since it counted last.
    """
    grouped: dict[tuple[int, str], list[Alert]] = {}
    for alert in batch.alerts:
        grouped.setdefault((-int(alert.severity), alert.title), []).append(alert)
    groups = tuple(_group(grouped[key]) for key in sorted(grouped))
    alerts = ngettext("%(count)s alert", "%(count)s alerts", len(batch.alerts))
    folded = ngettext("in %(count)s group", "in %(count)s groups", len(groups))
    source = words.value(batch.source)
    return AlertCard(
        title=_("%(source)s: %(alerts)s %(groups)s", source=source, alerts=alerts, groups=folded),
        severity=groups[0].severity,
        groups=groups,
        sum="" if counts is None else sum_words(counts),
        adds_up=counts is None or not counts.dropped,
    )


def sum_words(counts: Counts) -> str:
    """The numbers, which add up in public."""
    return _(
        "sent %(sent)s = shown %(shown)s + merged %(merged)s + dropped %(dropped)s",
        sent=number(counts.accepted + counts.merged + counts.dropped),
        shown=number(counts.accepted),
        merged=number(counts.merged),
        dropped=number(counts.dropped),
    )


def _group(alerts: list[Alert]) -> AlertGroup:
    flows = dict.fromkeys(_flow(alert) for alert in alerts)
    return AlertGroup(
        severity=alerts[0].severity.name.lower(),
        severity_words=words.severity(alerts[0].severity),
        title=shown(alerts[0].title),
        count=len(alerts),
        flows=tuple(flow for flow in flows if flow)[:_FLOWS],
    )


def _flow(alert: Alert) -> str:
    ends = (
        _end(alert.source_address, alert.source_port),
        _end(alert.destination_address, alert.destination_port),
    )
    return "" if ends == ("", "") else f"{ends[0] or '?'} \u2192 {ends[1] or '?'}"


def _end(address: str | None, port: int | None) -> str:
    """One end of a flow as people write it; the address of version 6 in brackets before a port (RFC 5952)."""
    if not address:
        return ""
    host = defanged(shown(address))
    if port is None:
        return host
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
