"""The settings of mail, and the postman who hands letters to the owner's SMTP server."""

import asyncio
import ssl
from datetime import UTC, datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, parseaddr
from typing import Literal, Self

from pydantic import Field, SecretStr, model_validator

from kadesk.values import Section
from shop.addresses import find_address
from tickets.errors import MailNotSent
from tickets.letters import Letter
from tickets.mailed_codes import MailRules

ANSWERS_WITHIN = 10  # seconds for each word of the server,
SENT_WITHIN = 40  # and for the whole letter: less than its lease


class MailSection(Section):
    """[mail]"""

    host: str
    port: int = Field(ge=1, le=65535)
    security: Literal["starttls", "tls", "none"]
    user: str
    password: SecretStr = SecretStr("")
    sender: str
    per_hour: int = Field(ge=1)

    @model_validator(mode="after")
    def _can_be_sent(self) -> Self:
        if not self.host:
            return self
        if not (self.shop and find_address(self.address)) or not self.sender.isprintable():
            raise ValueError("write sender as the shop's name and address: 'Star Cards <help@example.com>'")
        if self.security == "none" and self.user:
            raise ValueError("user signs in with a password: choose security = 'starttls' or 'tls'")
        return self

    @property
    def shop(self) -> str:
        """What buyers know the shop as."""
        return parseaddr(self.sender)[0]

    @property
    def address(self) -> str:
        return parseaddr(self.sender)[1]

    @property
    def rules(self) -> MailRules:
        return MailRules(per_hour=self.per_hour)

    @property
    def postman(self) -> "SmtpPostman | None":
        """Who sends; None: nobody does."""
        return SmtpPostman(self) if self.host else None


class SmtpPostman:
    """`tickets.letters.Postman` over SMTP: a connection a letter, certificates checked."""

    def __init__(self, section: MailSection) -> None:
        self._section = section

    async def deliver(self, letter: Letter) -> None:
        import aiosmtplib  # a tenth of a second: only who sends mail waits

        section = self._section
        message = self._compose(letter)
        encrypted = ssl.create_default_context() if section.security != "none" else None
        try:
            async with asyncio.timeout(SENT_WITHIN):
                await aiosmtplib.send(
                    message,
                    hostname=section.host,
                    port=section.port,
                    username=section.user or None,
                    password=section.password.get_secret_value() or None,
                    use_tls=section.security == "tls",
                    start_tls=section.security == "starttls",
                    tls_context=encrypted,
                    timeout=ANSWERS_WITHIN,
                    local_hostname=section.address.rpartition("@")[2],
                )
        # What the server says may repeat the address: only its number is kept.
        except aiosmtplib.SMTPRecipientsRefused as error:
            code = error.recipients[0].code
            raise MailNotSent(problem=f"recipient refused, {code}", permanent=code >= 500) from None
        except aiosmtplib.SMTPDataError as error:
            raise MailNotSent(problem=f"text refused, {error.code}", permanent=error.code >= 500) from None
        except aiosmtplib.SMTPResponseException as error:
            raise MailNotSent(problem=f"{type(error).__name__} {error.code}", permanent=False) from None
        except (aiosmtplib.SMTPException, OSError, TimeoutError) as error:
            raise MailNotSent(problem=type(error).__name__, permanent=False) from None

    def _compose(self, letter: Letter) -> EmailMessage:
        """Plain text; a header with a line end in it is refused by the message itself."""
        section = self._section
        domain = section.address.rpartition("@")[2]
        message = EmailMessage(policy=SMTP)
        message["From"] = Address(section.shop, addr_spec=section.address)
        message["To"] = Address(addr_spec=letter.address)
        message["Subject"] = letter.subject
        message["Date"] = format_datetime(datetime.now(UTC))
        message["Message-ID"] = f"<{letter.name}@{domain}>"  # the same at each try: a repeat is recognised
        message["Auto-Submitted"] = "auto-generated"  # no out-of-office replies
        message.set_content(letter.text)
        return message
