"""The rules that a received thing can break, each with its section of RFC 9420 and a name.

A refusal names its rule, so that a test can show that this check, and no other, refused.
"""

from __future__ import annotations

from enum import Enum

from amanah_protocol.errors import Code, VerifyError


class Rule(Enum):
    """Section, code on the wire, and what is wrong, in words."""

    def __init__(self, section: str, code: Code, text: str) -> None:
        self.section = section
        self.code = code
        self.text = text

    # Cryptographic objects
    SIGNATURE_KEY = ("5.1", Code.SIGNATURE, "a signature key is not one of the suite")
    HPKE_KEY = ("5.1", Code.OPEN, "an HPKE public key is not one of the suite")
    DECRYPTION = ("5.1.3", Code.OPEN, "what was sealed to us does not open")

    # Framing
    VERSION = ("6", Code.UNKNOWN_VERSION, "the message is not of MLS 1.0")
    GROUP_ID = ("6", Code.BINDING, "the message belongs to another group")
    EPOCH = ("6", Code.STALE_EPOCH, "the message belongs to another epoch")
    APPLICATION_IN_PUBLIC = ("6", Code.OPEN, "application data travels in a PrivateMessage only")
    CONTENT_SIGNATURE = ("6.1", Code.SIGNATURE, "the message is not signed by its sender")
    SENDER_LEAF = ("6.1", Code.NOT_MEMBER, "the sender is no member of this epoch")
    SENDER_EXTERNAL = ("6.1", Code.NOT_MEMBER, "the sender is none of the group's external senders")
    SENDER_CONTENT = ("6", Code.REFUSED_COMMIT, "a sender of this type may not send this")
    SENDER_SELF = ("6", Code.REPLAY, "an own message came back")
    MEMBERSHIP_TAG = ("6.2", Code.OPEN, "the membership tag does not hold")
    SENDER_DATA = ("6.3.2", Code.OPEN, "the sender data does not open")
    CONTENT_AEAD = ("6.3.1", Code.OPEN, "the content does not open")
    PADDING = ("6.3.1", Code.MALFORMED, "the padding is not all zero")
    GENERATION_USED = ("9.1", Code.REPLAY, "this generation was used before")
    GENERATION_AHEAD = ("9.1", Code.GENERATION, "the sender skipped more generations than is allowed")

    # Leaf nodes
    LEAF_SIGNATURE = ("7.3", Code.SIGNATURE, "a leaf node is not signed by its key")
    LEAF_SOURCE = ("7.3", Code.REFUSED_COMMIT, "a leaf node comes from another source than its place asks for")
    LEAF_LIFETIME = ("7.3", Code.EXPIRED, "a leaf node is outside its lifetime")
    LEAF_LIFETIME_RANGE = ("7.3", Code.EXPIRED, "a leaf node's lifetime is longer than is accepted")
    LEAF_VERSION = ("7.2", Code.REFUSED_COMMIT, "a leaf node does not list the protocol version in use")
    LEAF_SUITE = ("7.2", Code.SUITE, "a leaf node does not list the suite in use")
    LEAF_EXTENSION = ("7.2", Code.REFUSED_COMMIT, "a leaf node has an extension that it does not list")
    LEAF_CREDENTIAL_OWN = ("7.3", Code.REFUSED_COMMIT, "a leaf node does not list its own credential type")
    LEAF_CREDENTIAL_OTHERS = ("7.3", Code.REFUSED_COMMIT, "a credential type in use is not supported by all members")
    LEAF_REQUIRED = ("7.3", Code.REFUSED_COMMIT, "a leaf node lacks a capability that the group requires")
    LEAF_GROUP_EXTENSION = ("7.3", Code.REFUSED_COMMIT, "a leaf node does not support an extension of the group")
    LEAF_SIGNATURE_KEY_UNIQUE = ("7.3", Code.REFUSED_COMMIT, "two leaf nodes have one signature key")
    LEAF_ENCRYPTION_KEY_UNIQUE = ("7.3", Code.REFUSED_COMMIT, "two nodes have one encryption key")
    LEAF_ENCRYPTION_KEY_SAME = ("7.3", Code.REFUSED_COMMIT, "an update keeps the old encryption key")
    EXTENSION_TWICE = ("13.4", Code.REFUSED_COMMIT, "an extension stands twice in one list")

    # Ratchet tree
    TREE_EMPTY = ("12.4.3.3", Code.MALFORMED, "a ratchet tree has at least one node")
    TREE_TRAILING_BLANK = ("12.4.3.3", Code.MALFORMED, "a ratchet tree ends in a leaf that is not blank")
    TREE_NODE_TYPE = ("12.4.3.3", Code.MALFORMED, "a leaf stands in a parent's place, or a parent in a leaf's")
    TREE_SIZE = ("7.7", Code.TOO_LARGE, "the group has more leaves than is accepted")
    TREE_HASH = ("12.4.3.1", Code.REFUSED_COMMIT, "the ratchet tree is not the one of the group context")
    PARENT_HASH = ("7.9.2", Code.REFUSED_COMMIT, "a parent hash does not hold")
    UNMERGED_SORTED = ("7.1", Code.REFUSED_COMMIT, "unmerged leaves are not in ascending order")
    UNMERGED_LEAF = ("12.4.3.1", Code.REFUSED_COMMIT, "an unmerged leaf is no leaf below its node")
    UNMERGED_BETWEEN = ("12.4.3.1", Code.REFUSED_COMMIT, "a node in between does not list an unmerged leaf")

    # Update paths
    PATH_LENGTH = ("7.6", Code.REFUSED_COMMIT, "the update path has not one node for each of the filtered direct path")
    PATH_SECRETS = ("7.6", Code.REFUSED_COMMIT, "an update path node is not sealed once for each of its resolution")
    PATH_KEY = ("7.6", Code.REFUSED_COMMIT, "a path secret does not give the public key of its node")
    PATH_PARENT_HASH = ("7.9.2", Code.REFUSED_COMMIT, "the update path's leaf has another parent hash")
    PATH_KEY_UNIQUE = ("12.4.2", Code.REFUSED_COMMIT, "the update path brings a key that the tree holds already")
    PATH_LEAF_KEY_SAME = ("12.4.2", Code.REFUSED_COMMIT, "the update path keeps the committer's old key")

    # Key packages
    KEY_PACKAGE_VERSION = ("10.1", Code.UNKNOWN_VERSION, "a key package is not of MLS 1.0")
    KEY_PACKAGE_SUITE = ("10.1", Code.SUITE, "a key package is of another suite than the group")
    KEY_PACKAGE_SIGNATURE = ("10.1", Code.SIGNATURE, "a key package is not signed by its leaf's key")
    KEY_PACKAGE_INIT_KEY = ("10.1", Code.REFUSED_COMMIT, "a key package uses one key twice")

    # Proposals and their lists
    PROPOSAL_UNKNOWN = ("12.4.2", Code.REFUSED_COMMIT, "the commit refers to a proposal that is not known")
    PROPOSAL_REFERENCE_TWICE = ("12.2", Code.REFUSED_COMMIT, "a proposal is referred to twice")
    UPDATE_OWN = ("12.2", Code.REFUSED_COMMIT, "the commit holds an update of its own committer")
    REMOVE_OWN = ("12.2", Code.REFUSED_COMMIT, "the commit removes its own committer")
    TWICE_FOR_LEAF = ("12.2", Code.REFUSED_COMMIT, "two proposals update or remove one leaf")
    REMOVE_BLANK = ("12.1.3", Code.REFUSED_COMMIT, "a remove names a leaf that is not there")
    ADD_TWICE = ("12.2", Code.REFUSED_COMMIT, "two adds name one client")
    ADD_MEMBER = ("12.2", Code.REFUSED_COMMIT, "an add names a client that is a member")
    PSK_TWICE = ("12.2", Code.REFUSED_COMMIT, "two proposals name one pre-shared key")
    PSK_USAGE = ("8.4", Code.REFUSED_COMMIT, "a resumption key is proposed for another use than the application's")
    PSK_NONCE = ("8.4", Code.REFUSED_COMMIT, "a pre-shared key's nonce has a wrong length")
    PSK_COUNT = ("8.4", Code.TOO_LARGE, "an epoch rests on more pre-shared keys than can be counted")
    PSK_UNKNOWN = ("8.4", Code.OPEN, "a pre-shared key is not known here")
    CONTEXT_TWICE = ("12.2", Code.REFUSED_COMMIT, "the commit replaces the group's extensions twice")
    CONTEXT_UNSUPPORTED = ("12.1.7", Code.REFUSED_COMMIT, "a member does not support the group's new extensions")
    REINIT_ALONE = ("12.2", Code.REFUSED_COMMIT, "a reinitialisation stands beside other proposals")
    REINIT_VERSION = ("12.1.5", Code.REFUSED_COMMIT, "a reinitialisation goes to an older protocol version")
    EXTERNAL_INIT_BY_MEMBER = ("12.2", Code.REFUSED_COMMIT, "a member's commit holds an external init")
    UPDATE_BY_OTHER = ("12.1.2", Code.REFUSED_COMMIT, "an update was proposed by somebody who is no member")
    PATH_REQUIRED = ("12.4", Code.REFUSED_COMMIT, "the commit needs an update path and has none")
    EXTERNAL_INIT_ONCE = ("12.2", Code.REFUSED_COMMIT, "an external commit holds exactly one external init")
    EXTERNAL_REMOVE_ONCE = (
        "12.2",
        Code.REFUSED_COMMIT,
        "an external commit removes at most one leaf, the joiner's own",
    )
    EXTERNAL_TYPES = ("12.2", Code.REFUSED_COMMIT, "an external commit holds a proposal that it may not")
    EXTERNAL_BY_REFERENCE = ("12.2", Code.REFUSED_COMMIT, "an external commit refers to a proposal")
    EXTERNAL_PATH = ("12.4.3.2", Code.REFUSED_COMMIT, "an external commit has no update path")
    REINIT_DONE = ("11.2", Code.REFUSED_COMMIT, "the group was reinitialised and takes no commits")

    # Commits and welcomes
    EPOCH_LAST = ("8.1", Code.REFUSED_COMMIT, "the group's epochs are used up")
    CONFIRMATION_TAG = ("12.4.2", Code.REFUSED_COMMIT, "the confirmation tag does not hold")
    WELCOME_NOT_OURS = ("12.4.3.1", Code.OPEN, "the welcome is for none of our key packages")
    WELCOME_SUITE = ("12.4.3.1", Code.SUITE, "the welcome is of another suite than the key package")
    GROUP_INFO_OPEN = ("12.4.3.1", Code.OPEN, "the group info does not open")
    GROUP_INFO_SIGNATURE = ("12.4.3.1", Code.SIGNATURE, "the group info is not signed by the member it names")
    GROUP_INFO_TREE = ("12.4.3.3", Code.REFUSED_COMMIT, "there is no ratchet tree, neither inside nor beside")
    OWN_LEAF = ("12.4.3.1", Code.REFUSED_COMMIT, "the ratchet tree does not hold our own leaf")
    EXTERNAL_PUB = ("12.4.3.2", Code.REFUSED_COMMIT, "the group info has no external public key")
    BRANCH_OR_REINIT = ("11", Code.REFUSED_COMMIT, "the new group does not continue the old one as it must")
    POLICY = ("RFC 9750 7", Code.REFUSED_COMMIT, "the group's policy does not allow this")


class InvalidError(VerifyError):
    """Something received breaks a rule of RFC 9420; nothing was changed by it.

    Attributes:
        rule: Which one.
    """

    def __init__(self, rule: Rule, detail: str = "") -> None:
        """Refuse by a rule; `detail` says where, and holds no key and no plaintext."""
        super().__init__(rule.code, f"{rule.text}{f' ({detail})' if detail else ''}")
        self.rule = rule
