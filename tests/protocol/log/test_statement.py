"""What the log has signed of itself: three forms of one word, and the note made anew from a message."""

from __future__ import annotations

from dataclasses import replace

import pytest

from amanah_protocol import cose
from amanah_protocol.cose import Typ
from amanah_protocol.errors import Code, DecodeError, VerifyError
from amanah_protocol.log.checkpoint import Checkpoint
from amanah_protocol.log.merkle import EMPTY_ROOT
from amanah_protocol.log.statement import Form, Statement, log_signature, rebuild_checkpoint, verify_statement
from tests.protocol.refusal import refused
from tests.vectors import examples as x
from tests.vectors import log_examples as log

RELAY = x.relay()
VKEY = x.LOG_SIGNER.verifier.vkey


@pytest.mark.parametrize("statement", [log.checkpoint(7), log.head(7), log.receipt(7)])
def test_each_form_says_size_and_root(statement: Statement) -> None:
    assert verify_statement(statement, RELAY).value == Checkpoint(origin=x.ORIGIN, size=7, root=log.root(7))


@pytest.mark.parametrize("form", [Form.HEAD, Form.RECEIPT])
def test_a_statement_of_the_relay_is_not_believed_of_another_key(form: Form) -> None:
    statement = {Form.HEAD: log.head(7), Form.RECEIPT: log.receipt(7)}[form]
    with refused(Code.KEY_ID, VerifyError):
        verify_statement(statement, replace(RELAY, key=x.key("other").public))


def test_a_checkpoint_is_not_believed_of_another_log() -> None:
    with refused(Code.CHECKPOINT, VerifyError):
        verify_statement(log.checkpoint(7), replace(RELAY, origin="relay.example/other"))


def test_a_statement_of_no_tree_is_none() -> None:
    body = [3, x.fixed("control leaf"), 0, bytes(32), x.NOW_MS]
    head = Statement(form=Form.HEAD, data=cose.sign(Typ.CONTROL_HEAD, body, x.RELAY_KEY))
    with refused(Code.MALFORMED, DecodeError):
        verify_statement(head, RELAY)
    assert bytes(32) != EMPTY_ROOT


def test_the_note_of_a_view_is_made_anew_from_size_root_and_signature() -> None:
    note = log.checkpoint(7).data
    signature = log_signature(note, VKEY)
    assert rebuild_checkpoint(size=7, root=log.root(7), signature=signature, relay=RELAY) == note


def test_a_signature_of_another_key_is_not_the_logs() -> None:
    other = replace(x.LOG_SIGNER.verifier, public=x.key("other").public)
    assert log_signature(log.checkpoint(7).data, other.vkey) == b""


@pytest.mark.parametrize(
    ("size", "root", "signature"),
    [(8, log.root(7), 64), (7, log.root(8), 64), (7, log.root(7), 63), (7, log.root(7), 0), (0, log.root(7), 64)],
)
def test_what_the_log_has_not_signed_gives_no_note(size: int, root: bytes, signature: int) -> None:
    signed = log_signature(log.checkpoint(7).data, VKEY)[:signature]
    with refused(Code.SIGNATURE, VerifyError):
        rebuild_checkpoint(size=size, root=root, signature=signed, relay=RELAY)
