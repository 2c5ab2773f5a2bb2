"""AWS mls-rs 0.55 (agentvault-mls-rs-uniffi 0.1.1 from the Python index) as members: suite 0x0001.

What it cannot do through the interface that the wheel offers, and the histories do not ask of it:

* Update proposals, other extensions of the context, external commits and group infos: there are no calls. It takes
  such proposals and commits from others.
* Pre-shared keys: it has no store for those from outside and no call to propose any. It takes resumption keys of
  epochs that it was in, as its state holds them.
* Adds and removes by value in one commit; a path where the proposals do not ask for it.
* Sealed handshakes: it takes them and sends public ones.
* Authenticated data: it neither sends nor shows any, so others send none to it.
* Proposals from outside: the wheel panics at them ("not yet implemented").
* Extensions in its leaf's capabilities.
* The epoch authenticator: the exporter stands for it.
* A choice where the tree stands, for each welcome: it is a client's setting, made by chance when it is made up.
* Forgetting a commit before another one comes.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from amanah_protocol.mls.framing import encode_message
from amanah_protocol.mls.proposals import Add, Proposal, Remove
from amanah_protocol.mls.ratchet_tree import decode_ratchet_tree
from tests.oracles.member import CONTEXT, EXPORTED_BYTES, LABEL, Ability, Committed, Framing, Outcome, View


def load(folder: Path) -> Any:  # noqa: ANN401 - the wheel ships no types
    """Import the wheel from a folder of its own: it is in no environment."""
    sys.path.append(str(folder))
    try:
        return importlib.import_module("mls_rs_uniffi")
    finally:
        sys.path.remove(str(folder))


def memory_of(rs: Any) -> Any:  # noqa: ANN401 - the wheel ships no types
    """A store for group states in memory."""

    class Memory(rs.GroupStateStorage):  # type: ignore[misc]  # the wheel ships no types
        def __init__(self) -> None:
            self._states: dict[bytes, bytes] = {}
            self._epochs: dict[bytes, dict[int, bytes]] = {}

        def state(self, group_id: bytes) -> bytes | None:
            return self._states.get(group_id)

        def epoch(self, group_id: bytes, epoch_id: int) -> bytes | None:
            return self._epochs.get(group_id, {}).get(epoch_id)

        def write(
            self, group_id: bytes, group_state: bytes, epoch_inserts: list[Any], epoch_updates: list[Any]
        ) -> None:
            self._states[group_id] = group_state
            epochs = self._epochs.setdefault(group_id, {})
            epochs.update((record.id, record.data) for record in (*epoch_inserts, *epoch_updates))

        def max_epoch_id(self, group_id: bytes) -> int | None:
            return max(self._epochs.get(group_id, {}), default=None)

    return Memory()


class MlsRs:
    """A member on mls-rs."""

    engine = "mls-rs"
    abilities = Ability.SEND_OPEN | Ability.COMMIT_CONTEXT

    def __init__(
        self,
        rs: Any,  # noqa: ANN401 - the wheel ships no types
        name: bytes,
        *,
        tree_inside: bool,
        stores: bool = True,
    ) -> None:
        """Make up a client that is in no group yet; unless it `stores`, it knows no past epochs."""
        self.name, self._rs, self._stores = name, rs, stores
        keys = rs.generate_signature_keypair(rs.CipherSuite.CURVE25519_AES128)
        self.signature_key: bytes = keys.public_key.bytes
        config = rs.ClientConfig(group_state_storage=memory_of(rs), use_ratchet_tree_extension=tree_inside)
        self._client = rs.Client(name, keys, config)
        self._group: Any = None
        self._own: Any = None

    def _message(self, encoded: bytes) -> Any:  # noqa: ANN401 - the wheel ships no types
        return self._rs.Message.from_bytes(encoded)

    def _identity(self, leaf: int) -> Any:  # noqa: ANN401 - the wheel ships no types
        """The member at a leaf in the engine's words: it has no roster, and names members by client objects alone."""
        found = decode_ratchet_tree(self._group.export_tree().bytes).leaf(leaf)
        assert found is not None
        keys = self._rs.SignatureKeypair(
            cipher_suite=self._rs.CipherSuite.CURVE25519_AES128,
            public_key=self._rs.SignaturePublicKey(bytes=found.signature_key),
            secret_key=self._rs.SignatureSecretKey(bytes=bytes(64)),
        )
        config = self._rs.ClientConfig(group_state_storage=memory_of(self._rs), use_ratchet_tree_extension=True)
        return self._rs.Client(found.credential.value, keys, config).signing_identity()

    def key_package(self) -> bytes:
        encoded: bytes = self._client.generate_key_package_message().to_bytes()
        return encoded

    def create(self, group_id: bytes) -> None:
        self._group = self._client.create_group(group_id)

    def join(self, welcome: bytes, tree: bytes | None) -> None:
        beside = None if tree is None else self._rs.RatchetTree(bytes=tree)
        self._group = self._client.join_group(beside, self._message(welcome)).group

    def propose(self, proposal: Proposal, framing: Framing) -> bytes:
        match proposal:
            case Add(key_package=package):
                (made,) = self._group.propose_add_members([self._message(encode_message(package))])
            case Remove(removed=leaf):
                (made,) = self._group.propose_remove_members([self._identity(leaf)])
            case _:
                raise NotImplementedError
        encoded: bytes = made.to_bytes()
        return encoded

    def propose_update(self, framing: Framing) -> bytes:
        raise NotImplementedError

    def commit(self, proposals: Sequence[Proposal], framing: Framing, *, renew: bool, tree_inside: bool) -> Committed:
        adds = [encode_message(item.key_package) for item in proposals if isinstance(item, Add)]
        removes = [self._identity(item.removed) for item in proposals if isinstance(item, Remove)]
        assert len(adds) + len(removes) == len(proposals)
        if adds:
            return self.commit_adds(adds)
        return self._made(self._group.remove_members(removes) if removes else self._group.commit())

    def commit_adds(self, key_packages: Sequence[bytes]) -> Committed:
        """Commit adds of encoded key packages, and all that was proposed in this epoch."""
        return self._made(self._group.add_members([self._message(encoded) for encoded in key_packages]))

    def _made(self, made: Any) -> Committed:  # noqa: ANN401 - the wheel ships no types
        self._own = made.commit_message
        return Committed(
            message=made.commit_message.to_bytes(),
            welcome=None if made.welcome_message is None else made.welcome_message.to_bytes(),
            tree=None if made.ratchet_tree is None else made.ratchet_tree.bytes,
        )

    def merge(self) -> None:
        self._group.process_incoming_message(self._own)
        self._store()

    def _store(self) -> None:
        if self._stores:
            self._group.write_to_storage()

    def discard(self) -> None:
        """Nothing: the commit that won does it."""

    def take_proposal(self, message: bytes) -> None:
        assert self._group.process_incoming_message(self._message(message)).is_received_proposal()

    def take_commit(self, message: bytes) -> Outcome:
        received = self._group.process_incoming_message(self._message(message))
        assert received.is_commit()
        self._store()
        return Outcome.REMOVED if received.effect.is_removed() else Outcome.ENTERED

    def seal(self, data: bytes, authenticated_data: bytes) -> bytes:
        assert not authenticated_data
        encoded: bytes = self._group.encrypt_application_message(data).to_bytes()
        return encoded

    def open(self, message: bytes) -> tuple[bytes, bytes]:
        return self._group.process_incoming_message(self._message(message)).data, b""

    def view(self) -> View:
        exported = self._group.export_secret(LABEL.encode(), CONTEXT, EXPORTED_BYTES)
        return View(tree=self._group.export_tree().bytes, exported=exported, authenticator=None)

    def group_info(self, *, tree_inside: bool, bare: bool) -> bytes:
        raise NotImplementedError

    def join_by_commit(self, info: bytes, tree: bytes | None, *, again: bool, authenticated_data: bytes) -> bytes:
        raise NotImplementedError

    def propose_self(self, info: bytes) -> bytes:
        raise NotImplementedError

    def close(self) -> None:
        """Nothing is held outside this process."""
