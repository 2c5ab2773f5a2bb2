"""What is wrong, and what to do, as the page tells it."""

from __future__ import annotations

from amanah_client.language import ENGLISH, spoken
from amanah_client.language.errors import happened
from amanah_client.visible import shown
from amanah_protocol.errors import AmanahError


def told(error: AmanahError) -> str:
    """In English as it was met, in other languages as the error's code says it."""
    if spoken().code != ENGLISH.code:
        return happened(error.code)
    return f"{shown(error.detail).rstrip('.')}. {shown(error.hint)}"
