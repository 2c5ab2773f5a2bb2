"""Real nations for tests: organisations, a real relay process on loopback, enrolled profiles on disk."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from amanah_client import enrolment, organisation
from amanah_client.custodians import add_custodian, make_custodian
from amanah_client.home import Home, Profile, create_profile
from amanah_client.keystore import create_key_file
from amanah_protocol import identity
from amanah_protocol.cards import Armour, OrganisationCard, Reply, armour
from amanah_protocol.endorse import Endorsed
from amanah_protocol.identity import DeviceRequest, Role
from amanah_protocol.labels import Label
from amanah_protocol.roster import roster_document
from amanah_protocol.types import PersonId
from amanah_relay.keys import create_relay_keys
from amanah_relay.store import Store
from scripts.ports import free_port

PROGRAMS: Final = Path(sys.executable).parent
ORIGIN: Final = "relay.example.org/log"
WAIT_S: Final = 30


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def new_profile(path: Path) -> Profile:
    home = Home(path)
    home.make_folder()
    return create_profile(home, create_key_file(home.key_file))


@dataclass(frozen=True, kw_only=True)
class Nation:
    """An organisation's own profile, and its card."""

    profile: Profile
    card: OrganisationCard

    @property
    def name(self) -> str:
        return self.card.organisation.name


class Relay:
    """The real program, as its own process."""

    def __init__(self, folder: Path, port: int) -> None:
        self._folder = folder
        self.port = port
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it listens."""
        said = self._folder / "said.txt"
        with said.open("wb") as errors:
            self._process = subprocess.Popen(
                [str(PROGRAMS / "amanah-relay"), "serve", "--home", str(self._folder)],
                stdin=subprocess.DEVNULL,
                stderr=errors,
            )
        deadline = time.monotonic() + WAIT_S
        while "listening" not in said.read_text():
            assert self._process.poll() is None, said.read_text()
            assert time.monotonic() < deadline, said.read_text()
            time.sleep(0.02)

    def stop(self) -> int:
        """End it in order; gives its exit code."""
        if self._process is None:
            return 0
        self._process.terminate()
        code, self._process = self._process.wait(WAIT_S), None
        return code

    def kill(self) -> None:
        """End it as a power cut would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(WAIT_S)
            self._process = None


class Nations:
    """A community in a folder: `start` its relay, `enrol` its devices."""

    def __init__(
        self, folder: Path, names: Iterable[str] = ("cert.example.tn", "cert.example.ma"), *, custodians: bool = False
    ) -> None:  # fmt: skip
        self.folder = folder
        self.members: dict[str, Nation] = {}
        for name in names:
            profile = new_profile(folder / name)
            card = organisation.create_organisation(profile, identity.parse_organisation(name))
            if custodians:
                card = self._second_party(profile, name)
            self.members[name] = Nation(profile=profile, card=card)
        home = folder / "relay"
        home.mkdir(mode=0o700)
        self.relay = Relay(home, free_port())
        (home / "relay.toml").write_text(f"[listen]\nport = {self.relay.port}\n")
        keys = create_relay_keys(home / "relay.keys", ORIGIN)
        document = roster_document(
            version=1,
            community="Example circle",
            issued_ms=now_ms() - 60_000,
            threshold=1,
            organisations=tuple(nation.card.organisation for nation in self.members.values()),
            relays=(keys.card((f"ws://127.0.0.1:{self.relay.port}",)),),
        )
        unsigned = Endorsed(document=document, signatures=()).encode()
        self.roster = organisation.sign_roster(next(iter(self.members.values())).profile, unsigned)
        Store.init(f"sqlite:///{home / 'relay.db'}", roster=self.roster, origin=ORIGIN, now_ms=now_ms()).close()

    def _second_party(self, profile: Profile, name: str) -> OrganisationCard:
        """A custodian with a profile of its own, in the organisation's card."""
        with new_profile(self.folder / f"custodian of {name}") as custodian:
            key = make_custodian(custodian, identity.parse_organisation(name))
        add_custodian(profile, key)
        return organisation.own_card(profile)

    def enrol(
        self,
        name: str,
        nation: str,
        *,
        role: Role = Role.OFFICER,
        expired: bool = False,
        called: str = "",
        ceiling: Label = Label.RED,
        subject: PersonId | None = None,
    ) -> Path:
        """An enrolled profile in a folder of this name; gives it."""
        path = self.folder / name
        with new_profile(path) as profile:
            party = identity.parse_organisation(nation)
            request = enrolment.request_device(profile, organisation=party, role=role, subject=subject)
            reply = self.reply(request, called or name, ceiling)
            if expired:
                reply = self._outlived(request, reply)
                profile.store.install(
                    certificate=reply.certificate,
                    enrolment=reply.enrolment,
                    profile=reply.profile,
                    roster=reply.roster,
                )
            else:
                enrolment.install_reply(profile, reply)
        return path

    def reply(self, request: DeviceRequest, name: str, ceiling: Label = Label.RED) -> Reply:
        """What its organisation hands back to a device."""
        issuer = self.members[request.organisation].profile
        return organisation.certify(issuer, request, name=name, ceiling=ceiling, roster=self.roster)

    def _outlived(self, request: DeviceRequest, reply: Reply) -> Reply:
        """The same with a certificate that ended an hour ago."""
        certificate = identity.issue_certificate(
            request,
            self.members[request.organisation].profile.key("enrolment"),
            now_ms=now_ms() - 2 * 3_600_000,
            ceiling=Label.RED,
            profile_mac=identity.decode_profile(reply.profile).mac,
            lifetime_ms=3_600_000,
        )
        return Reply(
            certificate=certificate.encoded, enrolment=reply.enrolment, profile=reply.profile, roster=reply.roster
        )

    def roster_file(self) -> Path:
        """The roster as people hand it to each other."""
        path = self.folder / "roster.txt"
        path.write_text(armour(Armour.ROSTER, self.roster))
        return path

    def close(self) -> None:
        """Stop the relay and lock the organisations' profiles."""
        self.relay.stop()
        for nation in self.members.values():
            nation.profile.close()


@dataclass(frozen=True, kw_only=True)
class Ran:
    """What a command did."""

    code: int
    out: str
    err: str


def amanah(home: Path, *words: str, stdin: str = "") -> Ran:
    """Run the real command line as its own process."""
    ran = subprocess.run(
        [str(PROGRAMS / "amanah"), *words],
        env={**os.environ, "AMANAH_HOME": str(home)},
        input=stdin,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return Ran(code=ran.returncode, out=ran.stdout, err=ran.stderr)
