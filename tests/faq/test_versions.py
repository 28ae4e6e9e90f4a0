from dataclasses import replace
from datetime import datetime

import pytest
from sqlmodel import col, select

from audit.tables import AuditRow
from faq.entries import add_missing, published
from faq.errors import EntryChanged, NothingToSay, UnknownEntry, UnknownVersion
from faq.phrasing import Entry, Phrasing, Text
from faq.tables import FaqEntryVersion
from faq.versions import (
    Difference,
    add,
    differences,
    entries_version,
    get_stored,
    history,
    publish,
    restore,
    rewrite,
    unpublish,
)
from kadesk.database import Database

FIND = Entry(
    key="find_order",
    flow="order",
    related=("resend",),
    texts={"zh": Text("怎么查订单", "发给我。"), "en": Text("Find my order", "Send it.")},
    phrasings=(Phrasing("订单在哪看", "zh"), Phrasing("where is my order", "en")),
    theme="orders",
)


@pytest.fixture
async def filled(database: Database, now: datetime) -> Database:
    async with database.writing() as session:
        await add_missing(session, now, [FIND])
    return database


async def change(database: Database, now: datetime, entry: Entry) -> bool:
    async with database.writing() as session:
        return await rewrite(session, now, "agent:3", await get_stored(session, entry.key), entry)


async def test_a_change_keeps_the_old_content_and_raises_the_version(filled: Database, now: datetime) -> None:
    after = replace(
        FIND,
        texts={**FIND.texts, "zh": Text("怎么查订单", "换个说法。")},
        phrasings=(*FIND.phrasings[1:], Phrasing("查单", "zh")),
    )

    assert await change(filled, now, after)

    async with filled.reading() as session:
        seen = await get_stored(session, "find_order")
        (old,) = await history(session, "find_order")
        (row,) = (await session.exec(select(AuditRow).where(AuditRow.action == "faq.entry_changed"))).all()
    assert (seen.entry, seen.version) == (after, 2)
    assert (old.version, old.actor, old.replaced_at) == (1, "agent:3", now)
    assert old.content["texts"]["zh"]["answer"] == "发给我。"
    assert old.content["phrasings"] == [["zh", "订单在哪看"], ["en", "where is my order"]]
    assert row.before == {"version": 1, "zh.answer": "发给我。", "zh.phrasings": ["订单在哪看"]}
    assert row.after == {"version": 2, "zh.answer": "换个说法。", "zh.phrasings": ["查单"]}


async def test_no_change_writes_nothing(filled: Database, now: datetime) -> None:
    same = replace(FIND, phrasings=FIND.phrasings[::-1])

    assert not await change(filled, now, same)

    async with filled.reading() as session:
        assert (await session.exec(select(FaqEntryVersion))).all() == []
        assert (await get_stored(session, "find_order")).version == 1


async def test_a_change_of_what_somebody_else_changed_is_refused(filled: Database, now: datetime) -> None:
    async with filled.reading() as session:
        seen = await get_stored(session, "find_order")
    await change(filled, now, replace(FIND, theme="first"))

    with pytest.raises(EntryChanged, match="find_order"):
        async with filled.writing() as session:
            await rewrite(session, now, "agent:4", seen, replace(FIND, theme="second"))

    async with filled.reading() as session:
        assert (await get_stored(session, "find_order")).entry.theme == "first"


async def test_publishing_and_unpublishing_happen_once(filled: Database, now: datetime) -> None:
    for verb, expected in ((unpublish, True), (unpublish, False), (publish, True), (publish, False)):
        async with filled.writing() as session:
            assert await verb(session, now, "agent:3", "find_order") is expected

    async with filled.reading() as session:
        assert [entry.key for entry in await published(session)] == ["find_order"]
        assert [row.version for row in await history(session, "find_order")] == [2, 1]
        found = select(AuditRow).where(AuditRow.action == "faq.entry_changed").order_by(col(AuditRow.id))
        assert [row.after for row in (await session.exec(found)).all()] == [
            {"version": 2, "is_published": False},
            {"version": 3, "is_published": True},
        ]


@pytest.mark.parametrize(
    ("texts", "language"),
    [
        ({}, "any language"),
        ({"zh": Text("怎么退", "")}, "zh"),
        ({"zh": Text(" ", "好"), "en": Text("Refund", " ")}, "en and zh"),
    ],
)
async def test_an_entry_that_says_nothing_is_not_published(
    database: Database, now: datetime, texts: dict[str, Text], language: str
) -> None:
    async with database.writing() as session:
        await add(session, now, "agent:3", Entry("refund", texts=texts), is_published=False)

    with pytest.raises(NothingToSay, match=f"refund lacks .* in {language}:"):
        async with database.writing() as session:
            await publish(session, now, "agent:3", "refund")


async def test_an_earlier_version_can_be_restored(filled: Database, now: datetime) -> None:
    await change(filled, now, replace(FIND, flow=None, related=(), theme="", phrasings=FIND.phrasings[:1]))

    async with filled.writing() as session:
        assert await restore(session, now, "agent:3", "find_order", 1)

    async with filled.reading() as session:
        seen = await get_stored(session, "find_order")
    assert (seen.entry, seen.version) == (FIND, 3)


async def test_what_is_not_there_is_named(filled: Database, now: datetime) -> None:
    async with filled.writing() as session:
        with pytest.raises(UnknownVersion, match="find_order has no version 7"):
            await restore(session, now, "agent:3", "find_order", 7)
        with pytest.raises(UnknownEntry, match="refund"):
            await publish(session, now, "agent:3", "refund")


async def test_the_entries_version_changes_with_every_change(filled: Database, now: datetime) -> None:
    async def version() -> str:
        async with filled.reading() as session:
            return await entries_version(session)

    seen = [await version()]
    assert await version() == seen[0]

    await change(filled, now, replace(FIND, phrasings=FIND.phrasings[:1]))
    seen.append(await version())
    async with filled.writing() as session:
        await unpublish(session, now, "agent:3", "find_order")
    seen.append(await version())
    async with filled.writing() as session:
        await add(session, now, "agent:3", Entry("refund"), is_published=True)
    seen.append(await version())

    assert len(set(seen)) == 4


async def test_the_entries_version_of_an_empty_install_is_a_word(database: Database) -> None:
    async with database.reading() as session:
        assert len(await entries_version(session)) == 16


async def test_differences_name_every_field(filled: Database) -> None:
    async with filled.reading() as session:
        seen = await get_stored(session, "find_order")
    after = Entry("find_order", "", ("x",), {"zh": Text("问", "发给我。")}, FIND.phrasings[:1], "t")

    found = differences(seen, replace(seen, entry=after, is_published=False))

    assert found == (
        Difference("theme", "orders", "t"),
        Difference("flow", "order", None),
        Difference("related", ["resend"], ["x"]),
        Difference("is_published", True, False),
        Difference("en.question", "Find my order", None),
        Difference("en.answer", "Send it.", None),
        Difference("zh.question", "怎么查订单", "问"),
        Difference("en.phrasings", ["where is my order"], []),
    )
