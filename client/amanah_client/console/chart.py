"""Geometry of plots: where numbers stand in a drawing. Templates draw, and a table beside has the numbers."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """A stretch of numbers on a stretch of a drawing.

    Attributes:
        low: The number at `begin`.
        high: The number at `end`.
        begin: Where the drawing begins.
        end: Where it ends.
    """

    low: float
    high: float
    begin: float
    end: float

    def at(self, value: float) -> float:
        """Where a number stands."""
        if self.high <= self.low:
            return self.begin
        share = (min(max(value, self.low), self.high) - self.low) / (self.high - self.low)
        return round(self.begin + share * (self.end - self.begin), 2)

    def length(self, value: float, *, least: float = 0) -> float:
        """How long a number is, from `low` on; what is not nothing is seen."""
        found = abs(self.at(value) - self.begin)
        return round(max(found, least), 2) if value > self.low else 0

    @staticmethod
    def log(value: float) -> float:
        """A number for a logarithmic scale; 1 and below are its beginning."""
        return math.log10(max(value, 1))
