"""How the log of this profile stands, in words: how far it is verified, who has cosigned it, what speaks against it."""

from __future__ import annotations

from dataclasses import dataclass

from amanah_client.language import N_, isolate, ngettext
from amanah_client.language import gettext as _
from amanah_client.log_rows import LogView, Quorum, WitnessedRow
from amanah_client.moments import clock
from amanah_client.store import LocalStore
from amanah_protocol.roster import decode_roster

EVIDENCE_HINT = N_("`amanah audit evidence FILE` writes it down; tell the other nations over another channel")


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What is stored of the log.

    Attributes:
        log: The newest checkpoint that continues all before it, or None.
        witnessed: The newest that the quorum has cosigned, or None before that was looked at.
        quorum: How many witnesses the roster asks for; 0 for none.
        conflicts: How many contradictions of the log are kept.
    """

    log: LogView | None
    witnessed: WitnessedRow | None
    quorum: int
    conflicts: int

    @property
    def verified(self) -> str:
        """How far the log is verified, and by whom cosigned."""
        if self.log is None:
            return _("no checkpoint of the log was seen yet")
        if not self.quorum:
            return _("log verified to %(size)s; the roster asks for no witnesses", size=self.log.size)
        if self.witnessed is None or not self.witnessed.size:
            return _("log verified to %(size)s, not cosigned by the witnesses yet", size=self.log.size)
        grown = self.log.size - self.witnessed.size
        if grown <= 0:
            return cosigned_words(self.witnessed)
        return cosigned_words(self.witnessed) + ngettext(
            "; %(count)s leaf more is not cosigned yet",
            "; %(count)s leaves more are not cosigned yet",
            grown,
            count=grown,
        )

    @property
    def missed(self) -> str:
        """What is to be said of witnesses that are missed; "" when none are."""
        match None if self.witnessed is None or not self.quorum else self.witnessed.state:
            case Quorum.LATE:
                return _("the witnesses are late: what the log has grown by is not cosigned in time")
            case Quorum.MISSING:
                return _("no checkpoint of the log has the cosignatures of the roster's quorum of witnesses")
            case _:
                return ""

    @property
    def evidence(self) -> str:
        """That evidence against the log is kept; "" for none."""
        if not self.conflicts:
            return ""
        return ngettext(
            "one contradiction of the log kept as evidence",
            "%(count)s contradictions of the log kept as evidence",
            self.conflicts,
            count=self.conflicts,
        )

    @property
    def lines(self) -> tuple[str, ...]:
        """All that there is to be said."""
        evidence = f"{self.evidence}: {_(EVIDENCE_HINT)}" if self.evidence else ""
        return tuple(words for words in (self.verified, self.missed, evidence) if words)


def standing_of(store: LocalStore) -> Standing:
    """The standing as it is stored."""
    roster = store.value("roster")
    return Standing(
        log=store.log(),
        witnessed=store.witnessed(),
        quorum=0 if roster is None else decode_roster(roster).quorum,
        conflicts=len(store.conflicts()),
    )


def cosigned_words(row: WitnessedRow) -> str:
    """Up to where, by how many, and when the last of them did."""
    at = clock(1000 * max(time_s for _, time_s in row.cosignatures))
    return _(
        "log verified to %(size)s, cosigned by %(count)s of %(all)s witnesses at %(time)s",
        size=row.size,
        count=len(row.cosignatures),
        all=row.witnesses,
        time=isolate(at),
    )
