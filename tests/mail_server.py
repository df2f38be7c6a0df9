"""A real SMTP server for tests: it speaks RFC 5321 on a port of its own, and does what a test tells it to."""

from __future__ import annotations

import base64
import socket
import socketserver
import ssl
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage

USER, PASSWORD = "shop", "pass of mail"


@dataclass
class Received:
    """A letter that the server took, and whom the envelope named."""

    sender: str
    recipients: list[str]
    raw: bytes

    @property
    def message(self) -> EmailMessage:
        found = message_from_bytes(self.raw, policy=policy.default)
        assert isinstance(found, EmailMessage)
        return found


@dataclass
class MailServer:
    """What it offers, what it will say, and what it was given."""

    port: int = 0
    tls: ssl.SSLContext | None = None
    utf8: bool = True
    # Answers to give instead, by the verb (`DATA` and `.`: before and after the letter); `hang_up` gives none.
    says: dict[str, str] = field(default_factory=dict)
    hang_up: str = ""
    # Keeps its answer to a letter until set; `came` is set when it has the letter.
    answer: threading.Event = field(default_factory=threading.Event)
    came: threading.Event = field(default_factory=threading.Event)
    received: list[Received] = field(default_factory=list)
    # What it had heard of letters that were cut off.
    cut_off: list[bytes] = field(default_factory=list)
    commands: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.answer.set()

    @property
    def url(self) -> str:
        return f"smtp://127.0.0.1:{self.port}?starttls=off"

    def addresses(self) -> list[str]:
        """Who has been sent something, in order."""
        return [one for each in self.received for one in each.recipients]


@contextmanager
def mail_server(**offers: object) -> Iterator[MailServer]:
    """A server until the end of the block."""
    house = MailServer(**offers)  # type: ignore[arg-type]

    class Session(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            conversation = _Conversation(self.connection, house)
            with suppress(OSError), closing(conversation):
                conversation.hold()

    class Server(socketserver.ThreadingTCPServer):
        allow_reuse_address = True
        daemon_threads = True

    with Server(("127.0.0.1", 0), Session) as server:
        house.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield house
        finally:
            house.answer.set()
            server.shutdown()
            thread.join()


class _Conversation:
    """One connection, from 220 to 221."""

    def __init__(self, connection: socket.socket, house: MailServer) -> None:
        self._socket, self._house = connection, house
        self._file = connection.makefile("rb")
        self._sender, self._recipients = "", list[str]()

    def hold(self) -> None:
        self._say("220 mail.test ESMTP")
        while line := self._file.readline(2_000):
            command = line.decode("utf-8").rstrip("\r\n")
            verb = command.split(" ")[0].split(":")[0].upper()
            self._house.commands.append(verb + command[len(verb) :])
            if verb == self._house.hang_up:
                return
            if verb in self._house.says:
                self._say(self._house.says[verb])
                if self._house.says[verb].startswith("421"):
                    return
            elif not getattr(self, f"_{verb.lower()}")(command):
                return

    def close(self) -> None:
        """Hang up."""
        self._file.close()
        self._socket.close()

    def _say(self, text: str) -> bool:
        self._socket.sendall(f"{text}\r\n".encode())
        return True

    def _ehlo(self, _: str) -> bool:
        offers = ["8BITMIME", "AUTH PLAIN"]
        if self._house.tls and not isinstance(self._socket, ssl.SSLSocket):
            offers.append("STARTTLS")
        if self._house.utf8:
            offers.append("SMTPUTF8")
        return self._say("\r\n".join([*(f"250-{each}" for each in ["mail.test", *offers]), "250 HELP"]))

    def _starttls(self, _: str) -> bool:
        assert self._house.tls is not None
        self._say("220 go on")
        self._socket = self._house.tls.wrap_socket(self._socket, server_side=True)
        self._file = self._socket.makefile("rb")
        return True

    def _auth(self, command: str) -> bool:
        _, user, password = base64.b64decode(command.split(" ")[2]).decode().split("\0")
        return self._say("235 welcome" if (user, password) == (USER, PASSWORD) else "535 5.7.8 not with that password")

    def _mail(self, command: str) -> bool:
        self._sender, self._recipients = command.partition("<")[2].partition(">")[0], []
        return self._say("250 ok")

    def _rcpt(self, command: str) -> bool:
        address = command.partition("<")[2].partition(">")[0]
        if address in self._house.says:
            return self._say(self._house.says[address])
        self._recipients.append(address)
        return self._say("250 ok")

    def _data(self, _: str) -> bool:
        self._say("354 go on")
        lines = []
        while (line := self._file.readline()) != b".\r\n":
            if not line:
                self._house.cut_off.append(b"".join(lines))
                return False
            lines.append(line.removeprefix(b"."))
        self._house.came.set()
        if "." in self._house.says:
            return self._say(self._house.says["."])
        self._house.received.append(Received(self._sender, self._recipients, b"".join(lines)))
        if not self._house.answer.wait(60) or self._house.hang_up == ".":
            return False
        return self._say("250 taken")

    def _rset(self, _: str) -> bool:
        return self._say("250 ok")

    def _noop(self, _: str) -> bool:
        return self._say("250 ok")

    def _quit(self, _: str) -> bool:
        self._say("221 bye")
        return False
