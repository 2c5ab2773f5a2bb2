"""The relay's picture of the files of attachments: which there are, whose, and how far each is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterator
from dataclasses import dataclass
from typing import TypeAlias

from amanah_protocol.errors import Code, OperationalError, RefusedError
from amanah_protocol.types import OrgName, RoomId
from amanah_relay.inputs import ShelvedFile
from amanah_relay.quotas import RelayLimits

Place: TypeAlias = "tuple[RoomId, bytes]"
"""A room and the SHA-256 of an attachment."""


@dataclass(slots=True, kw_only=True, eq=False)
class Upload:
    """An attachment, or what has come of it.

    Attributes:
        organisation: Whose it is.
        total: Bytes that it has when it is whole; they count from the first piece on.
        size: Bytes that are there.
        handed: Bytes that are there once all pieces are written that are on their way.
        whole: Whether it is.
        touched_ms: When a piece came last.
    """

    organisation: OrgName
    total: int
    size: int = 0
    handed: int = 0
    whole: bool = False
    touched_ms: int


class Shelf:
    """All of them; whoever changes one that is on the disk asks the shell for it too."""

    def __init__(self) -> None:
        self._uploads: dict[Place, Upload] = {}
        self._bytes: Counter[OrgName] = Counter()
        self._files: Counter[OrgName] = Counter()
        self.listed = False
        """Whether it is known what there is."""
        self.swept_ms = 0
        """When it was looked through last."""

    def __iter__(self) -> Iterator[tuple[Place, Upload]]:
        return iter(tuple(self._uploads.items()))

    def get(self, place: Place) -> Upload | None:
        """One of them."""
        return self._uploads.get(place)

    def fill(self, files: tuple[ShelvedFile, ...]) -> None:
        """What there is at the start."""
        self.listed = True
        for file in files:
            # One that was cut off between its last byte and its name is completed by that byte once more.
            size = file.size if file.whole else min(file.size, file.total - 1)
            upload = Upload(
                organisation=file.organisation,
                total=file.total,
                size=size,
                handed=size,
                whole=file.whole,
                touched_ms=file.touched_ms,
            )
            self._put((file.room, file.attachment), upload)

    def begin(self, place: Place, organisation: OrgName, total: int, limits: RelayLimits, now_ms: int) -> Upload:
        """Make room for an attachment.

        Raises:
            RefusedError: `QUOTA`.
        """
        retry_ms = 3_600_000
        # What is announced counts, not what has come: else uploads could promise more than fits.
        if self._bytes[organisation] + total > limits.attachment_bytes_per_organisation:
            detail = f"attachments of the organisation take {self._bytes[organisation]} bytes; erase what is not needed"
            raise RefusedError(Code.QUOTA, detail, retry_after_ms=retry_ms)
        if self._files[organisation] >= limits.attachments_per_organisation:
            raise RefusedError(Code.QUOTA, "the organisation has too many attachments here", retry_after_ms=retry_ms)
        if self._bytes.total() + total > limits.attachment_bytes:
            raise RefusedError(Code.QUOTA, "the relay has no room for more attachments", retry_after_ms=retry_ms)
        upload = Upload(organisation=organisation, total=total, touched_ms=now_ms)
        self._put(place, upload)
        return upload

    def drop(self, place: Place) -> Upload | None:
        """Forget one, if it is there."""
        upload = self._uploads.pop(place, None)
        if upload is not None:
            self._bytes[upload.organisation] -= upload.total
            self._files[upload.organisation] -= 1
        return upload

    def check_attachable(self, place: Place, organisation: OrgName, attached: Container[Place]) -> None:
        """A message may name this attachment.

        Raises:
            RefusedError: `REPLAY`: it belongs to another message.
            OperationalError: `STAGING`: it is not whole.
        """
        if place in attached:
            raise RefusedError(Code.REPLAY, "the attachment belongs to another message")
        upload = self._uploads.get(place)
        if upload is None or not upload.whole or upload.organisation != organisation:
            raise OperationalError(Code.STAGING, "the attachment was not uploaded to this room, or no longer is here")

    def _put(self, place: Place, upload: Upload) -> None:
        self._uploads[place] = upload
        self._bytes[upload.organisation] += upload.total
        self._files[upload.organisation] += 1
