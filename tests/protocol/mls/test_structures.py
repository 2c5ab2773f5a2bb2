"""What travels decodes and encodes to the same bytes, and what has another form is refused as malformed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import pytest

from amanah_protocol.errors import Code, DecodeError
from amanah_protocol.mls.checks import Ground, check_lifetime, check_tree
from amanah_protocol.mls.codec import Reader, decode, opaque, u8, u16, u64, vector
from amanah_protocol.mls.credential import (
    Credential,
    CredentialType,
    Extension,
    ExtensionType,
    RequiredCapabilities,
    external_senders,
    required_capabilities,
)
from amanah_protocol.mls.framing import (
    AuthenticatedContent,
    FramedContent,
    Sender,
    SenderType,
    decode_message,
    encode_message,
)
from amanah_protocol.mls.group_context import GroupContext, GroupSecrets
from amanah_protocol.mls.key_package import make_key_package
from amanah_protocol.mls.leaf_node import Lifetime
from amanah_protocol.mls.proposals import Commit, ProposalRef, Remove, encode_proposal, read_proposal
from amanah_protocol.mls.psk import ExternalPsk, ResumptionPsk, ResumptionUsage, derive_psk_secret, read_psk_id
from amanah_protocol.mls.treekem import PathSecret, path_secrets
from tests.protocol.mls import negative_commits
from tests.protocol.mls.forged_commit import commit_by
from tests.protocol.mls.franken import required
from tests.protocol.mls.negative_framing import said_by
from tests.protocol.mls.stage import LIFETIME, MAX_BYTES, Stage, make_stage
from tests.protocol.refusal import refused


@pytest.fixture
def stage() -> Stage:
    return make_stage()


def test_a_message_is_held_against_its_bound_first(stage: Stage) -> None:
    message = encode_message(stage.newcomer.public)
    assert decode_message(message, len(message)) == stage.newcomer.public
    with refused(Code.TOO_LARGE, DecodeError):
        decode_message(message, len(message) - 1)


def test_bytes_behind_a_message_are_refused(stage: Stage) -> None:
    with refused(Code.MALFORMED, DecodeError):
        decode_message(encode_message(stage.newcomer.public) + b"\x00", MAX_BYTES)


def test_authenticated_content_comes_back(stage: Stage) -> None:
    commit = commit_by(stage, "carol").message(said_by(stage, "carol").wire_format).authenticated()
    for content in (commit, said_by(stage, "carol").authenticated()):
        assert decode(content.encode(), AuthenticatedContent.read) == content


READERS: Final[dict[str, tuple[Callable[[Reader], object], bytes]]] = {
    "a wire format": (AuthenticatedContent.read, u16(6)),
    "a sender type": (Sender.read, u8(5)),
    "a content type": (
        FramedContent.read,
        opaque(b"") + u64(0) + u8(SenderType.NEW_MEMBER_COMMIT) + opaque(b"") + u8(4),
    ),
    "a proposal type": (read_proposal, u16(8)),
    "neither proposal nor reference": (Commit.read, vector([u8(3)]) + u8(0)),
    "a PSK type": (read_psk_id, u8(3)),
    "a use of a resumption key": (read_psk_id, u8(2) + u8(4)),
    "a path that is neither there nor not": (Commit.read, vector([]) + u8(2)),
}


@pytest.mark.parametrize("name", READERS)
def test_a_number_that_names_nothing_is_refused(name: str) -> None:
    read, encoded = READERS[name]
    with refused(Code.MALFORMED, DecodeError):
        decode(encoded, read)


def test_certificates_are_a_list_and_other_credentials_are_bytes() -> None:
    chain = Credential(CredentialType.X509, opaque(b"leaf") + opaque(b"root"))
    for credential in (chain, Credential(CredentialType.BASIC, b"name"), Credential(0xF0FE, b"\xff")):
        assert decode(credential.encode(), Credential.read) == credential
    with refused(Code.MALFORMED, DecodeError):
        decode(Credential(CredentialType.X509, b"\x05cut").encode(), Credential.read)


def test_an_extension_of_the_context_that_does_not_parse_is_refused() -> None:
    with refused(Code.MALFORMED, DecodeError):
        required_capabilities((Extension(ExtensionType.REQUIRED_CAPABILITIES, b"\x05"),))
    with refused(Code.MALFORMED, DecodeError):
        external_senders((Extension(ExtensionType.EXTERNAL_SENDERS, b"\x05"),))
    assert required_capabilities(()) == RequiredCapabilities()
    assert external_senders(()) == ()


def test_what_a_group_requires_is_read_once_for_all_its_members(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """A peer can make the list long, and a tree has many leaves."""
    read: list[bool] = []
    real = RequiredCapabilities.read

    def count(reader: Reader) -> RequiredCapabilities:
        read.append(True)
        return real(reader)

    monkeypatch.setattr(RequiredCapabilities, "read", count)
    extensions = (required(extensions=(1,) * 5_000, proposals=(2,) * 5_000, credentials=(1,) * 5_000),)
    group = stage["alice"]
    ground = Ground(
        suite=stage.suite, group_id=group.context.group_id, extensions=extensions, authenticate=lambda *_: None
    )
    check_tree(group.tree, ground)
    assert len(read) == 1


def test_group_secrets_context_and_proposals_come_back() -> None:
    psks = (ExternalPsk(b"id", b"nonce"), ResumptionPsk(ResumptionUsage.BRANCH, b"group", 7, b"nonce"))
    for path_secret in (None, bytes(32)):
        secrets = GroupSecrets(joiner_secret=bytes(32), path_secret=path_secret, psks=psks)
        assert decode(secrets.encode(), GroupSecrets.read) == secrets
    commit = Commit((ProposalRef(bytes(32)), Remove(3), negative_commits.REINIT), None)
    assert decode(commit.encode(), Commit.read) == commit
    assert decode(encode_proposal(Remove(3)), read_proposal) == Remove(3)


def test_a_context_comes_back_and_the_next_one_follows_it(stage: Stage) -> None:
    context = stage["alice"].context
    assert decode(context.encode(), GroupContext.read) == context
    following = context.following(bytes(32), ())
    assert (following.epoch, following.tree_hash, following.extensions) == (context.epoch + 1, bytes(32), ())
    assert following.confirmed_transcript_hash == context.confirmed_transcript_hash


def test_a_last_resort_says_so(stage: Stage) -> None:
    for last_resort in (False, True):
        bundle = make_key_package(
            stage.suite, stage.identity("gina"), LIFETIME, last_resort=last_resort, random=stage.random
        )
        assert bundle.public.last_resort is last_resort


@pytest.mark.parametrize("now_s", [LIFETIME.not_before, LIFETIME.not_after])
def test_a_lifetime_includes_both_its_ends(stage: Stage, now_s: int) -> None:
    length_s = LIFETIME.not_after - LIFETIME.not_before
    check_lifetime(stage.newcomer.public.leaf_node, now_s=now_s, longest_s=length_s)
    assert decode(LIFETIME.encode(), Lifetime.read) == LIFETIME


def test_no_pre_shared_key_is_zeros_and_their_order_counts() -> None:
    one, two = (ExternalPsk(b"1", bytes(32)), b"first"), (ExternalPsk(b"2", bytes(32)), b"second")
    assert derive_psk_secret([]) == bytes(32)
    assert derive_psk_secret([one, two]) != derive_psk_secret([two, one])


def test_no_path_secret_shows_in_a_repr(stage: Stage) -> None:
    (secret,), _ = path_secrets(stage.suite, bytes(32), 1)
    assert isinstance(secret, PathSecret)
    assert repr(secret) == "PathSecret()"
