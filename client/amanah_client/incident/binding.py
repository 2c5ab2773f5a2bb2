"""What binds a nation counts from its officers alone: a bot tells, and asks for tasks, and answers for nobody.

A program that was taken over, or that answers whatever is asked, would else vote, sign and close for a nation whose
people have not looked at it.
"""

from __future__ import annotations

from typing import Final

from amanah_client.actions import Acknowledge, Action
from amanah_client.saying import Decide, Say
from amanah_protocol import kinds
from amanah_protocol.content.bodies import Body, Said
from amanah_protocol.content.file import File
from amanah_protocol.content.forwarded import Forwarded
from amanah_protocol.content.incident import Incident
from amanah_protocol.content.reaction import Reaction
from amanah_protocol.content.revision import Correction, Withdrawal
from amanah_protocol.content.task import Task
from amanah_protocol.content.text import Text
from amanah_protocol.identity import Role

_ANYBODYS: Final = Text | Reaction | Correction | Withdrawal | File | Forwarded | Task
"""What machines have a use for, too; whatever people will say besides is an officer's until somebody adds it here."""


def is_binding(specific: kinds.Specific, body: Body | None) -> bool:
    """Whether an entry counts from officers alone.

    Args:
        specific: What its header says for all to see.
        body: What was sealed; None for header-only kinds and what cannot be read.
    """
    match body:
        case None:
            return isinstance(specific, kinds.Ack | kinds.Decision)
        case Incident(status=status):
            return status is not None  # the rest of it are facts, which machines know too
        case _:
            return isinstance(body, Said) and not isinstance(body, _ANYBODYS)


def may_ask(role: Role, action: Action) -> bool:
    """Whether a device of this role may ask for an action, as far as it binds its nation.

    Raises:
        DecodeError: What was to be said was laid down by another version of this program.
    """
    if role is Role.OFFICER:
        return True
    match action:
        case Acknowledge() | Decide():
            return False
        case Say():
            return not is_binding(kinds.Message(), action.body)
        case _:  # what else bots may not do, the policy of rooms refuses by its kind
            return True
