"""Opening a room by a template: what every face asks for, all of it in one step."""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass

from amanah_client import actions, model
from amanah_client.reach import check_reach
from amanah_client.sdk import Client
from amanah_client.templates.plan import Filled, cast_roles, planned
from amanah_client.templates.template import Template
from amanah_protocol.labels import Label
from amanah_protocol.types import OrgName


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A room by a template, as somebody asks for it.

    Attributes:
        template: The template.
        title: What people call the room and the incident.
        cast: Which nation has which role, beside those that the template names.
        invited: Nations without a role.
        label: Another label than the template's.
        agreement: Another agreement than the template's.
        classical: Without post-quantum key agreement.
        drill: It is an exercise.
    """

    template: Template
    title: str
    cast: tuple[tuple[str, OrgName], ...] = ()
    invited: tuple[OrgName, ...] = ()
    label: Label | None = None
    agreement: str | None = None
    classical: bool = False
    drill: bool = False


def fill(client: Client, wanted: Wanted) -> tuple[actions.CreateRoom, Filled]:
    """What is created, and the template with everything that it leaves open, counted from now.

    Raises:
        UsageError: As `Client.new_room` and `cast_roles`.
        RefusedError: `LABEL` where the label may not reach a nation.
    """
    template = wanted.template
    label = template.ceiling if wanted.label is None else wanted.label
    create = client.new_room(
        wanted.title,
        label=label,
        agreement=wanted.agreement or template.agreement,
        classical=wanted.classical,
        drill=wanted.drill,
    )
    own = client.certificate.organisation
    filled = Filled(
        template=template,
        title=create.title,
        own=own,
        cast=cast_roles(template, wanted.cast, own),
        invited=wanted.invited,
        label=label,
        opened_at_ms=time.time_ns() // 1_000_000,
    )
    check_reach(client, label, filled.nations, filled.opened_at_ms)
    return create, filled


async def open_filled(client: Client, create: actions.CreateRoom, filled: Filled) -> tuple[model.Intent, ...]:
    """Keep all of it durably, before anything goes out; the room's own intent first.

    Raises:
        UsageError: As `planned` and `Client.ask_with_room`.
    """
    return await client.ask_with_room(create, lambda room: planned(filled, room, secrets.token_bytes))
