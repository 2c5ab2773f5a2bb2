"""The pure relay core: inputs in, effects out."""

from amanah_relay.core.relay import RelayCore

__all__ = ["RelayCore"]
