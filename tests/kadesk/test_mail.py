"""Mail over a real SMTP server: what arrives, encrypted and signed in, and what becomes of refusals."""

import asyncio
import email
import email.policy
import re
import ssl
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from kadesk.errors import SettingsError
from kadesk.mail import MailSection, SmtpPostman
from kadesk.settings import SHIPPED, Settings
from tickets.errors import MailNotSent
from tickets.letters import Letter

LETTER = Letter("name-1", "chen@qq.example", "星卡商城：您的查单验证码", "您好！\n\n123456\n")
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
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(server)
        box.port = server.sockets[0].getsockname()[1]
        yield box


def make_certificate(folder: Path) -> ssl.SSLContext:
    """A certificate for this machine, signed by itself; `folder`/cert.pem is what trusts it."""
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    (folder / "cert.pem").write_bytes(certificate.public_bytes(pem))
    (folder / "key.pem").write_bytes(key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    return context


async def test_a_letter_arrives_as_plain_text_from_the_shop() -> None:
    async with listening() as box:
        await SmtpPostman(box.section()).deliver(LETTER)

    ((sender, recipients, message),) = box.mails
    assert (sender, recipients) == ("help@stars.example", ["chen@qq.example"])
    assert (message["From"], message["To"]) == ("星卡商城 <help@stars.example>", "chen@qq.example")
    assert (message["Subject"], message["Message-ID"]) == (LETTER.subject, "<name-1@stars.example>")
    assert message.get_content_type() == "text/plain"
    assert message.get_content().splitlines() == LETTER.text.splitlines()


async def test_a_letter_goes_encrypted_and_signed_in_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with listening(tls_context=make_certificate(tmp_path)) as box:
        good = box.section(security="starttls", user=USER, password=PASSWORD)
        with pytest.raises(MailNotSent) as untrusted:
            await SmtpPostman(good).deliver(LETTER)
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "cert.pem"))
        with pytest.raises(MailNotSent) as unknown:
            await SmtpPostman(box.section(security="starttls", user=USER, password="wrong")).deliver(LETTER)
        await SmtpPostman(good).deliver(LETTER)

    assert not untrusted.value.permanent
    assert (unknown.value.problem, unknown.value.permanent) == ("SMTPAuthenticationError 535", False)
    assert (len(box.mails), len(box.signed_in)) == (1, 1)


@pytest.mark.parametrize(("answer", "permanent"), [("550 no chen@qq.example here", True), ("451 not now", False)])
async def test_a_refusal_says_whether_another_try_helps_and_not_to_whom(answer: str, permanent: bool) -> None:
    async with listening() as box:
        box.answer = answer
        with pytest.raises(MailNotSent) as refused:
            await SmtpPostman(box.section()).deliver(LETTER)

    assert refused.value.permanent == permanent
    assert re.search(r"\d{3}", str(refused.value))
    assert "chen" not in str(refused.value)


async def test_a_server_that_is_away_is_weather() -> None:
    async with listening() as box:
        section = box.section()

    with pytest.raises(MailNotSent) as silent:
        await SmtpPostman(section).deliver(LETTER)

    assert not silent.value.permanent


@pytest.mark.parametrize(
    ("address", "subject"),
    [("a@qq.example\nBcc: b@evil.example", "x"), ("a@qq.example", "x\r\nBcc: b@evil.example"), ("a@x, b@x", "x")],
)
async def test_no_header_can_be_slipped_in(address: str, subject: str) -> None:
    async with listening() as box:
        with pytest.raises(Exception, match=r"linefeed|newline|CR|Invalid|expected"):
            await SmtpPostman(box.section()).deliver(Letter("n", address, subject, "text"))

    assert box.mails == []


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        pytest.param({"SENDER": ""}, "mail: write sender as the shop's name and address", id="no sender"),
        pytest.param({"SENDER": "help@stars.example"}, "mail: write sender as", id="no name"),
        pytest.param({"SENDER": "Stars <help at stars>"}, "mail: write sender as", id="no address"),
        pytest.param({"SECURITY": "none", "USER": "me"}, "mail: user signs in with a password", id="in clear"),
        pytest.param({"SECURITY": "ssl"}, "mail.security: Input should be 'starttls', 'tls' or 'none'", id="ssl"),
    ],
)
def test_a_wrong_setting_of_mail_is_named(
    monkeypatch: pytest.MonkeyPatch, changes: dict[str, str], sentence: str
) -> None:
    facts = {"HOST": "smtp.stars.example", "SENDER": "Stars <help@stars.example>"} | changes
    for name, value in facts.items():
        monkeypatch.setenv(f"KADESK_MAIL__{name}", value or " ")

    with pytest.raises(SettingsError) as refused:
        Settings.load(SHIPPED)

    assert sentence in str(refused.value)


def test_without_a_host_nobody_sends() -> None:
    assert Settings.load(SHIPPED).mail.postman is None
