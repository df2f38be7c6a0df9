"""An SMTP server that takes letters, over one connection for many, encrypted unless the address says otherwise.

Each answer is kept apart: what is about this letter, what is about the server, and what nobody can know.
"""

from __future__ import annotations

import re
import smtplib
import ssl
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from email.message import EmailMessage
from urllib.parse import parse_qs, unquote, urlsplit

from onsale.mail.message import Envelope
from onsale.mail.post import Answer, Said

# For connecting and for each answer. A letter is some kilobytes; a server that takes longer is not well.
ANSWER_SECONDS_MAX = 10
# A server may look for spam before it says that it took the letter; whoever hangs up meanwhile never knows.
TAKEN_SECONDS_MAX = 60
PORTS = {("smtp", True): 587, ("smtp", False): 25, ("smtps", True): 465}
# RFC 5321, 4.2.1: the first digit decides. 421: the server closes the connection, whatever it was asked.
CLOSING = 421
# The last one: a host's name that is none.
NO_CONVERSATION = (OSError, smtplib.SMTPException, UnicodeError)
STARTS = 354


@dataclass(frozen=True, slots=True)
class SmtpServer:
    """Where letters go, read from `smtp://user:password@host:587` or `smtps://...`; `?starttls=off` for a relay on
    the same machine.
    """

    host: str
    port: int
    user: str
    password: str = field(repr=False)
    tls_at_once: bool
    starttls: bool


def server_of(url: str) -> SmtpServer:
    """The server of an ONSALE_SMTP_URL, which the configuration has checked."""
    parts = urlsplit(url)
    at_once = parts.scheme == "smtps"
    starttls = not at_once and parse_qs(parts.query).get("starttls") != ["off"]
    return SmtpServer(
        host=parts.hostname or "",
        port=parts.port or PORTS[parts.scheme, at_once or starttls],
        user=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
        tls_at_once=at_once,
        starttls=starttls,
    )


class SmtpPost:
    """Hands letters to one server. Not for several threads at once."""

    def __init__(self, server: SmtpServer, *, named: str) -> None:
        self._server = server
        # Who we say that we are. The standard library would ask DNS for this machine's name, which may take its time.
        self._named = named
        self._client: smtplib.SMTP | None = None

    def hand_over(self, envelope: Envelope, message: EmailMessage, *, at_the_brink: Callable[[], None]) -> Answer:
        """Hand a letter over, by the steps of RFC 5321, 3.3; a connection that went away is made once more."""
        try:
            client = self._connected()
            refused = self._announce(client, envelope)
        except NO_CONVERSATION as error:
            self.close()
            return Answer(Said.AWAY, _why(error))
        if refused is not None:
            return refused
        try:
            at_the_brink()
        except BaseException:
            # Closed in the middle of a letter, the server throws away what it has heard of it.
            self._hang_up()
            raise
        return self._send(client, message)

    def ask(self) -> Answer:
        """Whether the server lets us in, without a letter."""
        try:
            code, said = self._connected().noop()
        except NO_CONVERSATION as error:
            return Answer(Said.AWAY, _why(error))
        finally:
            self.close()
        return Answer(Said.TAKEN) if code < 400 else Answer(Said.AWAY, _words(code, said))

    def close(self) -> None:
        """Hang up, politely if the server still listens."""
        if self._client is not None:
            with suppress(OSError, smtplib.SMTPException):
                self._client.quit()
            self._hang_up()

    def _hang_up(self) -> None:
        """Without a word: to a server that waits for a letter QUIT would be a line of it, and is never answered."""
        if self._client is not None:
            self._client.close()
            self._client = None

    def _connected(self) -> smtplib.SMTP:
        if self._client is not None:
            with suppress(OSError, smtplib.SMTPException):
                # A server hangs up on who has been silent for a while.
                if self._client.rset()[0] == 250:
                    return self._client
            self.close()
        server = self._server
        context = ssl.create_default_context()
        if server.tls_at_once:
            client: smtplib.SMTP = smtplib.SMTP_SSL(
                server.host, server.port, self._named, timeout=ANSWER_SECONDS_MAX, context=context
            )
        else:
            client = smtplib.SMTP(server.host, server.port, self._named, timeout=ANSWER_SECONDS_MAX)
        self._client = client
        client.ehlo_or_helo_if_needed()
        if server.starttls:
            # Refused where it is not offered: someone in between may have taken the offer out.
            client.starttls(context=context)
            client.ehlo_or_helo_if_needed()
        if server.user:
            client.login(server.user, server.password)
        return client

    def _announce(self, client: smtplib.SMTP, envelope: Envelope) -> Answer | None:
        """Everything before the letter itself; None when the server waits for it."""
        if envelope.needs_utf8 and not client.has_extn("smtputf8"):
            return Answer(Said.REFUSED, "The mail server takes no address that is not ASCII (no SMTPUTF8).")
        code, said = client.mail(envelope.sender.addr_spec, ["SMTPUTF8"] if envelope.needs_utf8 else [])
        if code != 250:
            # What it has against our sender it has against every letter.
            return Answer(Said.AWAY, _words(code, said))
        code, said = client.rcpt(envelope.recipient.addr_spec)
        if code not in (250, 251):
            return _refusal(code, said)
        code, said = client.docmd("DATA")
        return None if code == STARTS else _refusal(code, said)

    def _send(self, client: smtplib.SMTP, message: EmailMessage) -> Answer:
        """The letter itself. From the first byte on only the server's own answer tells whether it has it."""
        try:
            if client.sock is not None:
                client.sock.settimeout(TAKEN_SECONDS_MAX)
            client.send(_as_data(message.as_bytes()))
            code, said = client.getreply()
            if client.sock is not None:
                client.sock.settimeout(ANSWER_SECONDS_MAX)
        except (OSError, smtplib.SMTPException) as error:
            self._hang_up()
            return Answer(Said.UNCLEAR, f"The connection was lost before the server had answered: {_why(error)}")
        if 200 <= code < 300:
            return Answer(Said.TAKEN, _words(code, said))
        if not 400 <= code < 600:
            self.close()
            return Answer(Said.UNCLEAR, f"The server answered what no mail server answers: {_words(code, said)}")
        return _refusal(code, said)


def _as_data(message: bytes) -> bytes:
    """As RFC 5321, 4.5.2 wants it: a line that begins with a dot has another one, and a dot alone ends it all."""
    lines = message if message.endswith(b"\r\n") else message + b"\r\n"
    return re.sub(rb"(?m)^\.", b"..", lines) + b".\r\n"


def _refusal(code: int, said: bytes) -> Answer:
    if code == CLOSING:
        return Answer(Said.AWAY, _words(code, said))
    return Answer(Said.REFUSED if code >= 500 else Said.PUT_OFF, _words(code, said))


def _words(code: int, said: bytes) -> str:
    return f"{code} {' '.join(said.decode('utf-8', 'replace').split())}"


def _why(error: Exception) -> str:
    """What went wrong, without our password: the server's words, or the system's."""
    if isinstance(error, smtplib.SMTPResponseException):
        said = error.smtp_error if isinstance(error.smtp_error, bytes) else str(error.smtp_error).encode()
        return _words(error.smtp_code, said)
    return f"{type(error).__name__}: {error}"
