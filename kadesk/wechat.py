"""The settings of a WeChat 公众号, and how it is opened."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Literal, Self

from pydantic import SecretStr, model_validator

from bot.channels.weixin.envelope import Envelope
from bot.errors import BadSealKey
from kadesk.database import Database
from kadesk.values import Section, Span
from shop.vault import Vault

if TYPE_CHECKING:  # the settings are read by every command: only who serves needs the rest
    from bot.channels.wechat import WeChat

CHANNEL = "wechat"
PLAIN_KEY = "A" * 43  # stands where the owner chose that nothing is sealed


class WeChatSection(Section):
    """[wechat]"""

    app_id: str
    api_base: str
    plain: bool
    patience: Span
    language: Literal["zh", "en"]
    secret: SecretStr = SecretStr("")
    token: SecretStr = SecretStr("")
    aes_key: SecretStr = SecretStr("")

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        if not self.app_id:
            return self
        for name in ("secret", "token"):
            if not getattr(self, name).get_secret_value():
                raise ValueError(f"set KADESK_WECHAT__{name.upper()}, as the platform's 基本配置 page shows it")
        if self.patience > timedelta(seconds=4):
            raise ValueError("patience must be 4 s at most: after 5 s WeChat takes the call for failed")
        try:
            self.envelope  # noqa: B018  # says what is wrong with it
        except BadSealKey as error:
            raise ValueError(f"aes_key: {error} Or, knowingly, choose plain = true.") from None
        return self

    @property
    def envelope(self) -> Envelope:
        key = self.aes_key.get_secret_value() or (PLAIN_KEY if self.plain else "")
        return Envelope.make(self.token.get_secret_value(), key, self.app_id)

    @property
    def places(self) -> Sequence[tuple[str, str]]:
        """Channel and account, if there is one."""
        return ((CHANNEL, self.app_id),) if self.app_id else ()


def open_wechat(
    section: WeChatSection, database: Database, vault: Vault, clock: Callable[[], datetime]
) -> list["WeChat"]:
    """None without an account."""
    if not section.app_id:
        return []
    from bot.channels.wechat import WeChat
    from bot.channels.weixin.access import AccessTokens
    from bot.channels.weixin.api import Api
    from bot.channels.weixin.door import Gate, Nonces

    api = Api(section.api_base, clock)

    async def ask(is_refused: bool) -> tuple[str, timedelta]:
        body = {
            "grant_type": "client_credential",
            "appid": section.app_id,
            "secret": section.secret.get_secret_value(),
            "force_refresh": is_refused,
        }
        answer = await api.ask("POST", "/cgi-bin/stable_token", json=body)
        return str(answer["access_token"]), timedelta(seconds=int(answer["expires_in"]))

    tokens = AccessTokens(database, vault, clock, CHANNEL, section.app_id, ask)
    gate = Gate(section.envelope, Nonces(), section.plain)
    return [WeChat(section.app_id, gate, api, tokens, clock, patience=section.patience)]
