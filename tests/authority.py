"""A time-stamping authority made with OpenSSL, and a site that answers for it on loopback.

`reply` is `openssl ts`, as an authority in earnest would answer. `token_at` signs a token of any time by
`openssl cms`, because `openssl ts` knows no other time than now.
"""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from tests.site import Answer, Site

DAY: Final = timedelta(days=1)
DAY_MS: Final = 86_400_000
REPLY_TYPE: Final = "application/timestamp-reply"
# `certs` is left out: OpenSSL would not sort them as DER wants a SET, and strict readers refuse that.
_CONFIG: Final = """
[tsa]
default_tsa = one
[one]
serial = {folder}/serial
signer_cert = {folder}/signer.pem
signer_key = {folder}/signer.key
signer_digest = sha256
default_policy = 1.2.3.4
digests = sha256, sha512
accuracy = secs:1
ess_cert_id_alg = sha256
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Authority:
    """An authority; its files are in a folder of its own.

    Attributes:
        folder: Where they are.
        root: The certificate that auditors trust.
        root_key: Its key.
    """

    folder: Path
    root: x509.Certificate
    root_key: ec.EllipticCurvePrivateKey

    @property
    def pem(self) -> bytes:
        """The root."""
        return self.root.public_bytes(Encoding.PEM)

    @property
    def root_hash(self) -> bytes:
        """SHA-256 of its DER."""
        return self.root.fingerprint(SHA256())

    def sign_with_new(self, begins: datetime, ends: datetime, *, critical: bool = True) -> None:
        """Sign with a new certificate from now on."""
        key = ec.generate_private_key(ec.SECP256R1())
        usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING])
        certificate = (
            _builder(x509.Name([_name("signer")]), self.root.subject, key, begins, ends)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(usage, critical=critical)
            .sign(self.root_key, SHA256())
        )
        (self.folder / "signer.pem").write_bytes(certificate.public_bytes(Encoding.PEM))
        (self.folder / "signer.key").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))

    def reply(self, query: bytes) -> bytes:
        """Answer a request."""
        (self.folder / "query").write_bytes(query)
        _openssl("ts", "-reply", "-queryfile", "query", "-config", "ts.cnf", "-out", "reply", folder=self.folder)
        return (self.folder / "reply").read_bytes()

    def twin(self, ends: datetime) -> bytes:
        """A certificate, in PEM, of the signing one's names and number, by a key that nobody trusts; it ends then."""
        (signer,) = x509.load_pem_x509_certificates((self.folder / "signer.pem").read_bytes())
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = (
            x509.CertificateBuilder()
            .subject_name(signer.subject)
            .issuer_name(signer.issuer)
            .public_key(key.public_key())
            .serial_number(signer.serial_number)
            .not_valid_before(signer.not_valid_before_utc)
            .not_valid_after(ends)
            # Longer than the signing one: in a SET in DER it stands behind that.
            .add_extension(x509.SubjectAlternativeName([x509.DNSName("x" * 60)]), critical=False)
            .add_extension(x509.SubjectKeyIdentifier(bytes(200)), critical=False)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING]), critical=True)
            .sign(key, SHA256())
        )
        return certificate.public_bytes(Encoding.PEM)

    def certify(self, other: Authority) -> bytes:
        """A certificate, in PEM, by which another authority's root stands under this one."""
        now = datetime.now(UTC)
        certificate = (
            _builder(other.root.subject, self.root.subject, other.root_key, now - 5000 * DAY, now + 6000 * DAY)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .sign(self.root_key, SHA256())
        )
        return certificate.public_bytes(Encoding.PEM)

    def token_at(self, imprint: bytes, made: datetime, *, nonce: int = 7, between: str = "") -> bytes:
        """A token over a SHA-256 that says this time; `between` is the file of a certificate that stands in it too."""
        number = nonce.to_bytes(nonce.bit_length() // 8 + 1, "big")
        info = _der(
            0x30,
            _der(0x02, b"\x01")
            + bytes.fromhex("06032a0304")
            + _der(0x30, bytes.fromhex("300d06096086480165030402010500") + _der(0x04, imprint))
            + _der(0x02, b"\x05")
            + _der(0x18, made.strftime("%Y%m%d%H%M%SZ").encode())
            + _der(0x02, number),
        )
        (self.folder / "info").write_bytes(info)
        command = ["cms", "-sign", "-binary", "-nodetach", "-nosmimecap", "-cades", "-md", "sha256", "-outform", "DER"]
        files = ["-in", "info", "-out", "token", "-signer", "signer.pem", "-inkey", "signer.key"]
        files += ["-certfile", between] if between else []
        _openssl(*command, "-econtent_type", "id-smime-ct-TSTInfo", *files, folder=self.folder)
        return (self.folder / "token").read_bytes()


def make_authority(
    folder: Path, *, name: str = "root", begins: datetime | None = None, ends: datetime | None = None
) -> Authority:
    """Make an authority with a root of 30 years, and a signing certificate of one year unless it is said otherwise."""
    folder.mkdir()
    now = datetime.now(UTC)
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([_name(name)])
    root = (
        _builder(subject, subject, key, now - 5000 * DAY, now + 6000 * DAY)
        .add_extension(x509.BasicConstraints(ca=True, path_length=1), critical=True)
        .sign(key, SHA256())
    )
    (folder / "serial").write_text("01")
    (folder / "ts.cnf").write_text(_CONFIG.format(folder=folder))
    authority = Authority(folder=folder, root=root, root_key=key)
    authority.sign_with_new(begins or now - DAY, ends or now + 365 * DAY)
    return authority


@dataclass(slots=True, kw_only=True, eq=False)
class AuthoritySite(Site):
    """An authority over HTTP.

    Attributes:
        authority: Who answers.
        faults: What is answered instead, first first; None answers nothing and keeps the connection.
        requests: What it was asked.
    """

    authority: Authority
    faults: list[Answer | None] = field(default_factory=list)
    requests: list[bytes] = field(default_factory=list)

    @property
    def address(self) -> str:
        """Where it is asked."""
        return f"http://127.0.0.1:{self.port}/tsa"

    async def answer(self, _: str, body: bytes) -> Answer:
        """A reply to a query, or a fault."""
        self.requests.append(body)
        answer = self.faults.pop(0) if self.faults else (200, REPLY_TYPE, self.authority.reply(body))
        if answer is None:
            await asyncio.Event().wait()
        assert answer is not None
        return answer


@contextlib.contextmanager
def serving(authority: Authority, *faults: Answer | None) -> Iterator[AuthoritySite]:
    """The authority on loopback, in a thread of its own."""
    site = AuthoritySite(authority=authority, faults=list(faults))
    up, loop = threading.Event(), asyncio.new_event_loop()
    stop = asyncio.Event()

    async def serve() -> None:
        async with site.running():
            up.set()
            await stop.wait()

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()))
    thread.start()
    assert up.wait(20)
    try:
        yield site
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()
        loop.close()


def _name(text: str) -> x509.NameAttribute[str]:
    return x509.NameAttribute(NameOID.COMMON_NAME, text)


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, begins: datetime, ends: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(ends)
    )


def _openssl(*arguments: str, folder: Path) -> None:
    subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True, timeout=60)


def _der(tag: int, body: bytes) -> bytes:
    length = len(body)
    return bytes((tag, length)) + body if length < 0x80 else bytes((tag, 0x81, length)) + body
