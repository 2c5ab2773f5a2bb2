"""ts-mls 1.6.4 (npm, Node 20) as members: suites 0x0001 and 0x0003, behind `ts_mls.mjs`.

What it cannot do, read in its sources and met here, and how the histories keep clear of it:

* An update proposal of its own: it would not find the new private key again. It takes ours.
* A commit with other extensions of the context: it seals the path under the old ones, and sends no path where section
  17.4 asks for one. It proposes them and takes ours, unless the new list is empty, which it takes for no change.
* A path where the proposals do not ask for it: there is no such option.
* A resumption key older than its four kept epochs, or in the welcome of somebody who joins.
* `external_pub` with its length in front (section 12.4.3.2): it writes and reads the bare key. Its own group infos are
  written right by `ts_mls.mjs`; those that it reads are given to it bare.
* `external_senders` in the context: it reads one where the RFC has a list. No context here has any.
* Joining where two nodes on one path list different unmerged leaves, which is no fault of the tree: see `refuses_tree`.
* Adding at a leaf below others that are unmerged yet: it appends where section 7.1 wants ascending order, and would
  have another tree hash than everybody else; see `disorders`.
* A path where the left half of the tree is empty, so that the root stays blank: it derives the commit secret (section
  7.4) one step further; see `leaves_root_blank`. mls-rs agrees with ours there.
* Seeing that it was removed, where the same commit adds somebody at its leaf.
* Showing authenticated data: `ts_mls.mjs` reads it from the message, which was authenticated with it.
"""

from __future__ import annotations

import itertools
import json
import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final

from amanah_protocol.mls import tree_math
from amanah_protocol.mls.proposals import Proposal, encode_proposal
from amanah_protocol.mls.ratchet_tree import RatchetTree
from tests.oracles.member import (
    CONTEXT,
    EXPORTED_BYTES,
    LABEL,
    SPARE_EXTENSION,
    Ability,
    Committed,
    Framing,
    Outcome,
    Outside,
    View,
)

PROGRAM: Final = Path(__file__).with_name("ts_mls.mjs")
KEPT_EPOCHS: Final = 4


class TsMlsError(Exception):
    """What the engine threw."""


class Node:
    """The process in which all members of this engine live."""

    def __init__(self, folder: Path) -> None:
        """Start it; `folder` holds `node_modules`."""
        self._process = subprocess.Popen(
            ["node", "--no-warnings", str(PROGRAM), str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._numbers = itertools.count()

    def fresh_number(self) -> int:
        """A number for a new member."""
        return next(self._numbers)

    def ask(self, op: str, member: int, **arguments: Any) -> Any:  # noqa: ANN401 - JSON is of any shape
        """One operation.

        Raises:
            TsMlsError: The engine refused.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"op": op, "member": member, **arguments}) + "\n")
        self._process.stdin.flush()
        answer = json.loads(self._process.stdout.readline())
        if "error" in answer:
            raise TsMlsError(answer["error"])
        return answer["ok"]

    def close(self) -> None:
        """End it."""
        self._process.communicate()


def refuses_tree(tree: RatchetTree) -> bool:
    """Whether ts-mls would refuse to join by this tree, though it is valid.

    For each unmerged leaf of a parent it wants every parent above that leaf to list the same unmerged leaves, also
    those above the parent in question and those that were renewed since.
    """
    for _, parent in tree.parents():
        for leaf in parent.unmerged_leaves:
            above = (tree.parent(node) for node in tree_math.direct_path(leaf, tree.leaves))
            if any(other is not None and other.unmerged_leaves != parent.unmerged_leaves for other in above):
                return True
    return False


def disorders(tree: RatchetTree, removed: Iterable[int], updated: Iterable[int], adds: int) -> bool:
    """Whether ts-mls would give some node unmerged leaves out of order, were these changes made to this tree."""
    some = next(leaf for _, leaf in tree.members())
    for index in updated:
        tree = tree.with_update(index, some)
    for index in removed:
        tree = tree.without(index)
    for _ in range(adds):
        before = tree
        tree, index = tree.with_leaf(some)
        above = tree_math.direct_path(index, before.leaves) if index < before.leaves else ()
        parents = [parent for node in above if (parent := before.parent(node)) is not None]
        if any(index < leaf for parent in parents for leaf in parent.unmerged_leaves):
            return True
    return False


def leaves_root_blank(tree: RatchetTree, removed: Iterable[int]) -> bool:
    """Whether a path would not reach the root, were these leaves removed from this tree."""
    for index in removed:
        tree = tree.without(index)
    return tree.leaves > 1 and all(2 * index >= tree.leaves for index, _ in tree.members())


class TsMls:
    """A member on ts-mls."""

    engine = "ts-mls"
    abilities = (
        Ability.SEND_SEALED
        | Ability.SEND_OPEN
        | Ability.MIX
        | Ability.EXTERNAL_PSK
        | Ability.RESUMPTION_PSK
        | Ability.PROPOSE_CONTEXT
        | Ability.SPARE
        | Ability.VOUCH
        | Ability.GROUP_INFO
        | Ability.JOIN_BY_COMMIT
        | Ability.PROPOSE_SELF
        | Ability.TAKE_FROM_OUTSIDE
        | Ability.CHOOSE_TREE
        | Ability.FORGET_COMMIT
    )

    def __init__(self, node: Node, suite: int, name: bytes, outside: Outside) -> None:
        """Make up a client that is in no group yet."""
        self.name, self._node, self._outside = name, node, outside
        self._number = node.fresh_number()
        not_before, not_after = outside.lifetime
        self.signature_key = bytes.fromhex(
            self._ask(
                "client",
                suite=suite,
                name=name.hex(),
                extensions=[SPARE_EXTENSION],
                lifetime={"notBefore": not_before, "notAfter": not_after},
            )
        )

    def _ask(self, op: str, **arguments: Any) -> Any:  # noqa: ANN401 - JSON is of any shape
        return self._node.ask(op, self._number, **arguments)

    def _keys(self) -> dict[str, str]:
        return {name.hex(): key.hex() for name, key in self._outside.keys.items()}

    def key_package(self) -> bytes:
        return bytes.fromhex(self._ask("key_package"))

    def create(self, group_id: bytes) -> None:
        self._ask("create", group=group_id.hex())

    def join(self, welcome: bytes, tree: bytes | None) -> None:
        self._ask("join", welcome=welcome.hex(), tree=None if tree is None else tree.hex(), psks=self._keys())

    def propose(self, proposal: Proposal, framing: Framing) -> bytes:
        encoded, aad = encode_proposal(proposal), framing.authenticated_data
        return bytes.fromhex(self._ask("propose", proposal=encoded.hex(), open=framing.public, aad=aad.hex()))

    def propose_update(self, framing: Framing) -> bytes:
        raise NotImplementedError

    def commit(self, proposals: Sequence[Proposal], framing: Framing, *, renew: bool, tree_inside: bool) -> Committed:
        made = self._ask(
            "commit",
            proposals=[encode_proposal(proposal).hex() for proposal in proposals],
            open=framing.public,
            inside=tree_inside,
            aad=framing.authenticated_data.hex(),
            psks=self._keys(),
        )
        return Committed(
            message=bytes.fromhex(made["message"]),
            welcome=None if made["welcome"] is None else bytes.fromhex(made["welcome"]),
            tree=None if tree_inside else bytes.fromhex(made["tree"]),
        )

    def merge(self) -> None:
        self._ask("merge")

    def discard(self) -> None:
        """Nothing: a commit that was not merged changed nothing."""

    def take_proposal(self, message: bytes) -> None:
        self._ask("process", message=message.hex(), psks=self._keys())

    def take_commit(self, message: bytes) -> Outcome:
        state = self._ask("process", message=message.hex(), psks=self._keys())
        return {"active": Outcome.ENTERED, "removedFromGroup": Outcome.REMOVED}[state]

    def seal(self, data: bytes, authenticated_data: bytes) -> bytes:
        return bytes.fromhex(self._ask("seal", data=data.hex(), aad=authenticated_data.hex()))

    def open(self, message: bytes) -> tuple[bytes, bytes]:
        opened = self._ask("open", message=message.hex())
        return bytes.fromhex(opened["data"]), bytes.fromhex(opened["aad"])

    def view(self) -> View:
        seen = self._ask("view", label=LABEL, context=CONTEXT.hex(), length=EXPORTED_BYTES)
        return View(**{name: bytes.fromhex(seen[name]) for name in ("tree", "exported", "authenticator")})

    def group_info(self, *, tree_inside: bool, bare: bool) -> bytes:
        return bytes.fromhex(self._ask("group_info", inside=tree_inside, bare=bare))

    def join_by_commit(self, info: bytes, tree: bytes | None, *, again: bool, authenticated_data: bytes) -> bytes:
        encoded = None if tree is None else tree.hex()
        aad = authenticated_data.hex()
        return bytes.fromhex(self._ask("join_by_commit", info=info.hex(), tree=encoded, again=again, aad=aad))

    def propose_self(self, info: bytes) -> bytes:
        return bytes.fromhex(self._ask("propose_self", info=info.hex(), aad=""))

    def close(self) -> None:
        self._ask("forget")
