"""Reaches people: a command, a webhook, a mail. None of them is told what is sealed.

What leaves is a `Notice`, and nothing else: first digits of the room's id, precedence, how many pages wait, the step.
Titles, texts and names never reach a hook: what stands in a process list, in somebody's cloud or on a telephone's
locked screen is read by others.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import smtplib
from collections.abc import Sequence
from email.message import EmailMessage
from enum import StrEnum
from typing import Final, TypeAlias, assert_never

import msgspec

from amanah_client.paging.duty import Command, Hook, Mail, Rota, Webhook
from amanah_protocol.errors import Code, UsageError
from amanah_protocol.labels import Precedence
from amanah_protocol.types import RoomId

TIMEOUT_S: Final = 20.0
"""For one hook, its repetitions included."""
PAUSES_S: Final = (0.5, 2.0, 5.0)
"""Between the attempts of a webhook."""
ROOM_DIGITS: Final = 8
_INHERITED: Final = ("PATH", "HOME", "XDG_RUNTIME_DIR", "DBUS_SESSION_BUS_ADDRESS")
"""What a program needs to sound or notify; nothing else of our environment reaches it, a passphrase least of all."""


class Notice(msgspec.Struct, frozen=True, kw_only=True):
    """All that a hook is told.

    Attributes:
        room: First digits of the room's id, which the relay knows too.
        precedence: How urgent the message is.
        count: How many messages wait for an acknowledgement.
        step: Which step this is.
        drill: Whether it is an exercise, which the room's header says to all: nobody is woken for real by one.
    """

    room: str
    precedence: str
    count: int
    step: int
    drill: bool = False

    @property
    def words(self) -> dict[str, str]:
        """As a command's environment has it."""
        return {
            "AMANAH_ROOM": self.room,
            "AMANAH_PRECEDENCE": self.precedence,
            "AMANAH_COUNT": str(self.count),
            "AMANAH_STEP": str(self.step),
            "AMANAH_DRILL": "1" if self.drill else "0",
        }

    @property
    def json(self) -> bytes:
        """As a webhook is posted it."""
        return msgspec.json.encode(
            {
                "room": self.room,
                "precedence": self.precedence,
                "count": self.count,
                "step": self.step,
                "drill": self.drill,
            }
        )


def notice_of(room: RoomId, precedence: Precedence, *, count: int, step: int, drill: bool) -> Notice:
    """What is told of a message, whatever it says and under whatever label: its content never comes here."""
    return Notice(
        room=room.hex()[:ROOM_DIGITS], precedence=precedence.name.lower(), count=count, step=step, drill=drill
    )


class Trouble(StrEnum):
    """Why a hook reached nobody."""

    MISSING = "missing"
    """The program is not there, or may not be run."""
    UNREACHABLE = "unreachable"
    """There is no connection."""
    REFUSED = "refused"
    """It was reached and did not take the page over."""
    TIMEOUT = "timeout"
    """It did not end in time."""
    FAULT = "fault"
    """A fault of this program."""


_ADVICE: Final = {
    Trouble.MISSING: "Name an existing program by its whole path, and make it executable.",
    Trouble.UNREACHABLE: "Look whether the host can be reached from this machine.",
    Trouble.REFUSED: "Run it by hand with the same values, and look at what it says.",
    Trouble.TIMEOUT: "It must end, or answer, within 20 seconds.",
    Trouble.FAULT: "This is a fault of the program; report it.",
}


class Failure(msgspec.Struct, frozen=True, kw_only=True):
    """A hook that reached nobody.

    Attributes:
        hook: The hook, for people.
        trouble: Why.
        detail: Exit code, status or the kind of the error: nothing that the other side wrote.
    """

    hook: str
    trouble: Trouble
    detail: str

    @property
    def hint(self) -> str:
        """What to do."""
        return _ADVICE[self.trouble]


Outcome: TypeAlias = Failure | None


class _FailedError(Exception):
    """One attempt did not do."""

    def __init__(self, trouble: Trouble, detail: str) -> None:
        super().__init__(f"{trouble}: {detail}")
        self.trouble = trouble
        self.detail = detail


def check_hooks(rota: Rota) -> None:
    """What the hooks of a rota need is installed.

    Raises:
        UsageError: `CONFIG`.
    """
    duties = [*rota.people, *([rota.backup] if rota.backup is not None else [])]
    if not any(isinstance(hook, Webhook) for duty in duties for hook in duty.hooks):
        return
    try:
        import httpx2  # noqa: F401, PLC0415 - an extra, which only webhooks need
    except ImportError as error:
        hint = "Install the extra: `pip install amanah[paging]`."
        raise UsageError(Code.CONFIG, "webhooks need httpx2, which is not installed", hint=hint) from error


async def run_hooks(
    hooks: Sequence[Hook], notice: Notice, rota: Rota, *, timeout_s: float = TIMEOUT_S
) -> tuple[Outcome, ...]:
    """Run all hooks of a step at once; gives for each None, or why it reached nobody. It never raises."""
    return tuple(await asyncio.gather(*(_run(hook, notice, rota, timeout_s) for hook in hooks)))


async def _run(hook: Hook, notice: Notice, rota: Rota, timeout_s: float) -> Outcome:
    try:
        async with asyncio.timeout(timeout_s):
            match hook:
                case Command(argv=argv):
                    await _command(argv, notice)
                case Webhook(url=url):
                    await _webhook(url, notice)
                case Mail(to=to):
                    await _mail(_letter(rota.mail_from, to, notice), rota.mail_via, notice, timeout_s)
                case _:
                    assert_never(hook)
    except _FailedError as error:
        return Failure(hook=hook.text, trouble=error.trouble, detail=error.detail)
    except TimeoutError:
        return Failure(hook=hook.text, trouble=Trouble.TIMEOUT, detail=f"not done in {timeout_s:g} seconds")
    except Exception as error:  # noqa: BLE001 - whatever is wrong with a hook, the next step has to come
        return Failure(hook=hook.text, trouble=Trouble.FAULT, detail=type(error).__name__)
    return None


async def _command(argv: Sequence[str], notice: Notice, *, stdin: bytes | None = None) -> None:
    kept = {name: os.environ[name] for name in _INHERITED if name in os.environ}
    try:
        process = await asyncio.create_subprocess_exec(
            *argv,
            stdin=asyncio.subprocess.DEVNULL if stdin is None else asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
            env=kept | notice.words,
            cwd="/",
            start_new_session=True,
        )
    except OSError as error:
        raise _FailedError(Trouble.MISSING, error.strerror or type(error).__name__) from error
    try:
        await process.communicate(stdin)
    finally:
        if process.returncode is None:
            # What it started would go on with the page of a step that is over.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
    if process.returncode:
        raise _FailedError(Trouble.REFUSED, f"exit code {process.returncode}")


async def _webhook(url: str, notice: Notice) -> None:
    import httpx2  # noqa: PLC0415 - an extra, which only webhooks need

    # trust_env: a proxy of the environment would see what nobody configured; a redirection could lead to plain HTTP.
    async with httpx2.AsyncClient(timeout=TIMEOUT_S, follow_redirects=False, trust_env=False) as client:
        for pause in (*PAUSES_S, None):
            try:
                async with client.stream(
                    "POST", url, content=notice.json, headers={"content-type": "application/json"}
                ) as response:
                    status = response.status_code
            except httpx2.HTTPError as error:
                failed = _FailedError(Trouble.UNREACHABLE, type(error).__name__)
            else:
                if 200 <= status < 300:
                    return
                failed = _FailedError(Trouble.REFUSED, f"status {status}")
                if status < 500 and status != 429:
                    raise failed
            if pause is None:
                raise failed
            await asyncio.sleep(pause)


def _letter(sender: str, to: str, notice: Notice) -> EmailMessage:
    letter = EmailMessage()
    letter["From"], letter["To"] = sender, to
    drill = "DRILL, not real: " if notice.drill else ""
    letter["Subject"] = f"Amanah: {drill}{notice.precedence}, {notice.count} waiting"
    letter["Auto-Submitted"] = "auto-generated"
    letter.set_content(
        f"{drill}A message of precedence {notice.precedence} waits in room {notice.room}; step {notice.step}, "
        f"{notice.count} waiting in all.\nOpen Amanah and acknowledge it: that ends the paging.\n"
    )
    return letter


async def _mail(letter: EmailMessage, via: str, notice: Notice, timeout_s: float) -> None:
    if via.startswith("/"):
        await _command((via, "-oi", "-t"), notice, stdin=letter.as_bytes())
        return
    port = int(via.removeprefix("smtp:"))
    try:
        await asyncio.to_thread(_deliver, letter, port, timeout_s)
    except smtplib.SMTPException as error:
        raise _FailedError(Trouble.REFUSED, type(error).__name__) from error
    except TimeoutError:
        raise
    except OSError as error:
        raise _FailedError(Trouble.UNREACHABLE, type(error).__name__) from error


def _deliver(letter: EmailMessage, port: int, timeout_s: float) -> None:
    # The machine's own name could tell whose desk this is; a mail server on loopback needs none.
    with smtplib.SMTP("127.0.0.1", port, local_hostname="localhost", timeout=timeout_s) as server:
        server.send_message(letter)
