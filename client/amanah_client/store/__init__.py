"""The client's local store: SQLCipher, one transaction per step of the core."""

from amanah_client.store.store import LocalStore

__all__ = ["LocalStore"]
