"""A real mail server on this machine, that keeps what it gets."""

import asyncio
import email
import email.policy
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email.message import EmailMessage
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from kadesk.mail import MailSection

USER, PASSWORD = "kadesk", "p4ssword of the mailbox"


@dataclass
class Box:
    """What a mail server got, and the port where it listens."""

    port: int = 0
    answer: str = "250 OK"  # to RCPT
    mails: list[tuple[str, list[str], EmailMessage]] = field(default_factory=list)
    signed_in: list[str] = field(default_factory=list)

    async def handle_RCPT(  # the server calls it so
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        envelope.rcpt_tos.append(address)
        return self.answer

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        assert isinstance(envelope.content, bytes)
        message = email.message_from_bytes(envelope.content, policy=email.policy.default)
        assert isinstance(message, EmailMessage)
        self.mails.append((str(envelope.mail_from), list(envelope.rcpt_tos), message))
        return "250 OK"

    def sign_in(self, server: Any, session: Any, envelope: Any, mechanism: str, given: Any) -> AuthResult:
        assert isinstance(given, LoginPassword)
        is_known = (given.login.decode(), given.password.decode()) == (USER, PASSWORD)
        if is_known:
            self.signed_in.append(mechanism)
        return AuthResult(success=is_known, handled=False)

    def section(self, **changes: Any) -> MailSection:
        facts = {"host": "127.0.0.1", "port": self.port, "security": "none", "user": "", "per_hour": 9}
        return MailSection(**facts | {"sender": "星卡商城 <help@stars.example>"} | changes)


@asynccontextmanager
async def listening(**options: Any) -> AsyncIterator[Box]:
    box = Box()
    if "tls_context" in options:
        options |= {"authenticator": box.sign_in, "auth_required": True, "require_starttls": True}
    server = await asyncio.get_running_loop().create_server(lambda: SMTP(box, **options), "127.0.0.1", 0)
    async with server:
        box.port = server.sockets[0].getsockname()[1]
        yield box
