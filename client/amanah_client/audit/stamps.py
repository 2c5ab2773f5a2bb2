"""What time stamps say of a record: the leaves of a checkpoint existed *not after* a time, by an authority.

That is kept apart from what senders claim, the relay accepts and witnesses cosign. An authority is trusted by
its root certificate, which the auditor brings along. A token counts while its signing certificate has not
ended; after that, as long as a newer token that counts covers it and was made before its end (RFC 4998,
section 5.3, in spirit). Whether a certificate was revoked cannot be asked offline, and is not.

Signatures are verified once: what was found is kept in the register, under a digest of all that it rests on.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import groupby
from operator import itemgetter
from typing import Final, NamedTuple

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256

from amanah_client.audit.record import Report
from amanah_client.audit.report import Finding, Findings
from amanah_client.store.copy import AuditCopy
from amanah_protocol.crypto import sha256
from amanah_protocol.errors import Code, PeerError, UsageError, VerifyError
from amanah_protocol.limits import CLOCK_REMARK_MS
from amanah_protocol.log.checkpoint import decode_checkpoint
from amanah_protocol.log.policy import Policy
from amanah_protocol.log.stamp import MAX_TOKENS, Token, decode_token, find_covered, parse_token

_EXTRA: Final = "rfc3161_client"
_NOT_HERE: Final = "time stamps are not checked here: the extra `timestamps` is not installed"
_PUT: Final = "INSERT INTO dated VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_READ: Final = """
    SELECT authority, state, made_ms, ends_ms, covers, code, text, counts FROM dated WHERE size = ? ORDER BY place"""
_TOGETHER: Final = 500
"""Checkpoints whose result is written in one transaction."""


class State(StrEnum):
    """What was found of a token."""

    HOLDS = "holds"
    ENDED = "ended"
    """Its certificate has ended, and nothing that counts covers it in time: it says nothing any more."""
    UNKNOWN = "not checked: unknown authority"
    UNCHECKED = "not checked here"
    FAILS = "does not hold"


class Root(NamedTuple):
    """A trusted root of an authority, and how the auditor calls it."""

    name: str
    certificate: x509.Certificate


class Link(NamedTuple):
    """A token as far as it was verified.

    Attributes:
        authority: The auditor's name of the authority; where it is not known, the relay's.
        state: What was found, without asking whether its certificate has ended.
        made_ms: The authority's time, its accuracy added; None where the token does not parse.
        ends_ms: When its certificate ends; None likewise.
        covers: Places, in the order of the checkpoint, of tokens that it covers.
        code: What is wrong with it; "" for nothing.
        text: The same for people.
    """

    authority: str
    state: State
    made_ms: int | None = None
    ends_ms: int | None = None
    covers: tuple[int, ...] = ()
    code: str = ""
    text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stamps:
    """What a record's time stamps are worth.

    Attributes:
        counts: (authority, state) -> how many tokens.
        checkpoints: How many checkpoints have one that counts.
        size: Leaves under the largest of these.
    """

    counts: tuple[tuple[str, State, int], ...] = ()
    checkpoints: int = 0
    size: int = 0

    @property
    def all_checked(self) -> bool:
        """Whether something is known of each token."""
        return not any(state in (State.UNKNOWN, State.UNCHECKED) for _, state, _ in self.counts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trust:
    """What time stamps are held against.

    Attributes:
        roots: Authorities that are trusted.
        now_ms: Whether a certificate has ended is asked at this time.
    """

    roots: Sequence[Root]
    now_ms: int


NO_AUTHORITY: Final = Trust(roots=(), now_ms=0)


def load_roots(pem: bytes, policy: Policy | None = None) -> tuple[Root, ...]:
    """The roots of a PEM file: those that the policy names, or all where it names none.

    Raises:
        UsageError: `CONFIG` when the file holds no certificate, or none of a name in the policy.
    """
    try:
        certificates = x509.load_pem_x509_certificates(pem)
    except ValueError as error:
        raise UsageError(Code.CONFIG, "the file of --tsa holds no certificates in PEM") from error
    if policy is None or not policy.timestamps:
        return tuple(Root(_subject(one), one) for one in certificates)
    found = {one.fingerprint(SHA256()): one for one in certificates}
    missing = [name for name, digest in policy.timestamps.items() if digest not in found]
    if missing:
        detail = f"the file of --tsa does not hold the root of {', '.join(missing)}, which the policy names"
        raise UsageError(Code.CONFIG, detail)
    return tuple(Root(name, found[digest]) for name, digest in policy.timestamps.items())


def examine_stamps(
    report: Report,
    stamps: Iterable[tuple[int, str, bytes]],
    note_of: Callable[[int], bytes | None],
    trust: Trust,
) -> tuple[Report, Stamps]:
    """Hold time stamps against an examined record; what was found is added to its findings.

    Args:
        report: The examined record; its copy keeps what was found.
        stamps: (size, authority as the relay says, token), as in a bundle: ascending by size, of one in order.
        note_of: The checkpoint of a size, as signed.
        trust: What they are held against.

    Raises:
        OperationalError: `STORE` or `DISK_FULL`.
    """
    found: list[Finding] = []
    findings = Findings(found.append)
    examination = _Stamps(report, findings, trust)
    seen: set[int] = set()
    for size, group in groupby(stamps, key=itemgetter(0)):
        if size in seen or size > report.size:
            findings.fault(None, Code.PROOF, f"time stamps of the checkpoint of size {size} stand where none belong")
            continue
        seen.add(size)
        examination.take(size, note_of(size), [(authority, token) for _, authority, token in group])
    examination.forget_others(seen)
    summary = examination.summary()
    if any(state is State.UNCHECKED for _, state, _ in summary.counts):
        findings.remark(None, Code.CONFIG, _NOT_HERE)
    counted = replace(report, findings=(*report.findings, *found), faults=report.faults + findings.faults)
    return counted, summary


def standing(links: Sequence[Link], now_ms: int) -> tuple[bool, ...]:
    """Which of the tokens of a checkpoint count at a time.

    Args:
        links: In order.
        now_ms: The time.
    """
    counts = [False] * len(links)
    # What covers a token stands behind it.
    for place in range(len(links) - 1, -1, -1):
        link = links[place]
        if link.state is not State.HOLDS or link.ends_ms is None:
            continue
        ends_ms = link.ends_ms
        counts[place] = now_ms <= ends_ms or any(
            counts[later] and place in links[later].covers and (links[later].made_ms or 0) <= ends_ms
            for later in range(place + 1, len(links))
        )
    return tuple(counts)


def judge(note: bytes, tokens: Sequence[tuple[str, bytes]], roots: Sequence[Root]) -> tuple[Link, ...]:
    """Verify the tokens of one checkpoint.

    Args:
        note: The checkpoint as signed.
        tokens: (authority as the relay says, token), in order.
        roots: Authorities that are trusted.
    """
    if importlib.util.find_spec(_EXTRA) is None:
        return tuple(Link(authority, State.UNCHECKED) for authority, _ in tokens)
    links: list[Link] = []
    for place, (authority, data) in enumerate(tokens):
        try:
            if place >= MAX_TOKENS:
                raise VerifyError(Code.TOO_LARGE, f"a checkpoint has at most {MAX_TOKENS} of them")
            links.append(_judge(note, data, [token for _, token in tokens[:place]], authority, roots))
        except PeerError as error:
            links.append(Link(authority, State.FAILS, code=error.code, text=error.detail))
    return tuple(links)


def _judge(note: bytes, data: bytes, older: Sequence[bytes], said: str, roots: Sequence[Root]) -> Link:
    token = decode_token(data)
    covers = find_covered(token.imprint, note, older)
    if covers is None:
        raise VerifyError(Code.CONTENT_HASH, "it covers something else than its checkpoint")
    link = Link(said, State.UNKNOWN, token.made_ms, token.ends_ms, covers)
    candidates = [root for root in roots if _names(token, root.certificate)]
    if not candidates:
        return link
    for root in candidates:
        if _holds(token, root.certificate):
            return link._replace(authority=root.name, state=State.HOLDS)
    raise VerifyError(Code.SIGNATURE, f"it names {candidates[0].name}, and does not verify by that certificate")


def _names(token: Token, root: x509.Certificate) -> bool:
    """Whether the certificates of a token lead to a root, by what they say: whether they are its is verified later."""
    (_, issuer), *left = token.names
    while issuer != root.subject:
        above = next((one for one in left if one[0] == issuer), None)
        if above is None:
            return False
        left.remove(above)
        issuer = above[1]
    return True


def _holds(token: Token, root: x509.Certificate) -> bool:
    """Whether signature and certificates verify, at the token's own time."""
    from rfc3161_client import VerifierBuilder  # noqa: PLC0415 - an extra

    try:
        return VerifierBuilder(roots=[root]).build().verify(parse_token(token.data), token.imprint)
    except Exception:  # noqa: BLE001 - what does not verify does not hold, whatever the library says of it
        return False


def read_links(copy: AuditCopy, size: int) -> list[tuple[Link, bool]]:
    """What was found of the tokens of a checkpoint, in order, and whether each of them counted."""
    with copy.reading() as connection:
        rows = connection.execute(_READ, (size,)).fetchall()
    return [_link(*row) for row in rows]


class _Stamps:
    """One pass over the time stamps of a record."""

    def __init__(self, report: Report, findings: Findings, trust: Trust) -> None:
        self._copy = report.record.copy
        self._size, self._root = report.size, report.root
        self._findings = findings
        self._roots = trust.roots
        self._now_ms = trust.now_ms
        self._fresh: list[tuple[int, bytes, list[tuple[Link, bool]]]] = []
        trusted = sorted((root.name, root.certificate.fingerprint(SHA256())) for root in trust.roots)
        self._trust = msgspec.msgpack.encode([trusted, importlib.util.find_spec(_EXTRA) is not None])

    def take(self, size: int, note: bytes | None, tokens: Sequence[tuple[str, bytes]]) -> None:
        """Judge the tokens of one checkpoint, or take what was found of them before."""
        if note is None or not self._is_of_record(size, note):
            self._findings.fault(
                None, Code.PROOF, f"time stamps on a checkpoint of size {size} that the record has not"
            )
            return
        digest = sha256(msgspec.msgpack.encode([self._trust, note, *tokens]))
        known = self._known(size, digest)
        links = judge(note, tokens, self._roots) if known is None else tuple(link for link, _ in known)
        counts = standing(links, self._now_ms)
        found = list(zip(links, counts, strict=True))
        if found != known:
            self._fresh.append((size, digest, found))
            if len(self._fresh) >= _TOGETHER:
                self.write()
        for place, (link, one) in enumerate(found, start=1):
            self._say(size, place, link, counts=one)

    def write(self) -> None:
        """Keep what was found anew."""
        fresh, self._fresh = self._fresh, []
        with self._copy.writing() as connection:
            for size, digest, found in fresh:
                connection.execute("DELETE FROM dated WHERE size = ?", (size,))
                connection.executemany(_PUT, [_row(size, place, *one) for place, one in enumerate(found)])
                connection.execute("INSERT OR REPLACE INTO judged VALUES (?, ?)", (size, digest))

    def _say(self, size: int, place: int, link: Link, *, counts: bool) -> None:
        which = f"time stamp {place} of the checkpoint of size {size}"
        if link.state is State.FAILS:
            self._findings.fault(None, Code(link.code), f"{which}: {link.text}")
        elif link.state is State.HOLDS and not counts:
            text = f"{which}: the certificate of {link.authority} has ended, and it was not renewed in time"
            self._findings.remark(None, Code.EXPIRED, text)
        elif counts and link.made_ms is not None:
            accepted = self._last_accepted(size)
            if accepted is not None and accepted > link.made_ms + CLOCK_REMARK_MS:
                late = (accepted - link.made_ms) // 1000
                text = f"{which}: {link.authority} dates it {late} s before the relay accepted what stands under it"
                self._findings.remark(None, Code.CLOCK, text)

    def _is_of_record(self, size: int, note: bytes) -> bool:
        """Whether a checkpoint is one of those that the examination has held against the leaves, or leads there."""
        with self._copy.reading() as connection:
            held = connection.execute("SELECT note FROM bound WHERE size = ?", (size,)).fetchone()
        if held is None:
            return False
        if held[0] == sha256(note):
            return True
        # That of the whole record may have other cosignatures than the one that was published.
        try:
            checkpoint = decode_checkpoint(note)[0]
        except PeerError:
            return False
        return (checkpoint.size, checkpoint.root) == (size, self._root) and size == self._size

    def _last_accepted(self, size: int) -> int | None:
        query = 'SELECT accepted_ms FROM accepted WHERE "index" < ? ORDER BY "index" DESC LIMIT 1'
        with self._copy.reading() as connection:
            found = connection.execute(query, (size,)).fetchone()
        return None if found is None else int(found[0])

    def _known(self, size: int, digest: bytes) -> list[tuple[Link, bool]] | None:
        with self._copy.reading() as connection:
            found = connection.execute("SELECT digest FROM judged WHERE size = ?", (size,)).fetchone()
        return read_links(self._copy, size) if found is not None and found[0] == digest else None

    def forget_others(self, sizes: set[int]) -> None:
        """All were taken: drop what was found of checkpoints whose time stamps are not there any more."""
        self.write()
        with self._copy.writing() as connection:
            gone = [(size,) for (size,) in connection.execute("SELECT size FROM judged") if size not in sizes]
            for table in ("judged", "dated"):
                connection.executemany(f"DELETE FROM {table} WHERE size = ?", gone)  # noqa: S608 - a name of ours

    def summary(self) -> Stamps:
        """How many tokens are worth what."""
        ended = f"CASE WHEN state = '{State.HOLDS}' AND counts = 0 THEN '{State.ENDED}' ELSE state END"
        query = f"SELECT authority, {ended} AS worth, count(*) FROM dated GROUP BY 1, 2 ORDER BY 1, 2"  # noqa: S608 - words of ours
        with self._copy.reading() as connection:
            rows = connection.execute(query).fetchall()
            total = "SELECT count(DISTINCT size), coalesce(max(size), 0) FROM dated WHERE counts = 1"
            checkpoints, size = connection.execute(total).fetchone()
        return Stamps(
            counts=tuple((authority, State(state), count) for authority, state, count in rows),
            checkpoints=checkpoints,
            size=size,
        )


def _row(size: int, place: int, link: Link, counts: bool) -> tuple[object, ...]:  # noqa: FBT001 - a cell's value
    covers = msgspec.msgpack.encode(link.covers)
    times = link.made_ms, link.ends_ms
    return size, place, link.authority, str(link.state), *times, covers, link.code, link.text, int(counts)


def _link(
    authority: str,
    state: str,
    made_ms: int | None,
    ends_ms: int | None,
    covers: bytes,
    code: str,
    text: str,
    counts: int,
) -> tuple[Link, bool]:
    places = msgspec.msgpack.decode(covers, type=tuple[int, ...])
    return Link(authority, State(state), made_ms, ends_ms, places, code, text), bool(counts)


def _subject(certificate: x509.Certificate) -> str:
    """How a root is called that no policy names."""
    return certificate.subject.rfc4514_string() or certificate.fingerprint(SHA256()).hex()[:16]
