"""What opening a room by a template comes to: actions, in the order in which they go out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from amanah_client import actions
from amanah_client.language import gettext as _
from amanah_client.language import pgettext
from amanah_client.saying import saying
from amanah_client.templates.template import OWN, Template, span_ms
from amanah_protocol.content.alert import Severity
from amanah_protocol.content.bodies import Said
from amanah_protocol.content.clock import Clock, Nature
from amanah_protocol.content.incident import Incident, Status
from amanah_protocol.content.task import Task
from amanah_protocol.content.text import Called, Mention, Text
from amanah_protocol.errors import Code, UsageError
from amanah_protocol.labels import Label
from amanah_protocol.types import OrgName, RoomId

MAX_NATIONS: Final = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Filled:
    """A template with everything that it leaves open.

    Attributes:
        template: The template.
        title: What the room and the incident are called.
        own: The own organisation.
        cast: Which nations have which role.
        invited: Nations without a role.
        label: The label of what is said first.
        opened_at_ms: From when its times count.
    """

    template: Template
    title: str
    own: OrgName
    cast: Mapping[str, tuple[OrgName, ...]]
    invited: tuple[OrgName, ...]
    label: Label
    opened_at_ms: int

    @property
    def nations(self) -> tuple[OrgName, ...]:
        """Who is invited."""
        named = (*(nation for nations in self.cast.values() for nation in nations), *self.invited)
        return tuple(sorted(set(named) - {self.own}))

    def of(self, role: str) -> tuple[OrgName, ...]:
        """Whose a role's tasks are; the own organisation's where nobody has it."""
        return self.cast.get(role) or (self.own,)

    @property
    def uncast(self) -> tuple[str, ...]:
        """Roles with tasks that nobody has, so that the own organisation gets them."""
        asked = {step.role for step in self.template.task if step.role != OWN}
        return tuple(sorted(role for role in asked if not self.cast.get(role)))


def cast_roles(
    template: Template, given: Iterable[tuple[str, OrgName]], own: OrgName
) -> dict[str, tuple[OrgName, ...]]:
    """Which nations have which role: those that the template names, and those that are given.

    Raises:
        UsageError: `NOT_FOUND` for a role that the template does not have.
    """
    cast = {role.name: [OrgName(nation) for nation in role.nations] for role in template.role}
    cast.setdefault(OWN, []).append(own)
    for role, nation in given:
        if role not in cast:
            hint = f"Its roles are {', '.join(template.roles)}."
            raise UsageError(Code.NOT_FOUND, f"the template {template.name} has no role {role!r}", hint=hint)
        cast[role].append(nation)
    return {role: tuple(sorted(set(nations))) for role, nations in cast.items()}


def planned(filled: Filled, room: RoomId, draw: Callable[[int], bytes]) -> tuple[actions.Action, ...]:
    """What goes into the room behind its creation: who is invited first, so that all of them read all of it.

    Args:
        filled: What is to be opened.
        room: The room.
        draw: Makes random ids.

    Raises:
        UsageError: `TOO_LARGE` for more nations than a room's decisions can name.
    """
    if len(filled.nations) > MAX_NATIONS:
        raise UsageError(Code.TOO_LARGE, f"{len(filled.nations)} nations where {MAX_NATIONS} can be invited at once")
    invites = (actions.Invite(room=room, organisation=nation) for nation in filled.nations)
    said = (saying(room, body, label=filled.label) for body in _bodies(filled, draw))
    return (*invites, *said)


def _roles(filled: Filled) -> Text:
    """Who is in the room for what, in the language of whoever opens it; each nation is called, as by any text."""
    about = {role.name: _(role.about) for role in filled.template.role}
    lines = [_("Who is here for what:")]
    for role in filled.template.roles:
        nations = filled.cast.get(role, ())
        named = pgettext("between", ", ").join(f"@{nation}" for nation in nations)
        line = f"- {role}" + pgettext("between", ": ") + (named or _("nobody yet"))
        if role in filled.uncast:
            line += pgettext("between", ", ") + _("its tasks are for %(nation)s", nation="@" + filled.own)
        lines.append(line + (f" ({about[role]})" if role in about else ""))
    called = sorted({nation for nations in filled.cast.values() for nation in nations} - {filled.own})
    mentions = tuple(Mention(called=Called.NATION, organisation=nation) for nation in called)
    return Text(text="\n".join(lines), mentions=mentions)


def _bodies(filled: Filled, draw: Callable[[int], bytes]) -> Iterable[Said]:
    start, at_ms = filled.template.incident, filled.opened_at_ms
    yield Incident(
        title=filled.title,
        severity=None if start.severity is None else Severity[start.severity.upper()],
        status=Status[start.status.upper()],
        type=start.type,
        aware_at_ms=at_ms if start.aware else None,
    )
    if filled.template.role:
        yield _roles(filled)
    for step in filled.template.task:
        until_ms = None if step.within is None else at_ms + span_ms(step.within)
        for nation in filled.of(step.role):
            yield Task(id=draw(16), what=step.what, nation=nation, until_ms=until_ms)
    for timer in filled.template.clock:
        nature = Nature[timer.nature.upper()]
        yield Clock(id=draw(16), nature=nature, what=timer.what, at_ms=at_ms + span_ms(timer.after))
