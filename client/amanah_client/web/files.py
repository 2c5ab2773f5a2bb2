"""Files beside the pages, under an address that holds the hash of all of them: a browser never mixes two versions.

Modules of a script name each other as they stand beside each other, so one hash is for all. Whatever is so addressed
never changes, and a browser keeps it.
"""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from amanah_client.web.gate import STATIC
from amanah_protocol.crypto import sha256

_TYPES: Final = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}
_DIGITS: Final = 16
_KEPT: Final = {"Cache-Control": "max-age=31536000, immutable"}


@dataclass(frozen=True, slots=True)
class _File:
    data: bytes
    media_type: str


class Files:
    """The files of some folders, read once: no request ever names a path of this machine."""

    def __init__(self, *folders: Path) -> None:
        """Read them; a later folder's file stands in for an earlier one's of the same name."""
        self._files: dict[str, _File] = {}
        for path in (path for folder in folders for path in folder.iterdir() if path.suffix in _TYPES):
            self._files[path.name] = _File(path.read_bytes(), _TYPES[path.suffix])
        each = b"".join(sha256(name.encode()) + sha256(self._files[name].data) for name in sorted(self._files))
        self._place = f"{STATIC}{sha256(each).hex()[:_DIGITS]}/"

    def url(self, name: str) -> str:
        """The address of a file."""
        if name not in self._files:
            raise KeyError(name)
        return self._place + name

    def urls(self, suffix: str) -> list[str]:
        """The addresses of all files that end so, such as `.js`."""
        return [self._place + name for name in sorted(self._files) if name.endswith(suffix)]

    @property
    def route(self) -> Route:
        """Serves them."""
        return Route(self._place + "{name}", self._serve, methods=["GET"])

    async def _serve(self, request: Request) -> Response:
        found = self._files.get(request.path_params["name"])
        if found is None:
            raise HTTPException(HTTPStatus.NOT_FOUND)
        return Response(found.data, media_type=found.media_type, headers=_KEPT)
