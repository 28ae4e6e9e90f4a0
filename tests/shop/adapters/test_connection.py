"""A foreign shop's database that is slow, away, or lets nobody in: weather, in one sentence, within its time."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from time import monotonic

import pytest
from sqlalchemy import column, table, text
from sqlalchemy.engine import make_url

from shop.adapters.connection import ShopDatabase
from shop.errors import BadCredentials, BadShopOption, SchemaMismatch, ShopDown
from tests.shop.adapters.conftest import make_reader, run
from tests.shop.adapters.line import Line

pytestmark = pytest.mark.mariadb
PASSWORD = "let me read"


@asynccontextmanager
async def opened(url: str, seconds: float = 5.0) -> AsyncIterator[ShopDatabase]:
    database = ShopDatabase("main", url, seconds=seconds)
    yield database
    await database.close()


async def test_a_killed_connection_is_made_anew(empty_mariadb: str) -> None:
    async with opened(empty_mariadb) as database:
        [[number]] = await database.rows(text("SELECT connection_id()"))
        await run(empty_mariadb, f"KILL {number}")

        [[again]] = await database.rows(text("SELECT connection_id()"))

    assert again != number


async def test_a_server_that_goes_is_down_and_one_that_comes_back_answers(empty_mariadb: str, tmp_path: Path) -> None:
    line = Line(empty_mariadb, tmp_path / "s")
    await line.join()
    async with opened(line.url) as database:
        assert await database.rows(text("SELECT 1")) == [(1,)]

        await line.cut()
        with pytest.raises(ShopDown, match=r"^Shop main does not answer\.$"):
            await database.rows(text("SELECT 1"))

        await line.join()
        assert await database.rows(text("SELECT 1")) == [(1,)]
    await line.cut()


async def test_a_statement_that_takes_too_long_is_ended_there(empty_mariadb: str) -> None:
    await run(empty_mariadb, "CREATE TABLE one (a int)", "INSERT INTO one VALUES (1)")
    await run(empty_mariadb, "CREATE VIEW orders AS SELECT a, SLEEP(30) AS slept FROM one")
    async with opened(empty_mariadb, seconds=0.3) as database:
        begun = monotonic()
        with pytest.raises(ShopDown):
            await database.rows(text("SELECT * FROM orders"))
        taken = monotonic() - begun

        running = await database.rows(text("SELECT id FROM information_schema.processlist WHERE info LIKE '%slept%'"))

    assert taken < 0.3 + 0.2
    assert len(running) <= 1  # this question itself


async def test_four_slow_questions_leave_the_fifth_no_longer_than_its_time(empty_mariadb: str) -> None:
    async with opened(empty_mariadb, seconds=0.3) as database:
        begun = monotonic()
        slow = [database.rows(text("SELECT SLEEP(30) FROM information_schema.schemata")) for _ in range(6)]
        answers = await asyncio.gather(*slow, return_exceptions=True)

        assert {type(answer) for answer in answers} == {ShopDown}
        assert monotonic() - begun < 1
        assert await database.rows(text("SELECT 1")) == [(1,)]


async def test_a_server_that_says_nothing_is_down_in_time(tmp_path: Path) -> None:
    has_hung_up = asyncio.Event()

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()
        await writer.wait_closed()
        has_hung_up.set()

    listener = await asyncio.start_unix_server(listen, tmp_path / "s")
    async with opened(f"mysql://root@/shop?unix_socket={tmp_path / 's'}", seconds=0.2) as database:
        with pytest.raises(ShopDown):
            await database.rows(text("SELECT 1"))
    await asyncio.wait_for(has_hung_up.wait(), 5)
    listener.close()


async def test_nothing_can_be_written(empty_mariadb: str) -> None:
    await run(empty_mariadb, "CREATE TABLE one (a int)")
    async with opened(empty_mariadb) as database:
        with pytest.raises(ShopDown):
            await database.rows(text("INSERT INTO one VALUES (1) RETURNING a"))

        assert await database.rows(text("SELECT * FROM one")) == []


async def test_an_error_that_has_no_sentence_is_logged_by_its_number(
    empty_mariadb: str, caplog: pytest.LogCaptureFixture
) -> None:
    await run(empty_mariadb, "CREATE TABLE t (a int)", "CREATE VIEW v AS SELECT a FROM t", "DROP TABLE t")

    async with opened(empty_mariadb) as database:
        with pytest.raises(ShopDown):
            await database.rows(text("SELECT a FROM v WHERE a = 'SECRET'"))

    assert "the database of the shop main answers with its error 1356" in caplog.text
    assert "SECRET" not in caplog.text


@pytest.mark.parametrize(
    ("asked", "change", "sentence"),
    [
        pytest.param("a", {"password": f"{PASSWORD}8"}, "the user or its password is wrong", id="password"),
        pytest.param(
            "a", {"database": "mysql"}, "nothing of this database yet, or there is none of this name", id="database"
        ),
        pytest.param("b", {}, r"this user may not read t\.b", id="column"),
    ],
)
async def test_what_the_server_refuses_is_said_without_secrets(
    empty_mariadb: str, asked: str, change: dict[str, str], sentence: str
) -> None:
    await run(empty_mariadb, "CREATE TABLE t (a int, b int)")
    reader = make_url(await make_reader(empty_mariadb, [table("t", column("a"))])).set(**change)

    async with opened(reader.render_as_string(hide_password=False)) as database:
        with pytest.raises(BadCredentials, match=f"{sentence}\\.$") as refused:
            await database.rows(text(f"SELECT {asked} FROM t"))

    assert PASSWORD not in str(refused.value)


@pytest.mark.parametrize("greeting", [b"\x00" * 6, b"\x01\x00\x00\x00\x0a", b"HTTP/1.1 400 Bad\r\n\r\n", b""])
@pytest.mark.parametrize("kind", ["mysql", "postgresql"])
async def test_what_is_no_such_server_does_not_answer(kind: str, greeting: bytes) -> None:
    async def greet(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(greeting)
        writer.close()

    server = await asyncio.start_server(greet, "127.0.0.1", 0)
    async with server, opened(f"{kind}://u:secret@127.0.0.1:{server.sockets[0].getsockname()[1]}/x") as database:
        with pytest.raises(ShopDown) as raised:
            await database.rows(text("SELECT 1"))

    assert type(raised.value) is ShopDown


def test_a_url_says_no_more_than_where() -> None:
    with pytest.raises(BadShopOption, match="may not say 'local_infile'") as refused:
        ShopDatabase("main", "mysql://u:secret@db.example.com/x?local_infile=1")
    required = ShopDatabase("main", "postgresql://u:secret@db.example.com/x?sslmode=require")

    assert "secret" not in str(refused.value)
    assert required.engine.url.query == {"ssl": "require"}


async def test_unknown_names_are_said(empty_mariadb: str) -> None:
    await run(empty_mariadb, "CREATE TABLE t (a int)")
    async with opened(empty_mariadb) as database:
        with pytest.raises(SchemaMismatch, match="'b'"):
            await database.rows(text("SELECT b FROM t"))
        with pytest.raises(SchemaMismatch, match="nosuch"):
            await database.rows(text("SELECT a FROM nosuch"))
    unknown = make_url(empty_mariadb).set(database="nosuch")
    async with opened(unknown.render_as_string(hide_password=False)) as database:
        with pytest.raises(BadCredentials, match="it has no database of this name"):
            await database.rows(text("SELECT 1"))


async def test_postgresql_says_the_same(postgres_url: str) -> None:
    there = make_url(postgres_url).set(drivername="postgresql")
    cases = {
        "SELECT nosuch FROM product": (there, SchemaMismatch, "nosuch"),
        "SELECT 1 FROM nosuch": (there, SchemaMismatch, "nosuch"),
        "SELECT 1 FROM product WHERE id = 'x'::varchar": (there, SchemaMismatch, "operator does not exist"),
        "SELECT 1": (there.set(database="nosuch"), BadCredentials, "no database of this name"),
        "SELECT 2": (there.set(username="nobody"), BadCredentials, "the user or its password is wrong"),
        "SELECT pg_sleep(5)": (there, ShopDown, "does not answer"),
    }
    for statement, (url, kind, words) in cases.items():
        async with opened(url.render_as_string(hide_password=False), seconds=0.5) as database:
            with pytest.raises(kind, match=words):
                await database.rows(text(statement))
