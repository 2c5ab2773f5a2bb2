"""Why something that was asked for is held, waits or was refused, in the language that is spoken."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

import msgspec

from amanah_client import reasons
from amanah_client.language import ENGLISH, ngettext, pgettext, spoken
from amanah_client.language import gettext as _
from amanah_client.language.errors import why as meaning
from amanah_client.model import Intent, IntentState
from amanah_client.reasons import Reason
from amanah_client.view import words


class Why(msgspec.Struct, frozen=True, kw_only=True):
    """It as a clause, to stand in a sentence.

    Attributes:
        text: In the language that is spoken; "" for no reason.
        english: What stands behind it in English, as nobody knows it in another language; "" for nothing.
    """

    text: str
    english: str = ""

    @property
    def whole(self) -> str:
        """Both, for a face that has one line for them."""
        return f"{self.text} ({self.english})" if self.english else self.text


def why(intent: Intent) -> Why:
    """Why an intent stands where it does."""
    if intent.reasons and all(one.why in _SAID for one in intent.reasons):
        told = (_SAID[one.why](one) for one in intent.reasons)
        return Why(text=pgettext("between", "; ").join(told))
    detail = words.value(intent.detail.rstrip(".")) if intent.detail else ""
    if spoken().code == ENGLISH.code or not detail:
        return Why(text=detail or words.value(intent.code))
    if intent.state is IntentState.HELD:
        # As an earlier version kept it: who joined stands in its English sentence alone.
        return Why(text=_("others joined since this was written"), english=detail)
    return Why(text=meaning(intent.code) or words.value(intent.code), english=detail)


def _whose(one: Reason) -> str:
    if one.device:
        return _("device %(digits)s", digits=words.value(one.device))
    return words.listed(one.organisations) if one.organisations else _("this person")


def _device(one: Reason) -> dict[str, str]:
    return {"nation": words.listed(one.organisations), "digits": words.value(one.device)}


def _never_connected(one: Reason) -> str:
    if one.device:
        named = words.value(one.device)
        return _(
            "device %(digits)s has not connected yet: a device connects once before it can be invited", digits=named
        )
    return _(
        "no device of %(whom)s has connected yet: a device connects once before it can be invited", whom=_whose(one)
    )


_SAID: Final[Mapping[str, Callable[[Reason], str]]] = {
    reasons.JOINED: lambda one: _(
        "joined since this was written: %(nations)s", nations=words.listed(one.organisations)
    ),
    reasons.NOT_IN_ROSTER: lambda one: _("%(whom)s is not in the community's roster", whom=_whose(one)),
    reasons.NEVER_CONNECTED: _never_connected,
    reasons.ONLY_AUDITORS: lambda one: _(
        "%(whom)s: all that is known is an auditor's, and auditors are in no room", whom=_whose(one)
    ),
    reasons.NOT_IN_FORCE: lambda one: _("%(whom)s: no certificate of an officer or bot is in force", whom=_whose(one)),
    reasons.NO_PACKAGE: lambda one: _("%(nation)s device %(digits)s: no key package left", **_device(one)),
    reasons.BAD_PACKAGE: lambda one: _(
        "%(nation)s device %(digits)s: its key package does not hold (%(code)s)",
        code=words.value(one.named),
        **_device(one),
    ),
    reasons.OTHER_SUITE: lambda one: _(
        "%(nation)s device %(digits)s: it does not support the room's suite %(suite)s",
        suite=words.value(one.named),
        **_device(one),
    ),
    reasons.MORE: lambda one: ngettext("and %(count)s further device", "and %(count)s further devices", int(one.named)),
}
"""What each of them is in a sentence; one of a newer version is none of these."""
