"""Which disclosed messages may stand in a file that anybody may get."""

from __future__ import annotations

from amanah_client.audit.bundle_check import Opened
from amanah_client.audit.record import Record
from amanah_client.audit.register import RELABELLED
from amanah_client.labels import source_of
from amanah_protocol.errors import RefusedError
from amanah_protocol.labels import Label
from amanah_protocol.ways import Matter, Outside, Somebody, Way, check_way


def check_exported(opened: Opened, record: Record, *, by: Somebody) -> None:
    """A disclosed message may stand in a file that anybody may get, by the label that counts of it in the record.

    Raises:
        RefusedError: `LABEL`.
    """
    changed = record.select(RELABELLED, opened.index)
    label = max(opened.content.label, opened.envelope.header.label)
    if changed:
        # What says one label outside and has another inside is broken: it is raised, and no change makes it laxer.
        broken = opened.content.differs_from(opened.envelope.header.label)
        label = max(label, Label(changed[0][0])) if broken else Label(changed[0][0])
    matter = Matter(label=label, source=source_of(opened.sender.somebody, opened.content.body), circle=None)
    try:
        check_way(Way.EXPORT, matter, by=by, to=Outside())
    except RefusedError as refused:
        detail = f"the message at log index {opened.index} stays out of the file: {refused.detail}"
        raise RefusedError(refused.code, detail, hint=refused.hint) from None
