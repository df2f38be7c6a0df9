"""A letter as the mail standard wants it: headers, a text and an HTML, and a Message-ID that stays the same."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from email.errors import HeaderParseError
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from uuid import UUID

import idna

from onsale.mail.drawing import Drawn

# Readable in the outbox, and short lines whatever was typed.
ENCODING = "quoted-printable"
# RFC 5321, 4.5.3.1.
ADDRESS_CHARACTERS_MAX = 254


@dataclass(frozen=True, slots=True)
class Envelope:
    """From whom, to whom, and whether the server must take addresses that are not ASCII (RFC 6531)."""

    letter_id: UUID
    sender: Address
    recipient: Address

    @property
    def needs_utf8(self) -> bool:
        """Whether a part before an @ is not ASCII; a domain never needs it."""
        return not (self.sender.username + self.recipient.username).isascii()


def address_of(text: str) -> Address:
    """One address, its domain in ASCII (`xn--...`). ValueError for what is none, or more than one."""
    local, at, domain = text.rpartition("@")
    if not (at and local and text.isprintable() and " " not in text and len(text) <= ADDRESS_CHARACTERS_MAX):
        raise ValueError("not an e-mail address")
    try:
        ascii_domain = domain if domain.isascii() else idna.encode(domain, uts46=True).decode()
        # The standard library reads the grammar of ASCII alone; a letter of another script may stand wherever an x may.
        plain = "".join(one if one.isascii() else "x" for one in local)
        read = Address(addr_spec=f"{plain}@{ascii_domain}")
    except (UnicodeError, ValueError, IndexError, HeaderParseError) as error:
        raise ValueError("not an e-mail address") from error
    # A comma, a bracket or a comment would be read as something else by somebody on the way.
    if read.username != plain or read.domain != ascii_domain or not _is_domain(ascii_domain):
        raise ValueError("not an e-mail address")
    return Address(username=local, domain=ascii_domain)


def sender_of(text: str) -> Address:
    """Who a letter is from: an address, or `A name <address>`. ValueError."""
    name, bracket, rest = text.partition("<")
    if not bracket:
        return address_of(text.strip())
    if not rest.strip().endswith(">") or not name.isprintable():
        raise ValueError("not a sender")
    found = address_of(rest.strip()[:-1])
    return Address(display_name=name.strip().strip('"'), addr_spec=found.addr_spec)


def message(envelope: Envelope, drawn: Drawn, *, written_at: datetime, stop_url: str = "") -> EmailMessage:
    """The letter to be handed over. The same letter has the same Message-ID at every try."""
    made = EmailMessage(policy=SMTP.clone(utf8=envelope.needs_utf8))
    made["Message-ID"] = f"<{envelope.letter_id}@{envelope.sender.domain}>"
    made["Date"] = written_at
    made["From"] = envelope.sender
    made["To"] = envelope.recipient
    made["Subject"] = drawn.subject
    # Nobody's holiday notice should answer (RFC 3834).
    made["Auto-Submitted"] = "auto-generated"
    if stop_url:
        # The mail program's own way out: one click, which is a POST (RFC 8058).
        made["List-Unsubscribe"] = f"<{stop_url}>"
        made["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    made.set_content(drawn.text, cte=ENCODING)
    made.add_alternative(drawn.html, subtype="html", cte=ENCODING)
    # The boundary is made up by the standard library each time; a fixed one makes the same letter the same bytes.
    made.set_boundary(f"=_{envelope.letter_id.hex}")
    return made


def _is_domain(domain: str) -> bool:
    labels = domain.split(".")
    return all(label and label.replace("-", "").isalnum() and label.isascii() for label in labels)
