"""The other reader takes the creation of a drill as it is made, and no other mark."""

from __future__ import annotations

import pytest

from amanah_protocol import cbor
from amanah_protocol.cose import encode_sign1, signed_bytes
from tests.vectors import examples as x
from tests.verify.bundles import VERIFIER


def marked(*fields: cbor.Value) -> bytes:
    """A creation with these fields behind the eight of a real room, signed by its creator."""
    header = x.header(x.DRILL)
    labels = cbor.decode(header.encoded, max_bytes=4_096)
    assert isinstance(labels, dict)
    whole = labels[-70001]
    assert isinstance(whole, list)
    real = whole[-1]
    assert isinstance(real, list)
    whole[-1] = [*real[:8], *fields]
    protected = cbor.encode(labels)
    payload = x.signed(x.DRILL).payload
    return encode_sign1(protected, payload, x.OFFICER.sign(signed_bytes(protected, payload)))


def test_a_real_room_and_a_drill_are_read() -> None:
    assert marked(True) == x.signed(x.DRILL).encoded  # noqa: FBT003 - a field of the wire
    assert VERIFIER.envelope(marked(True)).specific.drill is True  # noqa: FBT003 - a field of the wire
    assert not hasattr(VERIFIER.envelope(marked()).specific, "drill")


@pytest.mark.parametrize("fields", [(False,), (1,), (None,), (True, True)])
def test_no_other_mark_is_read(fields: tuple[cbor.Value, ...]) -> None:
    with pytest.raises(ValueError, match=r"."):
        VERIFIER.envelope(marked(*fields))
