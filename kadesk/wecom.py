"""The settings of 企业微信's 微信客服, and how its accounts are opened."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Self

from pydantic import SecretStr, model_validator

from bot.channels.weixin.envelope import Envelope
from bot.errors import BadSealKey
from kadesk.database import Database
from kadesk.values import Section, Words
from shop.vault import Vault

if TYPE_CHECKING:  # the settings are read by every command: only who serves needs the rest
    from fastapi import APIRouter

    from bot.channels.wecom import WeCom

CHANNEL = "wecom"


class WeComSection(Section):
    """[wecom]"""

    corp_id: str
    accounts: Words
    api_base: str
    secret: SecretStr = SecretStr("")
    token: SecretStr = SecretStr("")
    aes_key: SecretStr = SecretStr("")

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        if not self.corp_id:
            return self
        if not self.accounts:
            raise ValueError("accounts: name the customer service accounts, such as 'wkAJ2GCAAA…' (open_kfid)")
        if not self.secret.get_secret_value():
            raise ValueError("set KADESK_WECOM__SECRET, as the page of 微信客服 shows it")
        try:
            self.envelope  # noqa: B018  # says what is wrong with it
        except BadSealKey as error:
            raise ValueError(str(error)) from None
        return self

    @property
    def envelope(self) -> Envelope:
        return Envelope.make(self.token.get_secret_value(), self.aes_key.get_secret_value(), self.corp_id)

    @property
    def places(self) -> Sequence[tuple[str, str]]:
        """Channel and account of each."""
        return tuple((CHANNEL, account) for account in self.accounts) if self.corp_id else ()


@dataclass(frozen=True, slots=True)
class Company:
    """Its accounts, and the one door that tells them of news."""

    accounts: Sequence["WeCom"]
    routers: Sequence["APIRouter"]


def open_wecom(section: WeComSection, database: Database, vault: Vault, clock: Callable[[], datetime]) -> Company:
    """All accounts of the company that the settings name, none without one."""
    if not section.corp_id:
        return Company((), ())
    from bot.channels.wecom import WeCom, door
    from bot.channels.weixin.access import AccessTokens
    from bot.channels.weixin.api import Api
    from bot.channels.weixin.door import Gate, Nonces

    api = Api(section.api_base, clock)

    async def ask(_is_refused: bool) -> tuple[str, timedelta]:
        secrets = {"corpid": section.corp_id, "corpsecret": section.secret.get_secret_value()}
        answer = await api.ask("GET", "/cgi-bin/gettoken", params=secrets)
        return str(answer["access_token"]), timedelta(seconds=int(answer["expires_in"]))

    tokens = AccessTokens(database, vault, clock, CHANNEL, section.corp_id, ask)
    accounts = [WeCom(one, api, tokens, database, clock) for one in section.accounts]
    gate = Gate(section.envelope, Nonces())
    return Company(accounts, (door.router(section.corp_id, gate, accounts, clock),))
