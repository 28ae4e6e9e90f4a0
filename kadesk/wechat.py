"""The settings of a WeChat 公众号, and how it is opened."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Literal, Self

from pydantic import Field, PositiveInt, SecretStr, model_validator

from bot.channels.weixin.envelope import Envelope
from bot.errors import BadSealKey
from bot.health import Pulse
from kadesk.accounts import Accounts, AccountSection
from kadesk.database import Database
from kadesk.shops import Name
from kadesk.values import Span
from kadesk.workers import Worker
from shop.vault import Vault

if TYPE_CHECKING:  # the settings are read by every command: only who serves needs the rest
    from bot.channels.wechat import WeChat
    from bot.channels.weixin.quota import Quota, Tell

CHANNEL = "wechat"
PLAIN_KEY = "A" * 43  # stands where the owner chose that nothing is sealed


class OfficialAccountSection(AccountSection):
    """[wechat.more.NAME]"""

    app_id: str = ""
    plain: bool = False
    secret: SecretStr = SecretStr("")
    token: SecretStr = SecretStr("")
    aes_key: SecretStr = SecretStr("")

    @property
    def account(self) -> str:
        return self.app_id

    def require_whole(self, name: str) -> None:
        """Raises `ValueError`; `name` is that of the section."""
        for key in ("secret", "token"):
            if not getattr(self, key).get_secret_value():
                variable = f"KADESK_{name.replace('.', '__')}__{key}".upper()
                raise ValueError(f"set {variable}, as the platform's 基本配置 page shows it")
        try:
            self.envelope  # noqa: B018  # says what is wrong with it
        except BadSealKey as error:
            raise ValueError(f"{name}: aes_key: {error} Or, knowingly, choose plain = true.") from None

    @property
    def envelope(self) -> Envelope:
        key = self.aes_key.get_secret_value() or (PLAIN_KEY if self.plain else "")
        return Envelope.make(self.token.get_secret_value(), key, self.app_id)


class WeChatSection(OfficialAccountSection):
    """[wechat]"""

    api_base: str
    patience: Span
    language: Literal["zh", "en"]
    daily_calls: Mapping[str, PositiveInt]
    warn_calls_at: float = Field(gt=0, le=1)
    more: Mapping[Name, OfficialAccountSection] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        if self.patience > timedelta(seconds=4):
            raise ValueError("patience must be 4 s at most: after 5 s WeChat takes the call for failed")
        for name, one in self.accounts.named.items():
            if one.app_id:
                one.require_whole(name)
            elif one is not self:
                raise ValueError(f"{name} has no app_id")
        self.accounts.require_different("are one 公众号")
        return self

    @property
    def accounts(self) -> Accounts[OfficialAccountSection]:
        return Accounts.of(CHANNEL, self, self.more)


@dataclass(frozen=True, slots=True)
class OpenWeChat:
    """A 公众号, what counts its calls, and what is known of its health."""

    wechat: "WeChat"
    quota: "Quota"
    pulse: Pulse

    @property
    def workers(self) -> Sequence[Worker]:
        name = f"wechat {self.wechat.account}"
        runs = {"is let in": self.wechat.run, "counts its calls": self.quota.run, "is well": self.pulse.run}
        return [Worker(f"{name} {does}", run) for does, run in runs.items()]


def open_wechat(
    section: WeChatSection, database: Database, vault: Vault, clock: Callable[[], datetime], tell: "Tell"
) -> list[OpenWeChat]:
    """Every account that the settings name."""
    return [_open(section, one, database, vault, clock, tell) for one in section.accounts.all]


def _open(
    section: WeChatSection,
    account: OfficialAccountSection,
    database: Database,
    vault: Vault,
    clock: Callable[[], datetime],
    tell: "Tell",
) -> OpenWeChat:
    from bot.channels.wechat import WeChat
    from bot.channels.weixin.access import AccessTokens
    from bot.channels.weixin.api import Api
    from bot.channels.weixin.door import Gate, Nonces
    from bot.channels.weixin.quota import Quota, Terms

    app_id, limits = account.app_id, dict(section.daily_calls)
    quota = Quota(database, clock, CHANNEL, app_id, Terms(limits, section.warn_calls_at), tell)
    pulse = Pulse(database, clock, CHANNEL, app_id)
    pulse.note(counted_as=app_id, by_day=True, limits=limits, warn_at=section.warn_calls_at)
    api = Api(section.api_base, quota)

    async def ask(is_refused: bool) -> tuple[str, timedelta]:
        secret = {"appid": app_id, "secret": account.secret.get_secret_value()}
        body = {"grant_type": "client_credential", "force_refresh": is_refused} | secret
        answer = await api.ask("POST", "/cgi-bin/stable_token", json=body)
        return str(answer["access_token"]), timedelta(seconds=int(answer["expires_in"]))

    tokens = AccessTokens(database, vault, clock, CHANNEL, app_id, ask)
    gate = Gate(account.envelope, Nonces(), account.plain)
    wechat = WeChat(app_id, gate, api, tokens, clock, patience=section.patience, note=pulse.note)
    return OpenWeChat(wechat, quota, pulse)
