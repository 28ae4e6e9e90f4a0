"""Mail over a real SMTP server: what arrives, encrypted and signed in, and what becomes of refusals."""

import re
import ssl
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from kadesk.errors import SettingsError
from kadesk.mail import SmtpPostman
from kadesk.settings import SHIPPED, Settings
from tests.kadesk.mail_server import PASSWORD, USER, listening
from tickets.errors import MailNotSent
from tickets.letters import Letter

LETTER = Letter("name-1", "chen@qq.example", "星卡商城：您的查单验证码", "您好！\n\n123456\n")


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
