"""Files beside the pages, under names that hold their content's hash: a browser never mixes two versions.

Modules of a script name each other as they are called in the source; so called, a file is never kept by a browser.
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


@dataclass(frozen=True, slots=True)
class _File:
    data: bytes
    media_type: str


class Files:
    """The files of some folders, read once: no request ever names a path of this machine."""

    def __init__(self, *folders: Path) -> None:
        """Read them; a later folder's file stands in for an earlier one's of the same name."""
        self._names: dict[str, str] = {}
        self._files: dict[str, _File] = {}
        for path in (path for folder in folders for path in sorted(folder.iterdir()) if path.suffix in _TYPES):
            data = path.read_bytes()
            hashed = f"{path.stem}.{sha256(data).hex()[:_DIGITS]}{path.suffix}"
            self._names[path.name] = hashed
            self._files[hashed] = _File(data, _TYPES[path.suffix])

    def url(self, name: str) -> str:
        """The address of a file."""
        return STATIC + self._names[name]

    @property
    def route(self) -> Route:
        """Serves them."""
        return Route(STATIC + "{name}", self._serve, methods=["GET"])

    async def _serve(self, request: Request) -> Response:
        name = request.path_params["name"]
        is_module = name in self._names and name.endswith(".js")
        found = self._files.get(self._names[name] if is_module else name)
        if found is None:
            raise HTTPException(HTTPStatus.NOT_FOUND)
        kept = "no-store" if is_module else "max-age=31536000, immutable"
        return Response(found.data, media_type=found.media_type, headers={"Cache-Control": kept})
