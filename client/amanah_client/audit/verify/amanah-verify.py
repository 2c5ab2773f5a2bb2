"""Verify an evidence bundle of Amanah: one file to read, with nothing but Python and PyNaCl beneath it.

    python3 amanah-verify.py FILE [--policy POLICY] [--roster ROSTER]... [--remembered CHECKPOINT]... [--json]

Exit 0: the bundle holds, and is anchored in what you gave. 5: it does not, or is anchored in nothing. 2: a wrong call.
Written from docs/protocol.md, RFC 8949, 9052, 9162 and the C2SP texts, it shares no line with what made the bundle.
`need` refuses: who has read each `need` has read each check. Formats stand as data (`[UINT, HASH]` is `[uint, hash]`);
`fit` holds a value against one. Begin with `Bundle.verify`, which does section 12 in its order, and read backwards.
"""

# fmt: off
import argparse, base64, datetime as dt, functools, hashlib, hmac, itertools, json, pathlib, re, struct, sys, zlib
from collections.abc import Callable, Iterable, Iterator
from types import SimpleNamespace
from typing import Any, BinaryIO
from nacl import exceptions, signing
Value = Any  # what was held against a format: its fields are named and typed as there
KIB, MIB, DAY, YEAR_9999, CONTROL, ZEROS = 1024, 1024 * 1024, 86_400_000, 253_402_300_799_999, bytes(16), bytes(32)
MAX_ARCHIVE, MAX_POINTS, MAX_ROOMS, MAX_DISCLOSURES, MAX_FAULTS = 2**32 - 1, 2**20, 2**17, 2**16, 1_000
WRONG = (ValueError, RecursionError, exceptions.BadSignatureError)  # what is not as it has to be, by us or a library
NOTHING = SimpleNamespace(room=b"", kid=b"", counter=0, commitment=b"", organisation="", auditor="")
def need(holds: bool, reason: str, value: Value = None) -> Value:  # noqa: FBT001 - what one reads first
    if not holds: raise ValueError(reason)
    return value
def refused(check: Callable[..., object], *arguments: object) -> str:  # why, or nothing where it holds
    try: check(*arguments)
    except WRONG as wrong: return str(wrong) or "refused"
    return ""
def sha256(*parts: bytes) -> bytes: return hashlib.sha256(b"".join(parts)).digest()  # one behind the other
# Section 1: encoding. One value has one encoding (RFC 8949, narrowed), so to read it is to prove its form.
def decode(data: bytes, levels: int = 8) -> Value:  # the one value that these bytes encode; `fit` types it
    value, end = item(data, 0, levels)
    return need(end == len(data), "bytes follow a CBOR value", value)
def item(data: bytes, at: int, levels: int) -> tuple[object, int]:  # the value at a place, and the place behind it
    major, number = divmod(data[at], 32) if at < len(data) else (7, 31)
    need(number < 24 or (number < 28 and major < 6), "CBOR is cut off, of indefinite length, a tag or a float")
    at += 1 + (width := 1 << (number - 24) if number > 23 else 0)
    number = int.from_bytes(data[at - width : at], "big") if width else number
    need(number >= {0: 0, 1: 24}.get(width, 1 << 4 * width) and at <= len(data), "a CBOR head, too long or cut off")
    if major < 2: return number if major == 0 else -1 - number, at
    need(major < 6 or (major == 7 and number in (20, 21, 22)), "a CBOR tag, or neither false, true nor null")
    if major > 5: return (False, True, None)[number - 20], at
    need(number <= (1_000 if major == 5 else len(data) - at), "a CBOR string, array or map is too long, or cut off")
    if major < 4: return data[at : at + number] if major == 2 else data[at : at + number].decode(), at + number
    need(levels > 0 or number == 0, "CBOR is nested too deeply")
    found, before = list[Any](), b""
    for place in range(number if major == 4 else 2 * number):  # of a map, keys and values by turns
        (value, at), start = item(data, at, levels - 1), at
        found.append(value)
        if major == 5 and place % 2 == 0:
            before = need(type(value) in (int, str) and data[start:at] > before, "a CBOR map's keys", data[start:at])
    return found if major == 4 else dict(zip(found[::2], found[1::2], strict=True)), at
def encoded(major: int, rest: bytes, number: int | None = None) -> bytes:  # a head of least length, and its content
    number = len(rest) if number is None else number
    width = next(width for width in (0, 1, 2, 4, 8) if number < (1 << 8 * width if width else 24))
    return bytes([major * 32 + (23 + width.bit_length() if width else number)]) + number.to_bytes(8)[8 - width :] + rest
def fit(wanted: Value, value: Value) -> Value:  # hold a value against a format, and give it back
    # A range stands for integers, a slice for lengths of bytes, a number for a text's most characters, a pattern for a
    # text; a list for an array of these, a dictionary with names; a tuple for what, least, most, ascending, or as said.
    match wanted:
        case range(): need(type(value) is int and value in wanted, f"no number from {wanted[0]} to {wanted[-1]}")
        case slice(start=a, stop=b): need(type(value) is bytes and a <= len(value) <= b, f"not {a} to {b} bytes")
        case int(): need(type(value) is str and len(value) <= wanted, f"a text of at most {wanted} is wanted")
        case re.Pattern(): need(type(value) is str and bool(wanted.fullmatch(value[:254])), "a text of another form")
        case list():
            need(type(value) is list and len(value) == len(wanted), f"an array of {len(wanted)} is wanted")
            return [fit(form, one) for form, one in zip(wanted, value, strict=True)]
        case dict(): return SimpleNamespace(**dict(zip(wanted, fit([*wanted.values()], value), strict=True)))
        case ("or null", form): return None if value is None else fit(form, value)
        case ("object", forms):
            need(type(value) is dict and value.keys() == forms.keys(), f"not an object of {', '.join(forms)}")
            return fit(forms, [value[name] for name in forms])
        case (form, least, most, ascends):
            need(type(value) is list and least <= len(value) <= most, f"an array of {least} to {most} is wanted")
            found = [fit(form, one) for one in value]
            return need(not ascends or all(a < b for a, b in itertools.pairwise(found)), "it does not ascend", found)
        case _: need(isinstance(value, wanted), "a value of another type")
    return value
UINT, POSITIVE, LABEL, KIND, ROLE = range(2**63), range(1, 2**63), range(5), range(1, 17), range(1, 7)
SUITE, ID, HASH, NAME, HEX = range(2**16), slice(16, 16), slice(32, 32), 253, re.compile("[0-9a-f]{64}")
SHA256, TIME = re.compile("sha256:[0-9a-f]{64}"), re.compile(r"[0-9]{4}(-\d\d){2}T\d\d(:\d\d){2}\.\d{3}Z", re.ASCII)
ORGANISATION = re.compile(r"(?=.{3,253}$)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)+")
OFFICER, BOT, SENSOR, AUDITOR, LOG, COSIGNER, ML_DSA = 1, 2, 3, 4, 1, 4, 6  # roles; types of keys of notes
SUITES, DEVICES, SOME = (SUITE, 1, 8, True), (HASH, 0, 96, True), (HASH, 1, 96, True)
class Signed:  # Section 2: a COSE_Sign1 of one `typ`, taken apart; `verify` holds it against a key
    def __init__(self, data: bytes, typ: str, most: int, start: bytes = b"\xa3\x01\x32\x04\x58\x20") -> None:
        need(len(data) <= most and data[:1] == b"\xd2", f"not a COSE_Sign1 of at most {most} bytes")
        form = [slice(0, 4 * KIB), dict, bytes, slice(64, 64)]
        head, bare, self.payload, self.signature = fit(form, decode(data[1:], 2))
        self.kid = head[len(start) :][:32]
        before = start + self.kid + b"\x10" + encoded(3, b"application/amanah-" + typ.encode())
        self.rest = head[len(before) :]  # headers have one encoding, and are compared byte for byte around the key
        need(bare == {} and head.startswith(before) and (typ[:3] == "env" or not self.rest), "other headers")
        self.message = b"\x84\x6aSignature1" + encoded(2, head) + b"\x40" + encoded(2, self.payload)
    def verify(self, key: bytes) -> Value:  # the key is the one that is named, and it signed
        need(sha256(key) == self.kid, "the signer named is another")
        return signing.VerifyKey(key).verify(self.message, self.signature)
class Endorsed:  # a document and the signatures beside it
    def __init__(self, data: bytes, most: int = 2 * MIB) -> None:
        need(len(data) <= most, f"an endorsed document of more than {most} bytes")
        self.document, self.signatures = fit([slice(0, MIB), (slice(0, KIB), 0, 256, False)], decode(data))
        array = encoded(4, b"".join(encoded(2, one) for one in self.signatures), len(self.signatures))
        self.hash = sha256(self.document)
        self.logged = b"\x82" + encoded(2, self.hash) + encoded(2, sha256(array))  # what stands in the log for it
    def signers(self, keys: Iterable[bytes], typ: str = "endorsement") -> set[bytes]:  # of them; none signed wrongly
        known, opened = {sha256(key): key for key in keys}, [Signed(one, typ + "+cose", KIB) for one in self.signatures]
        for one in [one for one in opened if one.kid in known]:
            one.verify(known[one.kid])
            need(one.payload == encoded(2, self.hash), "a signature is of another document")
        return {known[one.kid] for one in opened if one.kid in known}
NOTE = re.compile(  # Section 8: notes, checkpoints, policies (C2SP signed-note, tlog-checkpoint, -cosignature, -policy)
    r"(?P<body>(?P<origin>[^\x00-\x1f\x7f-\x9f]+)\n(?P<size>0|[1-9][0-9]{0,18})\n(?P<root>[A-Za-z0-9+/]{43}=)\n)\n"
    "(?P<lines>(\N{EM DASH} [^\\s+\\x00-\\x1f]+ [A-Za-z0-9+/]{7,}={0,2}\n){1,64})")
def unbase64(written: str) -> Value:  # RFC 4648 section 4, in its one spelling
    data = base64.b64decode(written, validate=True)
    return need(base64.b64encode(data).decode() == written, "base64 that is not canonical", data)
def note_key(vkey: str) -> Value:  # of `name+hex(id)+base64(type, key)`
    name, written_id, written = [*vkey.split("+", 2), "", ""][:3]
    data = unbase64(written)
    need(bool(data) and len(data) == {LOG: 33, COSIGNER: 33, ML_DSA: 1313}.get(data[0]), "a note's key of another type")
    key_id = sha256(name.encode("utf-8", "surrogateescape"), b"\n", data)[:4]
    key = SimpleNamespace(name=name, id=key_id, kind=data[0], public=data[1:])
    return need(bool(re.fullmatch(r"[^\s+\x00-\x1f]+", name)) and written_id == key_id.hex(), "its name or id", key)
class Checkpoint:  # a head of the log, as a note of three lines; `Policy.judge` verifies it
    def __init__(self, data: bytes) -> None:
        found: Value = NOTE.fullmatch(data.decode()) if len(data) <= 256 * KIB else None
        need(found is not None and len(found["origin"].encode()) <= 255, "no signed checkpoint of three lines")
        self.body, self.origin, self.size = found["body"], found["origin"], fit(UINT, int(found["size"]))
        self.root, lines = unbase64(found["root"]), [line.split(" ") for line in found["lines"].split("\n")[:-1]]
        self.lines = [(name, unbase64(signature)) for _, name, signature in lines]
        need(self.size > 0 or self.root == sha256(), "the empty log has one root")
class Policy:  # whose signatures a checkpoint needs, and which roster is meant
    def __init__(self, data: bytes) -> None:
        self.quorum, self.roster, self.logs = "", b"", list[Value]()
        self.names: dict[str, Any] = {}  # a witness's key, or (threshold, members) of a group
        need(len(data) <= 2 * MIB and not re.search(rb"[^\t\n\x20-\x7e\x80-\xff]", data), "not the text of a policy")
        for number, line in enumerate(data.decode("utf-8", "surrogateescape").split("\n"), 1):
            words = [word for word in re.split("[ \t]+", line) if word]
            wrong = refused(self.take, words, [*words, ""][1]) if words and words[0][0] != "#" else ""
            need(not wrong, f"line {number} of the policy: {wrong}")
        need(bool(self.logs and self.quorum), "a policy has a log and a quorum")
    def take(self, words: list[str], name: str) -> None:  # the words of one line
        new, members = name != "none" and name not in self.names, words[3:]
        match words:
            case ["log", vkey] | ["log", vkey, _]: self.logs.append(note_key(vkey))
            case ["witness", _, vkey] | ["witness", _, vkey, _] if new: self.names[name] = note_key(vkey)
            case ["group", _, threshold, _, *_] if new:
                taken = [one for group in self.names.values() if type(group) is tuple for one in group[1]] + members
                need({*members} <= {*self.names} and len({*taken}) == len(taken), "a member that is unknown, or taken")
                written = {"any": "1", "all": str(len(members))}.get(threshold, threshold)
                need(re.fullmatch("[1-9][0-9]{0,2}", written) is not None, "the threshold of a group")
                self.names[name] = fit(range(1, len(members) + 1), int(written)), members
            case ["quorum", _] if not self.quorum and not new: self.quorum = name
            case ["roster", _] if not self.roster and SHA256.fullmatch(name): self.roster = bytes.fromhex(name[7:])
            case ["timestamp", _, root] if SHA256.fullmatch(root): pass  # whose tokens count, where they are checked
            case _: raise ValueError("a policy has no such line here")
        # By its key: a cosignature of Ed25519 binds no name, so one witness under two names could be a whole quorum.
        for bad, keys in ((COSIGNER, self.logs), (LOG, [key for key in self.names.values() if type(key) is not tuple])):
            need(len({key.public for key in keys if key.kind != bad}) == len(keys), "a key of another type, or twice")
    def reached(self, cosigned: Iterable[str]) -> bool:  # the quorum; a group names only what stands before it
        found = {"none", *cosigned}
        for name, group in self.names.items():
            found |= {name} if type(group) is tuple and len(found & {*group[1]}) >= group[0] else set()
        return self.quorum in found
    def judge(self, note: Checkpoint, say: set[str], *, quorum: bool) -> Value:  # gives the witnesses' times, in s
        keys = {(key.name, key.id): (name, key) for name, key in self.names.items() if type(key) is not tuple}
        keys |= {(key.name, key.id): ("", key) for key in self.logs if key.name == note.origin}
        lines = [(*keys[name, line[:4]], line) for name, line in note.lines if (name, line[:4]) in keys]
        times, unread = dict[str, int](), {witness for witness, key, _ in lines if key.kind == ML_DSA}
        say.update(["signatures with ML-DSA-44 on checkpoints"] * bool(unread))
        for witness, key, line in [one for one in lines if one[1].kind != ML_DSA]:
            time = fit(POSITIVE, int.from_bytes(line[4:12], "big")) if witness else 0
            message, signature = (f"cosignature/v1\ntime {time}\n", line[12:]) if witness else ("", line[4:])
            signing.VerifyKey(key.public).verify(f"{message}{note.body}".encode(), signature)
            times[witness] = max(time, times.get(witness, 0))
        need(times.pop("", 1) == 0, f"no log of the policy signed the checkpoint of {note.origin} at {note.size}")
        hope = ", unless cosignatures with ML-DSA-44 count, which are not read here" * self.reached(unread | {*times})
        return need(not quorum or self.reached(times), f"the quorum did not cosign it{hope}", sorted(times.values()))
    def recall(self, old: Checkpoint) -> Value:  # somebody kept it: the log signed it, whoever cosigned
        why = refused(lambda: self.judge(old, set(), quorum=False))
        return need(not why, f"the remembered checkpoint: {why}", old)
def signed(data: bytes, typ: str, most: int, form: Value) -> tuple[Signed, Value]:  # and what it says, not verified yet
    return (opened := Signed(data, typ, most)), fit(form, decode(opened.payload))
def grow(left: list[bytes], size: int, leaf: bytes) -> None:  # by a leaf's hash, the tree of RFC 9162
    while size % 2: leaf, size = sha256(b"\x01", left.pop(), leaf), size // 2  # each one bit at the end is complete
    left.append(leaf)
def root_of(left: list[bytes]) -> bytes:  # of all leaves so far
    return functools.reduce(lambda root, one: sha256(b"\x01", one, root), reversed(left)) if left else sha256()
ROSTER = {  # Sections 3 and 4: roster, enrolment keys, certificates, revocations
    "purpose": 64, "version": range(2**32 + 1), "community": NAME, "issued": UINT, "expires": UINT, "least": range(257),
    "members": ([ORGANISATION, range(1, 65), (HASH, 1, 64, True)], 1, 256, True),
    "relays": ([HASH, 1_024, NAME, (NAME, 0, 16, False), (HASH, 0, 16, True)], 1, 256, False),
    "witnesses": ([NAME, (2_048, 1, 2, False)], 0, 256, False), "quorum": range(257)}
ENROLMENT = {"purpose": 64, "organisation": ORGANISATION, "key": HASH, "starts": UINT, "ends": UINT}
WITHDRAWAL = {"purpose": 64, "organisation": ORGANISATION, "key": HASH, "at": UINT}
REVOCATION = {"organisation": ORGANISATION, "key": HASH, "at": UINT, "since": ("or null", UINT), "reason": NAME}
REQUEST = {"organisation": ORGANISATION, "subject": ID, "role": ROLE, "nonce": ID, "key": HASH, "suites": SUITES}
CLAIMS = {"organisation": ORGANISATION, "subject": 32, "ends": range(2**40 + 1), "starts": range(2**40 + 1),
    "holder": dict, "role": ROLE, "suites": SUITES, "ceiling": LABEL, "profile": HASH,  # 1, 2, 4, 5, 8, -70002 to -7
    "machine": ("or null", [(ID, 0, 96, True), (KIND, 0, 16, True), range(1_001)]), "request": slice(0, 2 * KIB)}
class Roster:  # one version, whose parts fit together, and which its own organisations signed
    def __init__(self, source: Endorsed) -> None:
        self.hash, self.fields = source.hash, fit(ROSTER, decode(source.document))
        found, logs = self.fields, [(note_key(vkey), origin) for _, vkey, origin, *_ in self.fields.relays]
        self.version, self.relays = int(found.version), {sha256(key): key for key, *_ in found.relays}
        self.members = {name: (threshold, roots) for name, threshold, roots in found.members}
        self.roots = [root for _, roots in self.members.values() for root in roots]
        witnesses = [(name, [note_key(vkey) for vkey in vkeys]) for name, vkeys in found.witnesses]
        for several in (self.roots, [relay[0] for relay in found.relays], [name for name, *_ in found.members],
                        [name for name, _ in witnesses], [key.public for _, keys in witnesses for key in keys]):
            need(len({*several}) == len(several), "a key or a name stands twice in the roster")
        possible = all(threshold <= len(roots) for threshold, roots in self.members.values()) and found.least >= 1
        possible &= found.least <= len(self.members) and found.quorum <= len(witnesses)
        need(possible and found.purpose == "amanah/roster/1", "not a roster, or a threshold that cannot be reached")
        need(0 < found.expires - found.issued <= 366 * DAY, "a roster lives at most twelve months")
        kinds = all([key.kind for key in keys] in ([COSIGNER], [ML_DSA], [COSIGNER, ML_DSA]) for _, keys in witnesses)
        need(kinds and all(key.kind == LOG and key.name == origin for key, origin in logs), "keys of logs or witnesses")
        self.approve(source)
    def approve(self, source: Endorsed, typ: str = "endorsement", least: int = 1) -> Value:  # by enough, each
        signers, least = source.signers(self.roots, typ), max(least, self.fields.least)  # by its threshold of roots
        number = sum(len(signers & {*roots}) >= threshold for threshold, roots in self.members.values())
        return need(number >= least, f"{number} of {least} organisations signed")
    def policy(self) -> Policy:  # what it implies: its logs, and its quorum of its witnesses, each of which counts once
        found, quorum = self.fields, "all" if self.fields.quorum else "none"
        lines = [f"roster sha256:{self.hash.hex()}", *sorted({f"log {vkey}" for _, vkey, *_ in found.relays})]
        for number, (_, vkeys) in enumerate(found.witnesses):
            lines += [f"witness {number}.{place} {vkey}" for place, vkey in enumerate(vkeys)]
            lines += [f"group {number} any " + " ".join(f"{number}.{place}" for place in range(len(vkeys)))]
        lines += [f"group all {found.quorum} " + " ".join(map(str, range(len(found.witnesses))))] * bool(found.quorum)
        return Policy("\n".join([*lines, f"quorum {quorum}"]).encode())
class Community:  # who is who by the control stream so far; each of its objects is judged as of its place
    def __init__(self, trusted: list[Roster]) -> None:  # ascending; the oldest is in force until the log holds one
        self.trusted, self.roster, self.anchored, self.logged = trusted, trusted[0], True, False
        self.enrolments, self.devices = dict[bytes, SimpleNamespace](), dict[bytes, SimpleNamespace]()
        # Revoked devices and withdrawn keys, by whose they are; what was endorsed, by roster and document; enrolment
        self.ended, self.endorsed, self.hands = set[Any](), set[Any](), set[Any]()  # keys, with who ever endorsed them
    def succeed(self, leaf: Value) -> None:  # a roster: the first, or one that the organisations before it signed too
        need(leaf.at <= (new := Roster(leaf.source)).fields.expires, "the roster had expired")
        if again := self.logged and new.hash != self.roster.hash: self.roster.approve(leaf.source)
        need(not again or new.version > self.roster.version, "a roster that is not newer than the one before it")
        self.anchored = (self.logged and self.anchored) or new.hash in [one.hash for one in self.trusted]
        self.roster, self.logged = new, True
    def endorse(self, name: str, source: Endorsed) -> None:  # roots signed it that a trusted roster has, or leads to
        threshold, roots = need(name in (here := self.roster.members), f"{name} is not in the roster", here.get(name))
        known = self.anchored or any(one.members.get(name) == (threshold, roots) for one in self.trusted)
        need(known, f"the roots of {name} are in no roster that leads from a trusted one")
        done = self.roster.hash, sha256(source.logged)
        need(done in self.endorsed or len(source.signers(roots)) >= threshold, f"too few roots of {name} signed")
        self.endorsed.add(done)
    def root_said(self, leaf: Value, form: dict[str, Any], purpose: str) -> Value:  # of its enrolment key
        found: SimpleNamespace = fit(form, decode(leaf.source.document))
        need(found.purpose == purpose and len(leaf.document) <= 32 * KIB, "a document for another purpose, or larger")
        self.endorse(found.organisation, leaf.source)
        kid = found.key if form is WITHDRAWAL else sha256(found.key)
        return need(self.enrolments.get(kid, found).organisation == found.organisation, "another's key", found)
    def enrol(self, leaf: Value) -> None:  # a root names its organisation's enrolment key, for a year at most
        found = self.root_said(leaf, ENROLMENT, "amanah/enrolment/1")
        need(0 < found.ends - found.starts <= 366 * DAY and found.starts <= leaf.at <= found.ends, "outside its year")
        self.hands |= {(found.key, Signed(one, "endorsement+cose", KIB).kid) for one in leaf.source.signatures}
        found.source, self.enrolments[sha256(found.key)] = leaf.source, found
    def revoke(self, leaf: Value) -> None:  # a root withdraws an enrolment key, or that revokes a device, from here on
        if leaf.source is not None:
            found: SimpleNamespace = self.root_said(leaf, WITHDRAWAL, "amanah/enrolment-revocation/1")
        else:
            opened, found = signed(leaf.object, "revocation+cose", 4 * KIB, REVOCATION)
            need(self.devices.get(found.key, found).organisation == found.organisation, "another organisation's device")
            opened.verify(self.issuer(opened.kid, found.organisation, leaf.at).key)
        self.ended.add((found.organisation, found.key))
    def issuer(self, kid: bytes, name: str, at: int) -> Value:  # an enrolment key, as it holds at that time
        need((found := self.enrolments.get(kid, NOTHING)).organisation == name, f"the log holds no such key of {name}")
        self.endorse(name, found.source)
        ended = (name, kid) in self.ended
        return need(not ended and found.starts <= at <= found.ends, "the enrolment key is over or was withdrawn", found)
    def certify(self, leaf: Value) -> None:  # a device, which asked for it, and is its first person's for ever
        opened, claims = signed(leaf.object, "certificate+cwt", 2 * KIB, dict)
        need([*claims] == [1, 2, 4, 5, 8, *range(-70002, -70008, -1)], "a certificate has eleven claims")
        found: SimpleNamespace = fit(CLAIMS, [*claims.values()])
        request, asked = signed(found.request, "device-request+cose", 2 * KIB, REQUEST)
        request.verify(asked.key)
        # RFC 8747 with one Ed25519 key. Compared as text, because Python holds `true` equal to 1.
        asked.subject, asked.holder = asked.subject.hex(), {1: {1: 1, -1: 6, -2: asked.key}}
        for one in ("organisation", "subject", "role", "suites", "holder"):
            need(repr(getattr(asked, one)) == repr(getattr(found, one)), f"the device did not ask for this {one}")
        need(found.machine is None or found.role in (BOT, SENSOR), "limits of a machine, for none")
        found.starts, found.ends, found.kid, found.key = found.starts * 1_000, found.ends * 1_000, opened.kid, asked.key
        found.whose = found.organisation, found.subject
        opened.verify(self.issuer(opened.kid, found.organisation, leaf.at).key)
        need(0 < found.ends - found.starts <= 90 * DAY and found.starts <= leaf.at <= found.ends, "outside its 90 days")
        before, revoked = self.devices.get(own := sha256(asked.key), found), (found.organisation, own) in self.ended
        need(before.whose == found.whose and not revoked, "another organisation's or person's device, or a revoked one")
        found.places, self.devices[own] = [*getattr(before, "places", []), leaf.index], found
    def usable(self, device: bytes, at: int) -> Value:  # who may be added: in its time, neither it nor its key ended
        need((found := self.devices.get(device, NOTHING)).organisation != "", "the log holds no certificate of it")
        ended = (found.organisation, device) in self.ended or (found.organisation, found.kid) in self.ended
        return need(not ended and found.starts <= at <= found.ends, "the certificate is over, or was revoked", found)
    def device(self, device: bytes, at: int) -> Value:  # who may sign: the whole chain holds
        return need(bool(self.issuer((found := self.usable(device, at)).kid, found.organisation, at)), "no key", found)
MEDIA = _, HPKE, NONE = "message/mls", "application/vnd.amanah.alert+hpke", "application/vnd.amanah.none"
BODY = {"version": range(1, 2), "kind": KIND, "room": ID, "epoch": UINT, "counter": POSITIVE, "previous": HASH,
        "voids": (POSITIVE, 0, 16, True), "sent": UINT, "label": LABEL, "precedence": range(4), "audience": HASH,
        "commitment": HASH, "size": range(6), "specific": list}
CREATE, COMMIT, WELCOME, MESSAGE, ALERT, GRANT, REPAIR = 1, 2, 3, 4, 5, 9, 11  # Section 5: envelopes
SPECIFIC: dict[int, Any] = {
    CREATE: {"origin": NAME, "nonce": ID, "suite": SUITE, "ceiling": LABEL, "owner": ORGANISATION,
             "agreement": ("or null", NAME), "policy": slice(0, 512), "successor": ("or null", ID)},
    COMMIT: {"added": DEVICES, "removed": DEVICES}, WELCOME: {"addressees": SOME, "tree": ("or null", HASH)},
    ALERT: {"count": range(1, 101)}, 6: {"key": slice(32, 1_216), "expires": UINT}, 8: {"upto": UINT}, 10: {"of": SOME},
    GRANT: {"since": POSITIVE, "upto": UINT, "addressees": SOME}, REPAIR: {"of": SOME, "addressees": DEVICES},
    13: {"no": UINT, "outcome": range(1, 3), "nations": (ORGANISATION, 0, 64, True)}, 12: {"of": HASH, "code": 32},
    14: {"of": HASH, "old": LABEL, "new": LABEL}, 15: {"of": HASH, "form": 64, "recipient": NAME},
    4: (HASH, 0, 1, 1), 7: {"grade": range(1, 5), "of": HASH}, 16: {"accepted": UINT, "merged": UINT, "dropped": UINT}}
BY_ROLE = {OFFICER: {*KIND}, BOT: {2, 4, 5, 7, 8, 11, 12, 16}, SENSOR: {5, 16}}
def envelope(data: bytes) -> Value:  # a signed header, and the hash of what is sealed beside it
    opened = Signed(data, "envelope+cose", 4 * KIB + 128, b"\xa7\x01\x32\x02\x81\x3a\x00\x01\x11\x70\x04\x58\x20")
    around = b"\x19\x01\x02\x2f\x19\x01\x03%b\x3a\x00\x01\x11\x70"  # headers 258 and 259, and the body's -70001
    headers = [(around % encoded(3, one.encode()), one) for one in MEDIA]
    before, media = next((pair for pair in headers if opened.rest.startswith(pair[0])), (b"", ""))
    need(bool(media) and len(opened.payload) == 32, "headers that are not those of an envelope")
    found = fit(BODY, decode(opened.rest[len(before) :]))
    form, drill = SPECIFIC[found.kind], found.kind == CREATE and found.specific[8:]
    said = found.specific = fit(form | {"drill": bool} if drill else form, found.specific)
    found.opened, found.kid, found.id, found.sealed = opened, opened.kid, sha256(opened.message), media != NONE
    committed, repair = found.kind in (MESSAGE, ALERT, GRANT), found.kind == REPAIR and bool(said.addressees)
    sealed = committed or repair or found.kind in (COMMIT, WELCOME)
    holds = found.sealed == sealed and (sealed or opened.payload == sha256()) and (media != HPKE or found.kind == ALERT)
    holds &= (found.commitment != ZEROS) == committed and (found.size > 0) == (committed or repair)
    need(holds, "content, media type, commitment or size class are not those of the kind")
    need(found.room != CONTROL and all(void < found.counter for void in found.voids), "a room or voids that cannot be")
    holds = (found.kind != GRANT or said.since <= said.upto) and (found.kind != 6 or len(said.key) in (32, 1_216))
    need(holds and (found.kind != COMMIT or len(said.added) + len(said.removed) <= 96), "no such grant, key or commit")
    made = found.kind == CREATE and sha256(b"amanah/room/1", said.origin.encode(), found.kid, said.nonce)[:16]
    return need(not made or (found.epoch, found.room, getattr(said, "drill", 1)) == (0, made, 1), "no new room", found)
def audience(who: Value) -> bytes: return sha256(b"amanah/audience/1", struct.pack(">I", len(who)), *sorted(who))
GRANTED = {"purpose": 64, "id": ID, "by": ("or null", ORGANISATION), "auditor": ORGANISATION, "whom": ("or null", ID),
    "rooms": (ID, 0, 64, True), "since": ("or null", UINT), "until": ("or null", UINT), "labels": (LABEL, 0, 5, True),
    "why": NAME, "issued": UINT, "starts": UINT, "ends": UINT}
HELD = {"purpose": 64, "id": ID, "by": ORGANISATION, "rooms": (ID, 1, 64, True), "since": UINT, "case": ID,
        "issued": UINT, "state": range(1, 3)}  # Section 13: custody, in a chain beside each room's
ERASED = {"purpose": 64, "room": ID, "places": (POSITIVE, 1, 256, True), "sum": HASH, "cause": range(1, 5), "at": UINT}
FORGOTTEN = {"purpose": 64, "organisation": ORGANISATION, "subject": ID, "at": UINT}
def beside(what: str, whom: bytes) -> bytes: return sha256(f"amanah/{what}/1".encode(), whom)[:16]  # a chain's id
LEAF = {"version": range(1, 2), "kind": range(1, 10), "at": UINT, "room": ID, "place": POSITIVE, "previous": HASH,
        "object": slice(0, 32 * KIB)}
class Record(Community):  # Sections 7 and 8: judges the entries of the log, and rooms as far as headers show them
    def __init__(self, trusted: list[Roster], origin: str, wanted: dict[bytes, Any], head: Value) -> None:
        super().__init__(trusted)
        self.origin, self.wanted, self.head, self.newest = origin, wanted, head, 0
        self.rooms, self.told, self.not_before, self.not_after = dict[bytes, Value](), set[Any](), 0, YEAR_9999
        # Whose custody a chain is; id and time of acceptance of its envelopes, by place; grants and holds as last said.
        self.custody, self.stood, self.agreed = dict[bytes, bytes](), dict[bytes, bytearray](), dict[Any, Value]()
        # By chain, what should stand there and was seen elsewhere, and where; by entry that forgot a name, the chains
        # of holds on what it wrote, whose release may not be shown; above, chains with a grant that names no rooms.
        self.owed, self.doubts = dict[bytes, dict[bytes, tuple[int, list[str]]]](), dict[int, set[bytes]]()
        # The newest place, and that leaf's hash, by room; the newest counter and id by room and device.
        self.chains, self.senders = {CONTROL: (0, ZEROS)}, dict[tuple[bytes, bytes], tuple[int, bytes]]()
    def leaf(self, row: Value) -> Value:  # read an entry
        need(sha256(b"\0", row.entry) == row.hash, "the entry is not the one that was hashed")
        leaf = SimpleNamespace(**vars(row), **vars(fit(LEAF, decode(row.entry))))
        return need(leaf.kind == 9 or (leaf.room == CONTROL) == (1 < leaf.kind < 6), "it does not belong here", leaf)
    def follow(self, leaf: Value) -> None:  # it follows the newest of its room, at a time that can be (section 12)
        (place, newest), before = self.chains.get(leaf.room, (0, ZEROS)), self.newest
        self.chains[leaf.room], self.newest = (leaf.place, leaf.hash), max(before, leaf.at)
        if leaf.room == CONTROL and leaf.place == self.head.place: self.head.here = leaf.hash
        need(leaf.place == place + 1 and leaf.previous == newest, f"place {leaf.place} does not follow {place} there")
        least, most = max(before, self.not_before - 120_000), min(YEAR_9999, self.not_after + 120_000)
        need(least <= leaf.at <= most, "the time of acceptance goes backwards, or is not where witnesses allow it")
    def proven(self, leaf: Value) -> list[int]:  # what forgot a name in a hold: here no release stands before it
        found = [at for at, homes in self.doubts.items() if leaf.room in homes]
        follows = self.chains.get(leaf.room, (0, ZEROS)) == (leaf.place - 1, leaf.previous)
        for at in found: self.doubts[at] -= self.doubts[at] if follows else {leaf.room}
        return found if follows else []
    def judge(self, leaf: Value) -> None:  # what the entry is about
        two = leaf.kind in ((7, 8), (3, 5, 9))[leaf.room == CONTROL] or (leaf.kind == 4 and leaf.object[:1] != b"\xd2")
        leaf.source = Endorsed(leaf.document) if leaf.document is not None else None
        need(two == (leaf.source is not None), "a document is missing, or stands where none belongs")
        need(not leaf.source or leaf.source.logged == leaf.object, "the document is not the one that was logged")
        (self.envelope, self.certify, self.enrol, self.revoke, self.succeed, self.read, self.agree, self.agree,
         self.forget if leaf.source else self.erase)[leaf.kind - 1](leaf)
    def read(self, leaf: Value) -> None:  # an auditor's reading order, in its organisation's chain or a room's custody
        order = Signed(leaf.object, "audit-read+cose", KIB)
        own, said = self.device(order.kid, leaf.at), fit(list, decode(order.payload))
        order.verify(own.key)
        granted = fit([UINT, UINT, UINT, ID, ID][: 5 if len(said) > 4 else 4], said)[4:]
        here = [] if leaf.room == beside("audit", own.organisation.encode()) else [self.custody.get(leaf.room, b"")]
        need(own.role == AUDITOR and here != [b""] and len(here) <= len(granted), "of no auditor, or another's chain")
        for found in [self.agreed.get((7, one), NOTHING) for one in granted]:
            mine = own.organisation == found.auditor and found.whom in (None, bytes.fromhex(own.subject))
            holds = mine and found.starts <= leaf.at < found.ends and {*here} <= {*(found.rooms or here)}
            need(holds, "no grant in the log before is for this auditor, time and room")
            self.rules(found, here)
            need(not here or found.rooms or (leaf.room, found.id) in self.told, "its grant does not stand there before")
    def rules(self, found: Value, rooms: list[bytes]) -> None:  # who grants rooms owns them, who holds them is in them
        for room in [self.rooms[room] for room in rooms if room in self.rooms and found.by]:
            owner, inside = [room.create.owner], {self.devices[device].organisation for device in room.members}
            need(found.by in (owner if hasattr(found, "auditor") else inside), f"{found.by} has no say in this room")
    def agree(self, leaf: Value) -> None:  # a grant or a hold, or the end of one, signed by those who may
        grant, typ = leaf.kind == 7, "audit-grant" if leaf.kind == 7 else "legal-hold"
        found: SimpleNamespace = fit(GRANTED if grant else HELD, decode(leaf.source.document))
        size, found.hash = len(leaf.source.document if grant else leaf.document), leaf.source.hash
        need(found.purpose == f"amanah/{typ}/1" and size <= 4 * KIB, "a document for another purpose, or larger")
        if grant:
            holds = bool(found.why.strip()) and found.why.isprintable() and 0 <= found.ends - found.starts <= 366 * DAY
            need(holds and (None in (found.since, found.until) or found.since < found.until), "a grant that cannot be")
        names = [name for name in (found.by, vars(found).get("auditor")) if name]
        homes = {beside("audit", one.encode()) for one in names} | {beside("custody", one) for one in found.rooms}
        found.homes, here = homes, [] if leaf.room in homes else [self.custody.get(leaf.room, b"")]
        need(not here or (here != [b""] and not found.rooms), "it stands in a chain that it does not concern")
        self.rules(found, here)
        if not found.rooms: self.told.add((leaf.room, found.id))
        before = self.agreed.get((leaf.kind, found.id), found)
        if before is not found and before.hash == found.hash: return  # it stands in each chain that it concerns
        self.parties(leaf, found.by, typ)
        same = vars(found) | {one: vars(before)[one] for one in ("hash", "issued", "ends" if grant else "state")}
        later = found.ends < before.ends if grant else found.state > before.state  # of a document that ends the first
        first = leaf.at < found.ends if grant else found.state == 1
        holds = first if before is found else same == vars(before) and later and found.issued > before.issued
        need(holds and found.issued <= leaf.at + 600_000, "it was over, or made later, or says more than an end may")
        self.rules(found, found.rooms if grant or before is found else [])
        self.agreed[leaf.kind, found.id] = found
        for home in homes - {leaf.room}: self.owed.setdefault(home, {})[leaf.object] = leaf.index, names
    def follows(self, leaf: Value) -> None:  # what concerns several chains is logged in all at once: nothing between
        late = [at for one, (at, _) in self.owed.pop(leaf.room, {}).items() if one != leaf.object]
        need(not late, f"entry {late and late[0]} concerns this chain too, and does not stand in it before")
    def settle(self) -> None:  # whoever was shown it in its own chain, and is in the room, is shown the room's custody
        for chain, room in [(chain, self.rooms.get(self.custody.get(chain, b""))) for chain in self.owed]:
            inside = {self.devices[device].organisation for device in room.members} if room else set[str]()
            for one, (at, names) in self.owed[chain].items():
                shown = {name for name in names if one not in self.owed.get(beside("audit", name.encode()), {})}
                need(not shown & inside, f"entry {at} concerns a room, and does not stand in its custody")
    def parties(self, leaf: Value, by: str | None, typ: str) -> Value:  # the community, or two of an organisation
        if by is None: return self.roster.approve(leaf.source, typ, 2)
        kids = [Signed(one, typ + "+cose", KIB).kid for one in leaf.source.signatures]
        kid = next((kid for kid in kids if self.enrolments.get(kid, NOTHING).organisation == by), b"")
        own, (_, roots) = self.issuer(kid, by, leaf.at), self.roster.members[by]
        signers = leaf.source.signers([own.key, *roots], typ)
        # A root that ever endorsed the enrolment key may lie beside it: its signature would be one by the same hand.
        second = any((own.key, sha256(key)) not in self.hands for key in signers - {own.key})
        return need(own.key in signers and second, "no two parties sign")
    def standing(self) -> list[Value]:  # the holds that bind: who has left the roster could release none
        return [x for x in self.agreed.values() if vars(x).get("state") == 1 and x.by in self.roster.members]
    def erase(self, leaf: Value) -> Value:  # what the relay dropped of a room
        opened, said = signed(leaf.object, "erasure+cose", 8 * KIB, ERASED)
        here = said.purpose == "amanah/erasure/content/1" and leaf.room == beside("custody", said.room)
        need(here, "an erasure where it does not belong", opened).verify(self.roster.relays.get(opened.kid, b""))
        stood = [self.stood[said.room][40 * at - 40 : 40 * at] for at in said.places if said.room in self.stood]
        names = [struct.pack(">Q", at) + one[:32] for at, one in zip(said.places, stood, strict=False)]
        for hold in [one for one in self.standing() if said.room in one.rooms]:
            need(all(int.from_bytes(one[32:], "big") < hold.since for one in stood), f"erased in a hold of {hold.by}")
        return need(not stood or (said.sum == sha256(b"amanah/erased/1", *names) and all(stood)), "other entries here")
    def forget(self, leaf: Value) -> None:  # by two parties of an organisation, of who wrote in no room that is held
        said, size = fit(FORGOTTEN, decode(leaf.source.document)), len(leaf.document)
        may = said.purpose == "amanah/erasure/person/1" and size <= 4 * KIB and said.at <= leaf.at + 600_000
        need(may, "a document for another purpose, or larger, or made later")
        self.parties(leaf, said.organisation, "erasure")
        rooms = {room for room, x in self.senders if self.devices[x].whose == (said.organisation, said.subject.hex())}
        for hold in [one for one in self.standing() if rooms & {*one.rooms}]:
            self.doubts.setdefault(leaf.index, set()).update(hold.homes)  # where a next entry shows that it stood
    def envelope(self, leaf: Value) -> None:  # its sender's signature and chain, what its role may do, the room's rules
        found, at, self.custody[beside("custody", leaf.room)] = envelope(leaf.object), leaf.at, leaf.room
        self.stood.setdefault(leaf.room, bytearray()).extend(found.id + struct.pack(">Q", at))
        need(found.room == leaf.room and found.kid in self.devices, "another room's, or its sender has no certificate")
        found.opened.verify(self.devices[found.kid].key)
        self.wanted |= {found.id: found} if found.id in self.wanted else {}
        counter, newest = self.senders.get((found.room, found.kid), (0, ZEROS))
        need(found.counter > counter, "the sender's counter was used, or is void")  # so no envelope is there twice
        self.senders[found.room, found.kid] = found.counter, found.id
        holds = found.previous == newest and found.voids == [*range(counter + 1, min(found.counter, counter + 18))]
        need(holds, "voids are not just the counters of a jump, or another envelope is the last one")
        own, said = self.device(found.kid, at), found.specific
        rooms, kinds, _ = own.machine or ([], [], 0)
        need(found.kind in BY_ROLE.get(own.role, ()), "the sender's role may not send this kind")
        may = not kinds or found.kind in kinds or found.kind not in (MESSAGE, ALERT)
        need(may and (not rooms or found.room in rooms), "a room or kind that the machine's certificate does not name")
        need((found.room not in self.rooms) == (found.kind == CREATE), "a room was not created, or is created twice")
        made = (own.role, said.owner, said.origin, said.suite in own.suites) if found.kind == CREATE else None
        need(made in (None, (OFFICER, own.organisation, self.origin, True)), "a creator, owner, log or suite of others")
        room = self.rooms.get(found.room) or SimpleNamespace(create=said, epoch=0, members=frozenset([found.kid]))
        need(found.kid in room.members or (own.role == SENSOR and found.room in rooms), "the sender is not in the room")
        need(found.label <= min(own.ceiling, room.create.ceiling), "a label above the ceiling of sender or room")
        need(room.epoch - found.epoch in range(1 if found.sealed else 2**63), "another epoch than the room's")
        members = self.change(found, own, room, at) if found.kind == COMMIT else room.members
        digest = room.digest if members is room.members and hasattr(room, "digest") else audience(members)
        need(found.audience == digest and {*getattr(said, "addressees", ())} <= members, "audience or addressees")
        need(getattr(said, "upto", 0) < leaf.place, "it speaks of places that are not there yet")
        room.members, room.digest, room.epoch = members, digest, room.epoch + (found.kind == COMMIT)
        self.rooms[found.room] = room
    def change(self, commit: Value, own: Value, room: Value, at: int) -> Value:  # the members after, if it may be
        added, removed, owner = commit.specific.added, commit.specific.removed, own.organisation == room.create.owner
        need(own.role == OFFICER or not (added or removed), "only officers add or remove")
        here, present = room.members.union(removed), {self.devices[device].organisation for device in room.members}
        for device, new in [(device, self.usable(device, at)) for device in added]:
            able = room.create.suite in new.suites and new.ceiling >= room.create.ceiling
            need(able and new.role in (OFFICER, BOT), "who is added is no member by its role, suites or ceiling")
            need(device not in here and (owner or new.organisation in present), "who is added is here, or another's")
        for device in removed:
            need(device in room.members and device != commit.kid, "who is removed is not in the room, or is the sender")
            own_device = owner or self.devices[device].organisation == own.organisation
            need(own_device or bool(refused(self.usable, device, at)), "a valid device of others is removed")
        need(len(room.members) + len(added) - len(removed) <= 1_000, "more than 1,000 members")
        return (room.members | {*added}) - {*removed}
MEMBERS = ["manifest.json", "manifest.sig", "policy", "rosters", "leaves", "checkpoint", "checkpoints", "control-head",
           "timestamps", "disclosures", "entries.csv", "entries.jsonl", "report.html", "report.pdf", "amanah-verify.py"]
ROOM = ("object", {"room": re.compile("[0-9a-f]{32}"), "first": POSITIVE, "last": POSITIVE})
MANIFEST = ("object", {
    "format": re.compile("amanah evidence 1"), "log": ("object", {"origin": NAME, "size": UINT, "root": HEX}),
    "complete": ("object", {"from": range(1), "until": UINT, "control": UINT, "rooms": (ROOM, 0, MAX_ROOMS, False)}),
    "disclosed": (HEX, 0, MAX_DISCLOSURES, False), "exported": TIME, "files": dict,
    "exporter": ("object", {"device": HEX, "organisation": ORGANISATION, "certificate": UINT})})
ROW = {"index": UINT, "hash": HASH, "entry": ("or null", slice(0, 65_535)), "document": ("or null", slice(0, 2 * MIB))}
HEAD = {"place": UINT, "leaf": HASH, "size": UINT, "root": HASH, "at": UINT}
class Bundle:  # Section 12: a ZIP archive of stored members, read where they stand, and what was found wrong with it
    def __init__(self, file: BinaryIO, size: int) -> None:
        self.file, self.size, self.at = file, size, dict[str, Any]()  # place, length and CRC of each member
        self.faults, self.number, self.first = list[tuple[int | None, str]](), 0, list[tuple[int | None, str]]()
        self.unchecked, self.facts, self.remarks = set[str](), dict[str, Any](), list[str]()
    def attempt(self, index: int | None, check: Callable[..., Any], *arguments: object) -> Value:  # as the check
        try: return check(*arguments)  # what a check gives, or None and a fault: at an index, or of the whole
        except WRONG as wrong: fault, self.number = (index, str(wrong)), self.number + 1
        self.first = [min([*self.first, fault], key=lambda one: MAX_ARCHIVE if one[0] is None else one[0])]
        return self.faults.append(fault) if len(self.faults) < MAX_FAULTS else None
    def verify(self, written: bytes | None, given: list[Roster], seen: Iterable[Checkpoint] = ()) -> None:  # section 12
        if not self.attempt(None, self.open): return
        manifest = self.attempt(None, self.manifest)
        note = self.attempt(None, lambda: Checkpoint(self.whole("checkpoint")))
        policy, trusted = (note and self.attempt(None, self.anchor, written, given, note)) or (None, [])
        if note is None or policy is None: return
        self.facts = {"log": note.origin, "size": note.size, "root": note.root.hex(), "trusted rosters": [
            f"version {one.version} of {one.fields.community}, sha256:{one.hash.hex()}" for one in trusted]}
        points = self.attempt(None, self.points, note, policy, [*seen]) or []
        head = self.attempt(None, self.head) or SimpleNamespace(place=-1, size=-1, opened=None)
        record = Record(trusted, note.origin, self.attempt(None, self.disclosures, None) or {}, head)
        for check, *more in ((self.rows, note, points, record), (record.settle,), (self.confirm, head, record, note),
                             (self.disclosures, record.wanted), (self.claims, manifest, record, note)):
            self.attempt(None, check, *more)
        self.remarks += [f"entry {at}: whether a hold stood is not shown" for at, left in record.doubts.items() if left]
    def piece(self, at: int, length: int) -> bytes:  # bytes of the file
        need(length <= 32 * MIB, "a member that is too large")
        self.file.seek(at)
        return self.file.read(length)
    def whole(self, name: str) -> bytes: return self.piece(*self.at[name][:2])  # a member that is small
    def open(self) -> Value:  # find the members, each beside the next, and see that nothing else is there
        need(self.size <= MAX_ARCHIVE, "a bundle of 4 GiB or more is not read here")
        at, found = 0, []
        for name in MEMBERS:
            crc, size = struct.unpack("<2I", (local := self.piece(at, 30 + len(name)).ljust(30))[14:22])
            form = struct.pack("<4s5H3I2H", b"PK\x03\x04", 20, 0, 0, 0, 0x21, crc, size, size, len(name), 0)
            need(local == form + name.encode(), f"the member {name} is missing, cut off, or not just stored")
            found.append((local, at))
            self.at[name] = at + len(local), size, crc
            at += len(local) + size
        ends = [b"PK\x01\x02\x14\x03" + local[4:30] + bytes(8) + b"\x80\x01" + struct.pack("<I", place) + local[30:]
                for local, place in found]
        ends.append(struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, len(found), len(found), sum(map(len, ends)), at, 0))
        return need(self.piece(at, 64 * KIB) == b"".join(ends), "bytes outside members, or another directory", self.at)
    def digest(self, name: str) -> Value:  # SHA-256 of a member, read in pieces
        (at, length, crc), found, own = self.at[name], hashlib.sha256(), 0
        for place in range(at, at + length, MIB):
            own = zlib.crc32(content := self.piece(place, min(MIB, at + length - place)), own)
            found.update(content)
        return need(crc == own, f"the member {name} is damaged, by its own CRC: get it again", found.hexdigest())
    def sequence(self, name: str, most: int, number: int = MAX_ARCHIVE) -> Iterator[bytes]:  # its byte strings
        at, end = self.at[name][0], sum(self.at[name][:2])
        while at < end:
            width = {0x58: 1, 0x59: 2, 0x5A: 4}.get((start := self.piece(at, min(5, end - at)))[0], 0)
            size = int.from_bytes(start[1 : 1 + width], "big") if width else start[0] - 0x40
            fits = number > 0 and 0 <= size <= min(most, end - at - 1 - width)
            need(fits and start.startswith(encoded(2, b"", size)), f"{name}: an item of another form, or cut off")
            yield self.piece(at + 1 + width, size)
            at, number = at + 1 + width + size, number - 1
    def manifest(self) -> Value:  # the manifest, whose form is one alone, and which the members are held against
        data, digests = self.whole("manifest.json"), {name: self.digest(name) for name in self.at}
        found = fit(MANIFEST, json.loads(data))
        written = json.dumps(json.loads(data), indent=2, sort_keys=True).encode() + b"\n"
        need(written == data and found.files.keys() == {*MEMBERS[2:]}, "the manifest has another form, or other names")
        other = ", ".join(name for name in found.files if found.files[name] != digests[name])
        return need(not other, f"altered since the manifest was made: {other}", found)
    def anchor(self, written: bytes | None, given: list[Roster], note: Checkpoint) -> tuple[Policy, list[Roster]]:
        # What was given counts, and of the bundle's own claims only what is named by that; if nothing was, all of them.
        own = [Roster(Endorsed(one)) for one in self.sequence("rosters", 2 * MIB, 64)]
        need(all(a.version < b.version for a, b in itertools.pairwise(own)), "the rosters do not ascend by version")
        claim = Policy(self.whole("policy"))
        policy = Policy(written) if written is not None else given[-1].policy() if given else claim
        named, logs = [one for one in [*given, *own] if one.hash == policy.roster], {key.name for key in policy.logs}
        why = f"the policy is of the log {', '.join(sorted(logs))}, the bundle of another, {note.origin}"
        why = "the policy's roster is neither here nor given" if note.origin in logs else why
        need(bool(named) or (bool(given) and not policy.roster), why)
        trusted = {one.hash: one for one in given + (named if given or written is not None else own)}
        return policy, sorted(trusted.values(), key=lambda one: one.version)
    def points(self, note: Checkpoint, policy: Policy, seen: list[Checkpoint]) -> list[Value]:
        found = list[Value]()  # size, root, `not after` and `not before` (or 0) of each checkpoint, the largest first
        for data in itertools.chain(self.sequence("checkpoints", 256 * KIB, MAX_POINTS), [self.whole("checkpoint")]):
            ascends = (one := Checkpoint(data)).size <= note.size and (not found or found[-1][0] < one.size)
            need(one.origin == note.origin and ascends, "checkpoints of another log, or not ascending")
            times = policy.judge(one, self.unchecked, quorum=one.size == note.size) or [0]
            lies = (len(times) - 1) // 3  # so many of the times may be false
            found.append([one.size, one.root, times[lies] * 1_000, times[-1 - lies] * 1_000])
        dated = max([size for size, *_, late in found if late], default=0)
        self.remarks += [f"no witness has dated the leaves from {dated} on"] * (dated < note.size)
        for one in map(policy.recall, seen):  # what you remember is no less a prefix of the rows
            need(one.origin == note.origin and one.size <= note.size, "the log was another, or longer, when you saw it")
            found.append([one.size, one.root, 0, 0])
        return sorted(found, key=lambda one: one[0], reverse=True)
    def read(self, size: int, roots: dict[int, bytes]) -> Iterator[Value]:  # the rows, and the root of so many
        index, left = -1, list[bytes]()
        for index, data in enumerate(self.sequence("leaves", 3 * MIB)):
            need(index < size and (row := fit(ROW, decode(data))).index == index, "another row, or one too many")
            need(row.entry is not None or row.document is None, "a document beside a bare hash")
            grow(left, index, row.hash)
            roots |= {index + 1: root_of(left)} if index + 1 in roots else {}
            yield row
        need(index + 1 == size, "a row is missing")
    def rows(self, note: Checkpoint, points: list[Value], record: Record) -> None:
        roots = dict.fromkeys([note.size, record.head.size, *(one[0] for one in points)], b"") | {0: sha256()}
        refused(all, self.read(note.size, roots))  # each row's hash goes into the tree; what is wrong is said below
        for size, root, *_ in points:
            self.attempt(None, need, roots[size] in (b"", root), f"the rows do not lead to the checkpoint of {size}")
        # A checkpoint that nobody dated, or of another tree than this, bounds nothing: the next one does.
        points, rows = [one for one in points if one[3] and one[1] == roots[one[0]]], self.read(note.size, {})
        for size in itertools.count():  # each entry is judged
            while points and points[-1][0] == size: record.not_before = points.pop()[3]
            record.not_after = points[-1][2] if points else YEAR_9999
            if size == record.head.size: record.head.then = roots[size], record.chains[CONTROL][0]
            row = self.attempt(size if size < note.size else None, next, rows, None)
            if row is None: break
            leaf = self.attempt(size, record.leaf, row) if row.entry is not None else None
            for at in record.proven(leaf) if leaf else (): self.attempt(at, need, 0, "it wrote what was held then")
            for check in (record.follow, record.follows, record.judge) if leaf else (): self.attempt(size, check, leaf)
        need(roots[note.size] == note.root, "the rows do not lead to the checkpoint")
    def head(self) -> Value:  # the head of the control stream, not verified yet
        data, none = self.whole("control-head"), (None, SimpleNamespace(place=-1, size=-1))
        opened, head = signed(data, "control-head+cose", KIB, HEAD) if data else none
        return SimpleNamespace(**vars(head), opened=opened, here=ZEROS, then=None)
    def confirm(self, head: Value, record: Record, note: Checkpoint) -> None:  # where the control stream ends
        if not head.opened: return
        relays = {k: v for one in [*record.trusted, *[record.roster] * record.anchored] for k, v in one.relays.items()}
        need(head.opened.kid in relays, "no relay of the roster signed the head of the control stream")
        head.opened.verify(relays[head.opened.kid])
        place, covered = record.chains[CONTROL][0], head.size <= note.size
        need(head.then == (head.root, head.place) if covered else head.place >= place, "its head names another record")
        need(head.place > place or head.here == head.leaf, "the head of the control stream names another entry")
    def disclosures(self, wanted: dict[bytes, Any] | None) -> dict[bytes, Any]:
        found: dict[bytes, Any] = {}  # the ids; once their envelopes were found, each content is what one committed to
        for data in self.sequence("disclosures", 192 * KIB, MAX_DISCLOSURES):
            one, k, content = fit([HASH, HASH, bytes], decode(data))
            need(one not in found and type(decode(content)) is list, "one envelope is disclosed twice, or no content")
            found[one] = sealed = (wanted or {}).get(one) or NOTHING
            message = b"amanah/commitment/1" + sealed.room + sealed.kid + struct.pack(">Q", sealed.counter) + content
            need(wanted is None or hmac.digest(k, message, "sha256") == sealed.commitment, f"{one.hex()} is another")
        return found
    def claims(self, manifest: Value | None, record: Record, note: Checkpoint) -> None:
        for data in self.sequence("timestamps", 64 * KIB):
            self.unchecked.add("RFC 3161 time stamps" if fit([UINT, NAME, bytes], decode(data)) else "")
        if manifest is None: return
        log, complete, who = manifest.log, manifest.complete, manifest.exporter
        said = [log.origin, log.size, log.root, complete.until, complete.control, *manifest.disclosed]
        found = [note.origin, note.size, note.root.hex(), note.size, record.chains[CONTROL][0]]
        need(said == [*found, *map(bytes.hex, record.wanted)], "log, range or disclosures are not as the manifest says")
        here = {room.hex(): record.chains[room][0] for room in record.rooms}
        whole = all(one.first <= one.last <= here.get(one.room, 0) for one in complete.rooms)
        need(whole and [x.room for x in complete.rooms] == sorted({x.room for x in complete.rooms}), "rooms not here")
        device, opened = bytes.fromhex(who.device), Signed(self.whole("manifest.sig"), "export+cose", KIB)
        at = round(dt.datetime.fromisoformat(manifest.exported).timestamp() * 1_000)
        need(not (why := refused(record.device, device, at)), f"the exporter, when it says that it exported: {why}")
        own, here = record.devices[device], opened.payload == encoded(2, sha256(self.whole("manifest.json")))
        opened.verify(own.key)
        need(here and who.organisation == own.organisation and who.certificate in own.places, "the exporter is another")
def rosters_of(data: bytes) -> list[Roster]:  # of a file: one roster as it is encoded, or armoured ones in any text
    armoured = re.findall(rb"-----BEGIN AMANAH ROSTER-----([A-Za-z0-9+/=\s]*)-----END AMANAH ROSTER-----", data)
    return [Roster(Endorsed(one)) for one in [unbase64("".join(one.decode().split())) for one in armoured] or [data]]
def word(one: Value) -> Value:  # for people
    return "; ".join(one) or "nothing" if type(one) is list else ("no", "yes")[one] if type(one) is bool else one
def main(arguments: list[str] | None = None) -> int:  # read the arguments, verify, say what was found
    parser = argparse.ArgumentParser(description="Verify an evidence bundle of Amanah: no key, no relay, no network.")
    parser.add_argument("file", type=pathlib.Path)
    parser.add_argument("--policy", type=pathlib.Path, help="trust policy (C2SP tlog-policy, with a roster line)")
    parser.add_argument("--roster", type=pathlib.Path, action="append", default=[], help="a roster that you trust")
    parser.add_argument("--remembered", type=pathlib.Path, action="append", default=[], help="a checkpoint seen before")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args(arguments)
    try:
        written = given.policy.read_bytes() if given.policy else None
        rosters = sorted((x for one in given.roster for x in rosters_of(one.read_bytes())), key=lambda x: x.version)
        policy = Policy(written) if written is not None else rosters[-1].policy() if rosters else None
        need(bool(rosters or not policy or policy.roster), "the policy has no roster line: give --roster too")
        seen = [Checkpoint(one.read_bytes()) for one in given.remembered]
        for one in seen * bool(policy): policy.recall(one)  # type: ignore[union-attr]  # there is one
        with given.file.open("rb") as file:
            (bundle := Bundle(file, given.file.stat().st_size)).verify(written, rosters, seen)
    except (OSError, *WRONG) as error: parser.error(str(error))
    verdict = "HOLDS, anchored in what you gave." if policy else "CONSISTENT, BUT ANCHORED IN NOTHING. Give --policy."
    verdict += " It continues what you remembered." * bool(seen)
    for at, why in [("as a whole" if at is None else f"first at log index {at}", why) for at, why in bundle.first]:
        verdict = f"DOES NOT HOLD. Faults: {bundle.number}; {at}: {why}"
    said = {**bundle.facts, "remarks": bundle.remarks, "not checked here": sorted(bundle.unchecked), "verdict": verdict}
    out = said | {"holds": not bundle.first, "first": [*bundle.first, None][0], "faults": bundle.faults,
                  "anchored": not bundle.first and policy is not None}
    text = json.dumps(out, indent=2) if given.json else "\n".join(f"{name}: {word(one)}" for name, one in said.items())
    sys.stdout.write("".join(one if one.isprintable() or one == "\n" else "?" for one in text) + "\n")
    return 0 if out["anchored"] else 5
if __name__ == "__main__": sys.exit(main())
