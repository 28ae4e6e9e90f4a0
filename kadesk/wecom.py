"""The settings of 企业微信's 微信客服, and how its accounts are opened."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Self

from pydantic import SecretStr, model_validator

from bot.channels.weixin.envelope import Envelope
from bot.errors import BadSealKey
from bot.health import Pulse
from kadesk.database import Database
from kadesk.tencent import telling_managers
from kadesk.values import Section, Words
from kadesk.workers import Worker
from shop.vault import Vault
from tickets.desk import Desk

if TYPE_CHECKING:  # the settings are read by every command: only who serves needs the rest
    from fastapi import APIRouter

    from bot.channels.port import Accept
    from bot.channels.wecom import WeCom
    from bot.channels.weixin.quota import Quota

CHANNEL = "wecom"
REFUSED_FOR = timedelta(minutes=1)  # the platform counts calls by the minute, and by the hour


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
    """Its accounts, the one door that tells them of news, and what counts their calls, and what is known of them."""

    accounts: Sequence["WeCom"] = ()
    routers: Sequence["APIRouter"] = ()
    quotas: Sequence["Quota"] = ()
    pulses: Sequence[Pulse] = ()

    def workers(self, accept: "Accept") -> Sequence[Worker]:
        workers = [Worker("wecom counts its calls", one.run) for one in self.quotas]
        for account, pulse in zip(self.accounts, self.pulses, strict=True):
            workers.append(Worker(f"wecom {account.account} hears", partial(account.run, accept)))
            workers.append(Worker(f"wecom {account.account} is well", pulse.run))
        return workers


def open_wecom(
    section: WeComSection, database: Database, vault: Vault, clock: Callable[[], datetime], desk: Desk
) -> Company:
    """All accounts of the company that the settings name, none without one."""
    if not section.corp_id:
        return Company()
    from bot.channels.wecom import WeCom, door
    from bot.channels.weixin.access import AccessTokens
    from bot.channels.weixin.api import Api
    from bot.channels.weixin.door import Gate, Nonces
    from bot.channels.weixin.quota import Quota, Terms

    quota = Quota(database, clock, CHANNEL, section.corp_id, Terms(pause=REFUSED_FOR), telling_managers(desk))
    api = Api(section.api_base, quota)

    async def ask(_is_refused: bool) -> tuple[str, timedelta]:
        secrets = {"corpid": section.corp_id, "corpsecret": section.secret.get_secret_value()}
        answer = await api.ask("GET", "/cgi-bin/gettoken", params=secrets)
        return str(answer["access_token"]), timedelta(seconds=int(answer["expires_in"]))

    tokens = AccessTokens(database, vault, clock, CHANNEL, section.corp_id, ask)
    pulses = [Pulse(database, clock, CHANNEL, one) for one in section.accounts]
    for pulse in pulses:
        pulse.note(counted_as=section.corp_id)  # for all of them together
    accounts = [
        WeCom(one, api, tokens, database, clock, desk.take_back_message, pulse.note)
        for one, pulse in zip(section.accounts, pulses, strict=True)
    ]
    gate = Gate(section.envelope, Nonces())
    return Company(accounts, (door.router(section.corp_id, gate, accounts, clock),), (quota,), pulses)
