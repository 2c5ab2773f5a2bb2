"""Every way on which a content reaches somebody, and the one rule that says whether its label lets it.

Who sends asks it before it sends, and who receives asks it again: a label binds because no honest client passes what
it forbids, and none shows what another passed all the same. What a label allows:

* `TLP:RED`: its author alone gives it on, to people of the room that it was written in. It is quoted into no other
  room, as no reader there could judge who was in the first; its author says it there anew. It never goes outside.
* `TLP:AMBER+STRICT`: it stays inside its author's organisation, also by whoever passes it on; who read it may report
  it inside his own. An organisation tells its own authority what it said itself, and nothing of others.
* `TLP:AMBER`: its author's organisation passes it on; others do in their own, and to organisations that are in the
  room that it was written in.
* `TLP:GREEN` and `TLP:CLEAR`: any member passes them on. What programs tell without a person goes up to `TLP:GREEN`.

What its author lets receivers *do* with a content (PAP) goes along: in other words, or in another room, it is never
laxer. Whether people keep to it no program can tell; none of ours looks up, opens or fetches what a content names.

Saving a content on the device that read it is no way out, and is not asked.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final, NoReturn, TypeAlias, assert_never

from amanah_protocol.errors import Code, RefusedError
from amanah_protocol.labels import Label, Pap
from amanah_protocol.types import OrgName, PersonId


class Way(Enum):
    """How a content reaches somebody."""

    SEND = "send"
    """It is said in a room for the first time."""
    ALERT = "alert"
    """A machine posts it."""
    QUOTE = "quote"
    """It is answered or corrected in its own room."""
    FORWARD = "forward"
    """It is quoted into another room."""
    GRANT = "grant"
    """It is given to members who came later."""
    DISCLOSE = "disclose"
    """It is proven to somebody outside."""
    EXPORT = "export"
    """It leaves in a file with what else a room holds."""
    REPORT = "report"
    """It is quoted in a report."""
    NOTICE = "notice"
    """It is told to the authority that whoever tells it has to notify."""
    NOTIFY = "notify"
    """A program tells it to a pager, a hook or a screen outside, without a person."""


LEAVING: Final = frozenset({Way.FORWARD, Way.GRANT})
"""Ways into a room by which others read it than those for whom it was written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Somebody:
    """A person by organisation and pseudonym, on whichever device; None for one who is not named."""

    organisation: OrgName
    person: PersonId | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Matter:
    """What is on its way.

    Attributes:
        label: The label that counts now, after what changed it.
        source: Its author. Of what was forwarded the author there, whose person no forwarder can vouch for.
        circle: Who is in the room that it stands in; of what was forwarded, only of its author's and its forwarder's
            organisations, as others were let in by neither. None for who is not in and cannot know.
        pap: What receivers may do with it; CLEAR for what is said for the first time.
    """

    label: Label
    source: Somebody
    circle: frozenset[Somebody] | None
    pap: Pap = Pap.CLEAR


@dataclass(frozen=True, slots=True, kw_only=True)
class Inside:
    """It goes into a room, sealed.

    Attributes:
        label: The label that it gets there.
        ceiling: The highest that is allowed in the room.
        clearance: The lowest ceiling among the certificates of all devices that send or receive it.
        people: Who reads it there and might not have read it before.
        pap: What they may do with it; RED for what goes on sealed as it was.
    """

    label: Label
    ceiling: Label
    clearance: Label
    people: frozenset[Somebody]
    pap: Pap = Pap.RED


@dataclass(frozen=True, slots=True, kw_only=True)
class Outside:
    """It goes to where no label is enforced; to an organisation, or (None) to somebody whom nobody certified."""

    organisation: OrgName | None = None


Goal: TypeAlias = Inside | Outside


def check_way(way: Way, matter: Matter, *, by: Somebody, to: Goal) -> None:
    """The label of a content lets it take a way.

    Args:
        way: The way.
        matter: The content.
        by: Who passes it on.
        to: Where it goes.

    Raises:
        RefusedError: `LABEL`, with a hint that names the rule.
    """
    match to:
        case Inside():
            check_ceiling(to.label, to.ceiling, "the room's")
            check_ceiling(to.label, to.clearance, "a device's")
            if to.label < matter.label:
                detail = f"what is {matter.label.text} would go on as {to.label.text}"
                _refuse(detail, "It goes on under its own label or a stricter one; its author can lower it.")
            if to.pap < matter.pap:
                detail = f"what is {matter.pap.text} would go on as {to.pap.text}"
                _refuse(
                    detail, "Send it under the same PAP or a stricter one; its author can say it anew under a laxer."
                )
            if way in LEAVING:
                _check_readers(way, matter, by, to.people)
        case Outside():
            _check_outside(way, matter, by, to)
        case _:
            assert_never(to)


def check_ceiling(label: Label, ceiling: Label, whose: str) -> None:
    """A label is within a ceiling.

    Raises:
        RefusedError: `LABEL`.
    """
    if label > ceiling:
        hint = f"Choose a room and members that {label.text} may reach, or ask its author for a lower label."
        _refuse(f"{label.text} is above {whose} ceiling {ceiling.text}", hint)


def _check_readers(way: Way, matter: Matter, by: Somebody, people: frozenset[Somebody]) -> None:
    home = matter.source.organisation
    if matter.label is Label.RED:
        if way is Way.FORWARD:
            _refuse_red("it is quoted into no other room")
        if by.person is None or by != matter.source:
            _refuse_red("only its author passes it on")
        if matter.circle is None or not people <= matter.circle:
            _refuse_red("it reaches nobody who is not in the room that it was written in")
    elif matter.label is Label.AMBER_STRICT:
        if by.organisation != home or any(one.organisation != home for one in people):
            _refuse_strict(home)
    elif matter.label is Label.AMBER and by.organisation != home and matter.circle is not None:
        known = {by.organisation} | {one.organisation for one in matter.circle}
        strangers = sorted({one.organisation for one in people} - known)
        if strangers:
            detail = f"{matter.label.text} of {home} would reach {', '.join(strangers)}"
            _refuse(detail, "Organisations outside of the room are told by its author's; ask it, or for a lower label.")


def _check_outside(way: Way, matter: Matter, by: Somebody, to: Outside) -> None:
    home = matter.source.organisation
    if matter.label is Label.RED:
        _refuse_red("it does not leave its room")
    if matter.label is Label.AMBER_STRICT:
        # Who read it may report it to his own, as TLP 2.0 has it.
        stays = by.organisation == to.organisation and (way is Way.REPORT or by.organisation == home)
        # A source decides about its own words; the authority is bound by the label that the notice carries.
        owed = way is Way.NOTICE and by.organisation == home
        if not (stays or owed):
            _refuse_strict(home)
    if way is Way.NOTIFY and matter.label > Label.GREEN:
        detail = f"{matter.label.text} is not told by a program outside of its room"
        _refuse(detail, "Tell that there is something, and not what; whoever is told reads it in the room.")


def _refuse_red(rule: str) -> NoReturn:
    hint = "Ask its author, who can lower the label, which is recorded, or say it anew to whom it is for."
    _refuse(f"{Label.RED.text}: {rule}", hint)


def _refuse_strict(home: OrgName) -> NoReturn:
    detail = f"{Label.AMBER_STRICT.text} of {home} does not leave {home}"
    hint = f"Ask its author, or another officer of {home}: they can lower the label, which is recorded."
    _refuse(detail, hint)


def _refuse(detail: str, hint: str) -> NoReturn:
    raise RefusedError(Code.LABEL, detail, hint=hint)


# ---- changes of a label


def check_relabel(*, old: Label, new: Label, now: Label, sent: Label, source: Somebody, by: Somebody) -> None:
    """A change of a label has an effect: everybody raises one, and who wrote the content lowers it.

    Args:
        old: The label that it is changed from, as its sender saw it.
        new: The label that it gets.
        now: The label that counts before.
        sent: The label that it was sent with.
        source: Its author, as in `Matter`.
        by: An officer who changes it.

    Raises:
        RefusedError: `LABEL` where it would lower another label than its sender saw; `ROLE` where it is not his to
            lower: the author's, or another officer's of the author's organisation unless it was sent as `TLP:RED`.
    """
    if new >= now:  # also where somebody else has raised it meanwhile: a race never keeps a label low
        return
    if old is not now:
        hint = "Look at it again: its label was changed meanwhile."
        raise RefusedError(Code.LABEL, f"it is {now.text} now, and not {old.text}", hint=hint)
    author = by.person is not None and by == source
    if not author and (by.organisation != source.organisation or sent is Label.RED):
        whom = "its author" if sent is Label.RED else f"its author or an officer of {source.organisation}"
        detail = f"{now.text} is lowered by {whom} alone"
        raise RefusedError(Code.ROLE, detail, hint="Ask for it; raising a label is everybody's.")
