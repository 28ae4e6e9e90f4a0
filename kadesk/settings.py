"""Every choice of the owner, read once and frozen: settings.toml under `KADESK_SECTION__KEY` from the environment.

Secrets come from the environment, or from the file that `KADESK_SECTION__KEY_FILE` names, never from settings.toml.
"""

import os
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, EnvSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict

from kadesk.errors import SettingsError
from kadesk.fields import Fields
from kadesk.mail import MailSection
from kadesk.money import RefundsSection, SumOrNothing
from kadesk.promises import CalendarSection, PolicySection, find_problems
from kadesk.risks import BreakersSection, RiskSection
from kadesk.routing import RoutingSection
from kadesk.shops import FirstShopSection, ShopSection
from kadesk.staff_bot import StaffBotSection
from kadesk.statuses import Statuses
from kadesk.suppliers import BatchesSection, SupplierApiSection, SuppliersSection
from kadesk.telegram import BotSection, TelegramSection
from kadesk.values import Country, Hours, LongSecret, Origins, Section, Span, Words, Zone, only
from kadesk.values import parse_span as parse_span
from kadesk.wechat import OfficialAccountSection, WeChatSection
from kadesk.wecom import WeComSection
from shop.errors import BadKeys
from shop.vault import Keys
from tickets.grievance import Grievance
from tickets.ownership import OwnershipRules
from tickets.timetables import parse_windows
from tickets.words import Reason

PREFIX = "KADESK_"
SHIPPED = Path(__file__).parent.parent / "settings.toml"


def _often_enough(value: timedelta) -> timedelta:
    if value > timedelta(seconds=60):
        raise ValueError("must be 60 s at most, or tickets would be escalated late")
    return value


def _one_window(text: str) -> str:
    if text and len(parse_windows(text)) != 1:
        raise ValueError("write one span such as '23:00-08:00', or nothing")
    return text


def _database_url(secret: SecretStr) -> SecretStr:
    url = secret.get_secret_value()
    if url and not url.startswith(("postgresql://", "postgresql+asyncpg://", "sqlite://")):
        raise ValueError("write 'postgresql://user:password@host/name', or leave it out for SQLite in data.dir")
    return secret


def _vault_keys(secret: SecretStr) -> SecretStr:
    if text := secret.get_secret_value():
        try:
            Keys.from_text(text)
        except BadKeys as error:
            raise ValueError("these are not Kadesk keys; restore them from your backup") from error
    return secret


DatabaseUrl = Annotated[SecretStr, AfterValidator(_database_url)]
VaultKeys = Annotated[SecretStr, AfterValidator(_vault_keys)]


class Web(Section):
    host: str
    port: int = Field(ge=0, le=65535)
    public_url: str
    widget_origins: Origins


class Data(Section):
    dir: Path
    url: DatabaseUrl = SecretStr("")  # it may hold a password
    keys: VaultKeys = SecretStr("")


class Sla(Section):
    handling: Span
    undelivered: Span
    first_response: Span
    next_response: Span
    resolution: Span
    pause_cap: Span
    warn_before: Span
    lead_after: Span
    manager_after: Span
    again_every: Span
    sweep_every: Annotated[Span, AfterValidator(_often_enough)]
    policies: tuple[PolicySection, ...] = ()
    calendars: dict[str, CalendarSection] = Field(default_factory=dict)


class Escalation(Section):
    quiet_hours: Annotated[str, AfterValidator(_one_window)]
    urgent_from: Literal["", "L1", "L2", "L3"]
    before_window: Span
    repeat_after: Span
    repeat_times: int = Field(ge=0, le=20)
    reopened_times: int = Field(ge=1)
    hurried_times: int = Field(ge=1)
    risky: Annotated[Words, AfterValidator(only(Grievance, "there is no kind"))]
    risky_words: Words


class Lifecycle(Section):
    reopen_within: Span
    silence_warned_after: Span
    silence_closes_after: Span


class Claims(Section):
    auto_limit: Decimal = Field(ge=0)
    auto_reasons: Annotated[Words, AfterValidator(only(Reason, "there is no reason"))]
    proof_within: Span
    closed_after: Span
    reveal_ttl: Span
    two_persons: SumOrNothing


class Ownership(Section):
    lock_after: int = Field(ge=1)
    lock_for: Span
    crowd_all: int = Field(ge=1)
    link_secret: LongSecret = SecretStr("")

    @property
    def rules(self) -> OwnershipRules:
        return OwnershipRules(self.lock_after, self.lock_for, crowd_all=self.crowd_all)


class Bot(Section):
    message_limit: int = Field(ge=100, le=100_000)
    hurry_every: Span
    hush: Span
    rate: int = Field(ge=1)
    file_limit: int = Field(ge=0, le=20)  # Telegram gives a bot no more


class Ratings(Section):
    ask: bool
    answer_within: Span
    correct_within: Span


class Faq(Section):
    wrong_in: int = Field(ge=2)
    encoder: bool
    questions_kept: Span


class Console(Section):
    session: Span
    time_zone: Zone
    hours: Hours
    holidays: Country
    language: Literal["zh", "en"]


class Metrics(Section):
    token: SecretStr = SecretStr("")


class Audit(Section):
    anchor: str

    @property
    def anchor_path(self) -> Path | None:
        return Path(self.anchor) if self.anchor else None


class Log(Section):
    level: Literal["debug", "info", "warning", "error"]
    format: Literal["text", "json"]


class _Environment(EnvSettingsSource):
    """The environment without `…_FILE`, which names where a secret is and is no key itself."""

    def __call__(self) -> dict[str, Any]:
        values = super().__call__()
        for *sections, key in secret_names(_named_sections({})).values():
            _section(values, sections).pop(f"{key}_file", None)
        return values


class Settings(BaseSettings):
    """All settings; `Settings.load()` is the only way in."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_nested_delimiter="__", extra="forbid", frozen=True, env_ignore_empty=True
    )

    web: Web
    data: Data
    shop: FirstShopSection
    sla: Sla
    escalation: Escalation
    routing: RoutingSection
    lifecycle: Lifecycle
    statuses: Statuses = Field(default_factory=dict)
    claims: Claims
    refunds: RefundsSection
    risk: RiskSection
    breakers: BreakersSection
    batches: BatchesSection
    suppliers: SuppliersSection
    ownership: Ownership
    mail: MailSection
    bot: Bot
    ratings: Ratings
    fields: Fields = Field(default_factory=dict)
    faq: Faq
    telegram: TelegramSection
    staff_bot: StaffBotSection
    wechat: WeChatSection
    wecom: WeComSection
    console: Console
    metrics: Metrics
    audit: Audit
    log: Log

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The environment goes before the file."""
        return _Environment(settings_cls), init_settings

    @classmethod
    def load(cls, path: Path | None = None) -> "Settings":
        """Read the file (default: ./settings.toml, else the shipped one) and the environment.

        Raises SettingsError, naming each wrong key in one sentence.
        """
        problems = _unknown_variables(os.environ)
        try:
            settings = cls(**_read(path or find_file()))
        except ValidationError as error:
            problems += [_sentence(problem) for problem in error.errors() if not _is_named(problem["loc"], problems)]
            raise SettingsError(problem=" ".join(problems)) from error
        problems += find_problems(settings.sla.policies, settings.sla.calendars)
        problems += settings.wechat.accounts.find_problems([one.name for one in settings.shop.all])
        problems += settings.telegram.find_problems(settings.public_url, [one.name for one in settings.shop.all])
        problems += settings.staff_bot.find_problems(settings.public_url, settings.telegram)
        if problems:
            raise SettingsError(problem=" ".join(problems))
        return settings

    @property
    def database_url(self) -> str:
        return self.data.url.get_secret_value() or f"sqlite:///{self.data.dir / 'kadesk.db'}"

    @property
    def own_shops(self) -> Mapping[tuple[str, str], Sequence[str]]:
        """Channel and account of those with shops of their own, to the names of these."""
        return {**self.telegram.accounts.shops, **self.wechat.accounts.shops}

    @property
    def bots(self) -> Sequence[tuple[str, str]]:
        """Channel and account of each bot that has a health light."""
        telegram, wechat = self.telegram.accounts, self.wechat.accounts
        return (*telegram.places, *self.staff_bot.places, *wechat.places, *self.wecom.places)

    @property
    def public_url(self) -> str:
        """Where buyers and agents reach the web pages, without a slash at the end."""
        host = "127.0.0.1" if self.web.host in ("0.0.0.0", "::") else self.web.host
        return (self.web.public_url or f"http://{host}:{self.web.port}").rstrip("/")


_NAMED: Mapping[tuple[str, ...], type[BaseModel]] = {  # under these owners give names of their own
    ("shop", "more"): ShopSection,
    ("suppliers", "api"): SupplierApiSection,
    ("telegram", "more"): BotSection,
    ("wechat", "more"): OfficialAccountSection,
}


def secret_names(named: Iterable[tuple[str, ...]] = ()) -> dict[str, tuple[str, ...]]:
    """Environment variable → (section, key) of every secret; of a `named` section, (shop, more, name, key)."""
    places: list[tuple[tuple[str, ...], type[BaseModel]]] = [((name,), model) for name, model in _sections().items()]
    places += [(place, _NAMED[place[:-1]]) for place in named]
    return {
        f"{PREFIX}{'__'.join(place)}__{key}".upper(): (*place, key)
        for place, model in places
        for key, info in model.model_fields.items()
        if info.annotation is SecretStr
    }


def _sections() -> dict[str, type[BaseModel]]:
    kinds = {name: info.annotation for name, info in Settings.model_fields.items()}
    return {name: kind for name, kind in kinds.items() if isinstance(kind, type) and issubclass(kind, BaseModel)}


def find_file() -> Path:
    """The settings file that counts here: KADESK_SETTINGS, else ./settings.toml, else the shipped one."""
    here = Path("settings.toml")
    return (
        Path(os.environ[f"{PREFIX}SETTINGS"])
        if f"{PREFIX}SETTINGS" in os.environ
        else here
        if here.exists()
        else SHIPPED
    )


def _read(path: Path) -> dict[str, Any]:
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(problem=f"The settings file {path} cannot be read: {error.strerror}.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(problem=f"The settings file {path} is not TOML: {error}.") from error
    for variable, (*sections, key) in secret_names(_named_sections(content)).items():
        if key in _section(content, sections):
            name = ".".join([*sections, key])
            raise SettingsError(
                problem=f"{name} is a secret: take it out of {path} and set {variable} or {variable}_FILE."
            )
        file = os.environ.get(f"{variable}_FILE")
        if file and variable not in os.environ:
            for at, name in enumerate(sections):
                _section(content, sections[:at]).setdefault(name, {})
            _section(content, sections)[key] = _read_secret(variable, Path(file))
    return content


def _section(content: dict[str, Any], names: Iterable[str]) -> dict[str, Any]:
    """The table of this name; a new one, that stands nowhere, when there is none."""
    for name in names:
        inner = content.get(name)
        content = inner if isinstance(inner, dict) else {}
    return content


def _named_sections(content: dict[str, Any]) -> set[tuple[str, ...]]:
    """Those under names of the owner's, such as [shop.more], in the file and in the environment."""
    names, found = [name.upper() for name in os.environ], set()
    for place in _NAMED:
        start = _start_of(place)
        given = {one.removeprefix(start).partition("__")[0].lower() for one in names if one.startswith(start)}
        found |= {(*place, name) for name in (*given, *_section(content, place))}
    return found


def _start_of(place: Iterable[str]) -> str:
    return f"{PREFIX}{'__'.join(place)}__".upper()


def _read_secret(variable: str, path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no text"
        raise SettingsError(problem=f"{variable}_FILE names {path}, which cannot be read: {why}.") from None


def _unknown_variables(environment: Mapping[str, str]) -> list[str]:
    known = {
        f"{PREFIX}{section}__{key}".upper() for section, model in _sections().items() for key in model.model_fields
    }
    known |= {f"{name}_FILE" for name in secret_names()} | {f"{PREFIX}SETTINGS"}
    known |= {name.upper() for name in environment if name.upper().startswith(tuple(map(_start_of, _NAMED)))}
    return [
        f"There is no setting {name}."
        for name in sorted(environment)
        if name.startswith(PREFIX) and name.upper() not in known
    ]


def _is_named(place: tuple[int | str, ...], problems: list[str]) -> bool:
    variable = PREFIX + "__".join(str(part) for part in place).upper()
    return f"There is no setting {variable}." in problems


def _sentence(problem: Any) -> str:
    name = ".".join(str(part) for part in problem["loc"])
    if problem["type"] == "extra_forbidden":
        return f"There is no setting {name}."
    if problem["type"] == "missing":
        return f"The setting {name} is missing."
    return f"{name}: {problem['msg'].removeprefix('Value error, ')}."
