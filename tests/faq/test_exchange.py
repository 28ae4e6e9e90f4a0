from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlmodel import select

from audit.tables import AuditRow
from faq.entries import add_missing, published
from faq.entry_files import read, write
from faq.errors import EntryChanged, NothingToSay, UnknownRelated
from faq.exchange import Plan, apply, plan
from faq.phrasing import Entry, Phrasing, Text
from faq.versions import get_stored, history, stored
from kadesk.database import Database

FIND = Entry(
    key="find_order",
    flow="order",
    related=("resend",),
    texts={"zh": Text("怎么查订单", "发给我。"), "en": Text("Find my order", "Send it.")},
    phrasings=(Phrasing("订单在哪看", "zh"), Phrasing("where is my order", "en")),
    theme="orders",
)
RESEND = Entry("resend", texts={"zh": Text("再发一次", "好的。")}, phrasings=(Phrasing("重新发一遍", "zh"),))


@pytest.fixture
async def filled(database: Database, now: datetime) -> Database:
    async with database.writing() as session:
        await add_missing(session, now, [FIND, RESEND])
    return database


async def planned(database: Database, *entries: Entry, replacing: bool = False) -> Plan:
    async with database.reading() as session:
        return await plan(session, entries, replacing=replacing)


async def imported(database: Database, now: datetime, *entries: Entry, replacing: bool = False) -> dict[str, Entry]:
    async with database.writing() as session:
        await apply(session, now, "agent:3", await plan(session, entries, replacing=replacing))
    async with database.reading() as session:
        return {one.entry.key: one.entry for one in await stored(session)}


async def test_a_plan_writes_nothing_and_says_what_would_change(filled: Database) -> None:
    changed = replace(RESEND, texts={"zh": Text("再发一次", "马上。")})

    found = await planned(filled, FIND, changed, Entry("new", texts={"zh": Text("新", "新的。")}))

    assert [entry.key for entry in found.added] == ["new"]
    assert found.unchanged == ("find_order",)
    (change,) = found.changed
    assert [(one.field, one.before, one.after) for one in change.differences] == [("zh.answer", "好的。", "马上。")]
    assert not found.is_empty
    async with filled.reading() as session:
        assert await published(session) == (FIND, RESEND)


async def test_the_same_file_twice_changes_nothing(filled: Database, now: datetime) -> None:
    found = await planned(filled, FIND, RESEND)

    assert found.is_empty
    assert found.unchanged == ("find_order", "resend")
    async with filled.writing() as session:
        await apply(session, now, "agent:3", found)
    async with filled.reading() as session:
        assert await history(session, "resend") == []


async def test_an_import_adds_and_overwrites_but_takes_nothing_away(filled: Database, now: datetime) -> None:
    texts_only = Entry("find_order", texts={"zh": Text("", "本店的话。")})
    more = Entry("resend", phrasings=(Phrasing("再发我一份", "zh"),))

    assert (await planned(filled, texts_only, more)).kept == 3
    entries = await imported(filled, now, texts_only, more)

    assert entries["find_order"] == replace(FIND, texts={**FIND.texts, "zh": Text("怎么查订单", "本店的话。")})
    assert entries["resend"].phrasings == (*RESEND.phrasings, *more.phrasings)


async def test_an_empty_flow_takes_the_flow_away(filled: Database, now: datetime) -> None:
    entries = await imported(filled, now, Entry("find_order", flow=""))

    assert entries["find_order"].flow is None


async def test_a_replacing_import_leaves_exactly_what_the_file_says(filled: Database, now: datetime) -> None:
    exact = Entry("find_order", texts={"zh": Text("查单", "发来。")}, phrasings=(Phrasing("查单", "zh"),))

    assert (await planned(filled, exact, replacing=True)).kept == 0
    entries = await imported(filled, now, exact, replacing=True)

    assert entries == {"find_order": exact, "resend": RESEND}


async def test_every_change_is_a_version_and_an_audit_row(filled: Database, now: datetime) -> None:
    await imported(filled, now, Entry("resend", theme="delivery"), Entry("new", texts={"zh": Text("新", "新的。")}))

    async with filled.reading() as session:
        assert [row.version for row in await history(session, "resend")] == [1]
        rows = (await session.exec(select(AuditRow).where(AuditRow.actor == "agent:3"))).all()
    assert {(row.action, row.subject) for row in rows} == {
        ("faq.entry_added", "entry:new"),
        ("faq.entry_changed", "entry:resend"),
    }


async def test_an_entry_without_answer_arrives_as_a_draft(filled: Database, now: datetime) -> None:
    await imported(
        filled,
        now,
        Entry("draft", texts={"zh": Text("家庭共享", "")}),
        Entry("full", texts={"zh": Text("新", "新的。")}),
    )

    async with filled.reading() as session:
        assert not (await get_stored(session, "draft")).is_published
        assert (await get_stored(session, "full")).is_published


async def test_a_published_entry_cannot_lose_its_answer(filled: Database) -> None:
    with pytest.raises(NothingToSay, match="resend"):
        await planned(filled, Entry("resend", texts={"zh": Text("再发一次", "")}), replacing=True)


async def test_a_related_entry_must_exist(filled: Database) -> None:
    await planned(filled, Entry("a", related=("b", "resend")), Entry("b"))

    with pytest.raises(UnknownRelated, match="a names nowhere as related"):
        await planned(filled, Entry("a", related=("nowhere",)))


async def test_a_plan_made_before_another_change_is_refused(filled: Database, now: datetime) -> None:
    old = await planned(filled, Entry("resend", theme="old"))
    await imported(filled, now, Entry("resend", theme="newer"))

    with pytest.raises(EntryChanged, match="resend"):
        async with filled.writing() as session:
            await apply(session, now, "agent:4", old)


@pytest.mark.parametrize("suffix", [".yaml", ".csv"])
async def test_an_export_restores_what_was_exported(
    filled: Database, now: datetime, tmp_path: Path, suffix: str
) -> None:
    path = tmp_path / f"entries{suffix}"
    async with filled.reading() as session:
        write(path, await published(session))
    await imported(
        filled, now, Entry("resend", "human", ("find_order",), {"en": Text("Again", "Ok.")}, (Phrasing("再来", "zh"),))
    )

    await imported(filled, now, *read(path), replacing=True)

    async with filled.reading() as session:
        assert await published(session) == (FIND, RESEND)


WORDS = st.text(alphabet="订单退钱ab=+'\n,；", min_size=1, max_size=6).map(str.strip).filter(bool)
TEXTS = st.dictionaries(st.sampled_from(["zh", "en"]), st.builds(Text, WORDS, WORDS), min_size=1)
ENTRY = st.builds(
    Entry,
    key=st.just("resend"),
    flow=st.sampled_from([None, "order", "claim"]),
    texts=TEXTS,
    phrasings=st.lists(st.builds(Phrasing, WORDS, st.just("zh")), max_size=3, unique=True).map(tuple),
    theme=st.sampled_from(["", "orders"]),
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(entry=ENTRY, suffix=st.sampled_from([".yaml", ".csv"]), replacing=st.booleans())
async def test_after_an_import_the_same_import_has_nothing_to_do(
    filled: Database, now: datetime, tmp_path: Path, entry: Entry, suffix: str, replacing: bool
) -> None:
    write(tmp_path / f"entries{suffix}", [entry])
    entries = read(tmp_path / f"entries{suffix}")

    await imported(filled, now, *entries, replacing=replacing)

    assert (await planned(filled, *entries, replacing=replacing)).is_empty
