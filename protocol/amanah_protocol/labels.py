"""Labels of sharing and action: TLP 2.0, PAP, and the precedence of a message.

TLP texts are exactly those of FIRST's Traffic Light Protocol 2.0 and are never translated.
"""

from __future__ import annotations

from enum import IntEnum

from amanah_protocol.errors import Code, UsageError


class Label(IntEnum):
    """TLP 2.0, in ascending strictness; the number is the wire form."""

    CLEAR = 0
    GREEN = 1
    AMBER = 2
    AMBER_STRICT = 3
    RED = 4

    @property
    def text(self) -> str:
        """The label as FIRST writes it, for example `TLP:AMBER+STRICT`."""
        return "TLP:" + self.name.replace("_", "+")

    @classmethod
    def parse(cls, text: str) -> Label:
        """Read what a person types: `TLP:AMBER`, `amber`, `amber+strict`; `white` means CLEAR.

        Raises:
            UsageError: `LABEL` when it is none of the five.
        """
        name = text.strip().upper().removeprefix("TLP:").replace("+", "_")
        if name == "WHITE":
            return cls.CLEAR
        try:
            return cls[name]
        except KeyError:
            known = ", ".join(label.text for label in cls)
            # The code's own hint is about ceilings, and this is none.
            hint = f"Write one of {known}."
            raise UsageError(Code.LABEL, f"{text!r} is not a TLP label", hint=hint) from None

    @classmethod
    def strictest(cls, number: int) -> Label:
        """The label of a wire number; one that is not known counts as the strictest."""
        return cls(number) if 0 <= number <= cls.RED else cls.RED


class Pap(IntEnum):
    """Permissible Actions Protocol: what a receiver may *do* with it."""

    CLEAR = 0
    GREEN = 1
    AMBER = 2
    RED = 3

    @property
    def text(self) -> str:
        """The label as it is written, for example `PAP:AMBER`."""
        return "PAP:" + self.name


class Precedence(IntEnum):
    """Orders admission and the choice between rooms; never the order inside a room."""

    ROUTINE = 0
    PRIORITY = 1
    IMMEDIATE = 2
    FLASH = 3
