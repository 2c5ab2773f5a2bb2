"""The auditor's copy, verified: what most verbs of `amanah audit` begin with."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from amanah_client.audit import local
from amanah_client.audit.examination import examine_copy
from amanah_client.audit.record import Report
from amanah_client.audit.stamps import Stamps
from amanah_client.cli import opening
from amanah_client.cli.progress import progress
from amanah_client.cli.terminal import Options
from amanah_client.home import Profile


@contextmanager
def examined(
    common: Options, *, anew: bool = False, pem: bytes | None = None
) -> Iterator[tuple[Report, local.Cosigned | None, Stamps]]:
    """The report on the copy, whose entries can be read until the block is left; what witnesses and authorities say."""
    with opening.profile(common) as profile:
        if anew:
            profile.store.copy.forget_register()
        report = verify_copy(profile)
        report, stamps = local.examined_stamps(profile.store, report, pem, now_ms=time.time_ns() // 1_000_000)
        yield report, local.cosigned(profile.store), stamps


def verify_copy(profile: Profile) -> Report:
    """Verify what was copied and not verified yet."""
    anchor = local.trusted(profile)
    note, size = local.copied(profile.store)
    head = local.copied_head(profile.store)
    with progress("leaves verified", size) as shown:
        report = examine_copy(
            profile.store.copy,
            checkpoint=note,
            anchor=anchor,
            control_head=head,
            selection=local.grant_of(profile.store),
            advanced=shown.advance,
        )
        # Whoever asks something next waits for an answer; here somebody waits for a million signatures anyway.
        profile.store.copy.prepare_questions()
        return report
