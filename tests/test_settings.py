import re
import tomllib
from datetime import timedelta
from pathlib import Path

import pytest

from kadesk.errors import SettingsError
from kadesk.settings import SHIPPED, Settings, parse_span

ENTRY = re.compile(r"^(\w+) = ")


def test_the_shipped_file_loads() -> None:
    settings = Settings.load(SHIPPED)

    assert settings.sla.handling == timedelta(hours=24)
    assert settings.public_url == "http://127.0.0.1:8000"
    assert settings.database_url == "sqlite:///data/kadesk.db"


def test_every_key_of_the_file_has_a_comment() -> None:
    lines = SHIPPED.read_text(encoding="utf-8").splitlines()

    bare = [line for line in lines if ENTRY.match(line) and "# " not in line]

    assert bare == []


def test_the_environment_goes_before_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KADESK_SLA__HANDLING", "20 s")
    monkeypatch.setenv("KADESK_CLAIMS__AUTO_REASONS", "expired, already_used")

    settings = Settings.load(SHIPPED)

    assert settings.sla.handling == timedelta(seconds=20)
    assert settings.claims.auto_reasons == ("expired", "already_used")


@pytest.mark.parametrize(
    ("variable", "value", "sentence"),
    [
        pytest.param("KADESK_SLA__HANDLNG", "20 s", "There is no setting KADESK_SLA__HANDLNG.", id="unknown key"),
        pytest.param("KADESK_SALE__X", "1", "There is no setting KADESK_SALE__X.", id="unknown section"),
        pytest.param("KADESK_SLA__HANDLING", "soon", "sla.handling: write a duration such as", id="no duration"),
        pytest.param("KADESK_SLA__HANDLING", "0 s", "sla.handling: must be longer than nothing", id="no time at all"),
        pytest.param("KADESK_WEB__PORT", "http", "web.port: Input should be a valid integer", id="no number"),
        pytest.param(
            "KADESK_CONSOLE__HOURS", "9 to 5", "console.hours: write hours such as '09:00-12:00", id="no hours"
        ),
        pytest.param(
            "KADESK_CONSOLE__HOLIDAYS", "ZZ", "console.holidays: No public holidays are known for ZZ", id="land"
        ),
        pytest.param("KADESK_ESCALATION__QUIET_HOURS", "night", "escalation.quiet_hours: write hours", id="no night"),
        pytest.param("KADESK_ESCALATION__URGENT_FROM", "L9", "escalation.urgent_from: Input should be", id="no level"),
        pytest.param("KADESK_ESCALATION__RISKY", "war", "escalation.risky: there is no kind 'war'", id="no grievance"),
        pytest.param("KADESK_CONSOLE__TIME_ZONE", "Mars/X", "console.time_zone: there is no time zone", id="no zone"),
        pytest.param("KADESK_TELEGRAM__TOKEN_FILE", "/nowhere/token", "/nowhere/token, which cannot be", id="no file"),
        pytest.param("KADESK_SETTINGS", "/nowhere.toml", "/nowhere.toml cannot be read", id="no settings file"),
        pytest.param("KADESK_SETTINGS", "docs/screenshots/chat-replaced.png", "is not TOML", id="a picture"),
    ],
)
def test_a_wrong_setting_is_named_in_one_sentence(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, sentence: str
) -> None:
    monkeypatch.setenv(variable, value)

    with pytest.raises(SettingsError) as refused:
        Settings.load()

    assert sentence in str(refused.value)
    assert "\n" not in str(refused.value)


def test_an_unknown_key_of_the_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "settings.toml"
    path.write_text(SHIPPED.read_text(encoding="utf-8").replace("handling =", "handlng ="), encoding="utf-8")

    with pytest.raises(SettingsError, match=r"There is no setting sla\.handlng"):
        Settings.load(path)


def test_a_secret_in_the_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "settings.toml"
    text = SHIPPED.read_text(encoding="utf-8").replace("[telegram]", '[telegram]\ntoken = "1:x"')
    path.write_text(text, encoding="utf-8")

    with pytest.raises(SettingsError, match="set KADESK_TELEGRAM__TOKEN or KADESK_TELEGRAM__TOKEN_FILE"):
        Settings.load(path)


def test_a_secret_comes_from_the_file_that_a_variable_names(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text("12345:secret\n", encoding="utf-8")
    monkeypatch.setenv("KADESK_TELEGRAM__TOKEN_FILE", str(path))

    settings = Settings.load(SHIPPED)

    assert settings.telegram.token.get_secret_value() == "12345:secret"
    assert "12345" not in repr(settings)


def test_a_secret_in_a_file_that_is_no_text_is_told_without_its_bytes(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = tmp_path / "token"
    path.write_bytes(b"\xff\xfe12345:secret")
    monkeypatch.setenv("KADESK_TELEGRAM__TOKEN_FILE", str(path))

    with pytest.raises(SettingsError, match="cannot be read: it is no text") as refused:
        Settings.load(SHIPPED)

    assert refused.value.__cause__ is None


def test_other_shops_keep_their_secrets_out_of_the_file_too(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    url, path = tmp_path / "url", tmp_path / "settings.toml"
    url.write_text("mysql://reader:geheim@db/shop\n", encoding="utf-8")
    shipped = SHIPPED.read_text(encoding="utf-8")
    path.write_text(f'{shipped}\n[shop.more.second]\nkind = "dujiaoka"\n', encoding="utf-8")
    monkeypatch.setenv("KADESK_SHOP__MORE__SECOND__URL_FILE", str(url))
    monkeypatch.setenv("KADESK_SHOP__MORE__THIRD__KIND", "dujiaoka")
    monkeypatch.setenv("KADESK_SHOP__MORE__THIRD__URL", "mysql://db/other")

    first, second, third = sorted(Settings.load(path).shop.all, key=lambda shop: shop.name)

    assert (first.name, second.name, third.name, second.kind) == ("demo", "second", "third", "dujiaoka")
    assert second.url.get_secret_value() == "mysql://reader:geheim@db/shop"
    assert third.url.get_secret_value() == "mysql://db/other"
    path.write_text(f'{shipped}\n[shop.more.second]\nurl = "mysql://reader:geheim@db/shop"\n', encoding="utf-8")
    with pytest.raises(
        SettingsError, match=r"shop\.more\.second\.url is a secret: .*MORE__SECOND__URL_FILE\."
    ) as refused:
        Settings.load(path)
    assert "geheim" not in str(refused.value)


@pytest.mark.parametrize(
    ("variable", "sentence"),
    [
        ("KADESK_SHOP__MORE__DEMO__KIND", "two shops are called 'demo'"),
        ("KADESK_SHOP__MORE__2ND__KIND", "should match pattern"),
        ("KADESK_SHOP__MORE__SECOND__KINDD", "There is no setting shop.more.second.kindd"),
    ],
)
def test_other_shops_have_names_and_keys_that_fit(
    monkeypatch: pytest.MonkeyPatch, variable: str, sentence: str
) -> None:
    monkeypatch.setenv(variable, "local")

    with pytest.raises(SettingsError, match=re.escape(sentence)):
        Settings.load(SHIPPED)


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("20 s", timedelta(seconds=20)),
        ("1 h 30 min", timedelta(minutes=90)),
        ("2d", timedelta(days=2)),
        ("500 ms", timedelta(milliseconds=500)),
        ("1.5 h", timedelta(minutes=90)),
    ],
)
def test_durations_are_written_for_people(text: str, span: timedelta) -> None:
    assert parse_span(text) == span


def test_every_section_of_the_file_is_a_section_of_the_settings() -> None:
    content = tomllib.loads(SHIPPED.read_text(encoding="utf-8"))

    assert set(content) == set(Settings.model_fields)


FIELD = {"region": '{ type = "choice", zh = "区服", en = "Region", choices = ["国服", "美服"] }'}


def _with_fields(tmp_path: Path, fields: dict[str, str]) -> Path:
    path = tmp_path / "settings.toml"
    lines = "\n".join(f"{name} = {value}" for name, value in fields.items())
    path.write_text(SHIPPED.read_text(encoding="utf-8").replace("[fields]", f"[fields]\n{lines}"), encoding="utf-8")
    return path


def test_an_owner_declares_fields_of_a_ticket(tmp_path: Path) -> None:
    settings = Settings.load(_with_fields(tmp_path, FIELD))

    field = settings.fields["region"].field("region")
    assert (field.name, field.kind, field.label("zh"), field.choices) == ("region", "choice", "区服", ("国服", "美服"))


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        pytest.param({"Region": FIELD["region"]}, "fields: a field is named in small letters", id="name"),
        pytest.param({"x": '{ type = "choice", zh = "a", en = "a" }'}, "fields.x: a field of type", id="choices"),
        pytest.param({"x": '{ type = "money", zh = "a", en = "a" }'}, "fields.x.type: Input should be", id="type"),
        pytest.param({"x": '{ type = "text", zh = "a" }'}, "The setting fields.x.en is missing.", id="no English"),
    ],
)
def test_a_wrong_field_is_named(tmp_path: Path, fields: dict[str, str], sentence: str) -> None:
    with pytest.raises(SettingsError) as refused:
        Settings.load(_with_fields(tmp_path, fields))

    assert sentence in str(refused.value)


def test_a_queue_is_for_a_category_that_there_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KADESK_ROUTING__QUEUES", '{"claims": "codes"}')

    with pytest.raises(SettingsError, match="there is no category 'claims'; choose from claim, undelivered"):
        Settings.load(SHIPPED)
