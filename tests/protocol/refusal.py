"""How a test says that something is refused: by which error, with which code."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from amanah_protocol.errors import AmanahError, Code, PeerError


@contextmanager
def refused(code: Code, error: type[AmanahError] = PeerError) -> Iterator[None]:
    """The block raises an error of this kind with this code."""
    with pytest.raises(error) as caught:
        yield
    assert caught.value.code is code, caught.value
