"""Amanah's client: SDK, keystore, local store, command line and alert intake.

`Client` is where an integrator begins. It is loaded when it is asked for, so that a command which
needs no network does not wait for what the network needs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from amanah_client.message import Message
    from amanah_client.room import Room
    from amanah_client.sdk import Client

__all__ = ["Client", "Message", "Room"]

_MODULES = {"Client": "sdk", "Message": "message", "Room": "room"}


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module  # noqa: PLC0415 - needed here alone

    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
