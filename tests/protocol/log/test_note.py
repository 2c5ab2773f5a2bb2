from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amanah_protocol.errors import Code, DecodeError, UsageError
from amanah_protocol.log.note import (
    MAX_NOTE_BYTES,
    MAX_NOTE_SIGNATURES,
    Note,
    NoteSignature,
    decode_note,
)

# The example of the specification (C2SP signed-note).
POEM = """\
Ognuno sta solo sul cuor della terra
trafitto da un raggio di sole:

ed è subito sera.

— quasimodo.example/salvatore NnugSzTjtVAewIS+Z/iJhUPeFDkO/5QQ2i5ddnGITLlC+EhfLW9oJKONrMouFSQU0xMcXxj99ihAQwaqP3ZekRwNtIc=
"""  # noqa: E501 - one line of the note
LINE = "— log.example AAAAAAE=\n"
NO_LINE = "no line\n"


def refusal(data: bytes) -> Code:
    assert decode_note(f"text\n\n{LINE}".encode()).text == "text\n"
    with pytest.raises(DecodeError) as caught:
        decode_note(data)
    return caught.value.code


def test_the_example_of_the_specification_is_taken_apart_and_put_together() -> None:
    note = decode_note(POEM.encode())
    assert note.text == "Ognuno sta solo sul cuor della terra\ntrafitto da un raggio di sole:\n\ned è subito sera.\n"
    (line,) = note.signatures
    assert (line.name, line.key_id.hex(), len(line.signature)) == ("quasimodo.example/salvatore", "367ba04b", 64)
    assert note.encode() == POEM.encode()


texts = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters=[chr(code) for code in range(32)]) | st.just("\n"),
).map(lambda text: text + "\n")
names = st.text(st.characters(categories=["L", "N", "P"], exclude_characters=["+"]), min_size=1, max_size=20)
signatures = st.builds(
    NoteSignature, name=names, key_id=st.binary(min_size=4, max_size=4), signature=st.binary(min_size=1, max_size=80)
)


@given(texts, st.lists(signatures, min_size=1, max_size=5))
def test_every_note_is_read_back(text: str, lines: list[NoteSignature]) -> None:
    note = Note(text=text, signatures=tuple(lines))
    assert decode_note(note.encode()) == note


pieces = st.sampled_from(["t", "\n", "\n\n", "— ", "log ", "AAAAAAE=", "AAAAAAF=", "AAAA", "\r", LINE, "t\n\n" + LINE])


@given(st.lists(pieces, max_size=8).map("".join))
def test_whatever_decodes_is_what_the_encoder_writes(text: str) -> None:
    try:
        note = decode_note(text.encode())
    except DecodeError:
        return
    assert note.encode() == text.encode()


def test_the_last_empty_line_ends_the_text() -> None:
    text = f"first\n\n{LINE}\n\n"
    assert decode_note(f"{text}\n{LINE}".encode()).text == text


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\n",
        b"text\n",
        b"text\n\n",
        b"text\n" + LINE.encode(),
        b"text\n\n" + LINE.encode()[:-1],
        b"text\n\n" + LINE.encode()[:-1] + b"x",
        b"text\n\n" + LINE.encode() + b"\n",
        LINE.encode(),
        b"\n" + LINE.encode(),
    ],
)
def test_what_is_not_text_empty_line_and_signature_lines_is_refused(data: bytes) -> None:
    assert refusal(data) is Code.MALFORMED


@pytest.mark.parametrize("character", [chr(code) for code in range(32) if code != 10])
def test_control_characters_are_refused(character: str) -> None:
    assert refusal(f"te{character}xt\n\n{LINE}".encode()) is Code.MALFORMED
    assert refusal(f"text\n\n— log{character}example AAAAAAE=\n".encode()) is Code.MALFORMED


def test_bytes_that_are_not_utf8_are_refused() -> None:
    assert refusal(b"t\xe9xt\n\n" + LINE.encode()) is Code.MALFORMED
    assert refusal(b"t\xed\xa0\x80xt\n\n" + LINE.encode()) is Code.MALFORMED


@pytest.mark.parametrize(
    "line",
    [
        "- log.example AAAAAAE=",
        "—log.example AAAAAAE=",
        "—\N{NO-BREAK SPACE}log.example AAAAAAE=",
        "log.example AAAAAAE=",
        "—  AAAAAAE=",
        "— AAAAAAE=",
        "— log.example",
        "— log.example ",
        "— log.example AAAAAAE= ",
        "— log.example  AAAAAAE=",
        "— log example AAAAAAE=",
        "— log\N{NO-BREAK SPACE}example AAAAAAE=",
        "— log+example AAAAAAE=",
        "— log.example AAAAAAE",
        "— log.example AAAA",
        "— log.example AAAAAA==",
    ],
)
def test_a_signature_line_of_another_form_is_refused(line: str) -> None:
    assert refusal(f"text\n\n{line}\n".encode()) is Code.MALFORMED
    assert refusal(f"text\n\n{LINE}{line}\n".encode()) is Code.MALFORMED


def test_a_signature_with_unused_bits_is_refused() -> None:
    assert refusal("text\n\n— log.example AAAAAAF=\n".encode()) is Code.NOT_CANONICAL


def test_a_note_has_at_most_64_signatures() -> None:
    assert len(decode_note(f"text\n\n{LINE * MAX_NOTE_SIGNATURES}".encode()).signatures) == MAX_NOTE_SIGNATURES
    assert refusal(f"text\n\n{LINE * (MAX_NOTE_SIGNATURES + 1)}".encode()) is Code.TOO_LARGE
    # counted before any line is read
    assert refusal(f"text\n\n{NO_LINE * (MAX_NOTE_SIGNATURES + 1)}".encode()) is Code.TOO_LARGE
    line = NoteSignature(name="log.example", key_id=bytes(4), signature=b"\x01")
    with pytest.raises(UsageError) as caught:
        Note(text="text\n", signatures=(line,) * (MAX_NOTE_SIGNATURES + 1))
    assert caught.value.code is Code.TOO_LARGE


def test_a_note_has_at_most_256_kib() -> None:
    head, tail = b"", b"\n\n" + LINE.encode()
    largest = head + b"x" * (MAX_NOTE_BYTES - len(tail)) + tail
    note = decode_note(largest)
    assert note.encode() == largest
    assert refusal(b"x" + largest) is Code.TOO_LARGE
    with pytest.raises(UsageError) as caught:
        Note(text="x" + note.text, signatures=note.signatures).encode()
    assert caught.value.code is Code.TOO_LARGE


@pytest.mark.parametrize("text", ["", "text", "te\rxt\n", "te\x00xt\n", "te\ud800xt\n"])
def test_no_note_is_made_of_a_text_that_none_can_have(text: str) -> None:
    line = NoteSignature(name="log.example", key_id=bytes(4), signature=b"\x01")
    assert Note(text="\n", signatures=(line,)).encode()
    with pytest.raises(UsageError) as caught:
        Note(text=text, signatures=(line,))
    assert caught.value.code is Code.MALFORMED


def test_no_note_is_made_without_signatures() -> None:
    with pytest.raises(UsageError) as caught:
        Note(text="text\n", signatures=())
    assert caught.value.code is Code.MALFORMED


@pytest.mark.parametrize(
    ("name", "key_id", "signature"),
    [
        ("", bytes(4), b"\x01"),
        ("log example", bytes(4), b"\x01"),
        ("log\ud800", bytes(4), b"\x01"),
        ("log.example", bytes(3), b"\x01"),
        ("log.example", bytes(5), b"\x01"),
        ("log.example", bytes(4), b""),
    ],
)
def test_no_signature_line_is_made_that_none_can_be(name: str, key_id: bytes, signature: bytes) -> None:
    assert NoteSignature(name="log.example", key_id=bytes(4), signature=b"\x01").encode() == LINE
    with pytest.raises(UsageError) as caught:
        NoteSignature(name=name, key_id=key_id, signature=signature)
    assert caught.value.code is Code.MALFORMED
