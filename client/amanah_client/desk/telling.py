"""What is wrong, and what to do, as the page tells it."""

from __future__ import annotations

from amanah_client.language.errors import happened, speaks
from amanah_client.visible import sentence
from amanah_protocol.errors import AmanahError


def told(error: AmanahError) -> str:
    """In English as it was met, in other languages as the error's code says it."""
    if not speaks(error):
        return happened(error.code)
    return f"{sentence(error.detail).rstrip('.')}. {sentence(error.hint)}"
