"""An auditor's profile on disk, and the command line in it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from amanah_client import effects as e
from amanah_client.audit.local import remember_roster
from amanah_client.home import Home, Profile, create_profile
from amanah_client.keystore import create_key_file
from amanah_client.log_rows import AuditRow, LogView
from tests.client.audit.world import (
    AUDITOR_TN,
    TN,
    Incident,
    incident,
)
from tests.vectors import examples as x

TOLD = incident()
ROSTER = x.roster_of().endorsed.encode()


def home_at(path: Path) -> Profile:
    home = Home(path)
    home.path.mkdir(mode=0o700)
    return create_profile(home, create_key_file(home.key_file))


def enrol(profile: Profile) -> None:
    profile.keystore.put("device", x.example_seed("auditor tn"))
    profile.store.install(
        certificate=AUDITOR_TN.certificate.encoded,
        enrolment=x.nation(TN).enrolment.endorsed.encode(),
        profile=x.profile().encoded,
        roster=ROSTER,
    )
    remember_roster(profile, ROSTER)


def copy(profile: Profile, told: Incident, rows: list[AuditRow] | None = None) -> None:
    view = LogView(size=told.log.size, root=told.log.root, checkpoint=told.log.checkpoint(), seen_at_ms=0)
    head = e.PutControlHead(head=told.log.control_head())
    profile.store.commit(
        (e.PutAuditRows(rows=tuple(told.rows() if rows is None else rows)), e.PutLogView(view=view), head)
    )


Audit = Callable[..., tuple[int, str, str]]
"""Runs `amanah audit`: exit code, standard output, standard error."""
