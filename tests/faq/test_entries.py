from datetime import datetime

import pytest
from sqlmodel import select

from audit.tables import AuditRow
from faq.answers import KnownAnswers
from faq.entries import add_missing, judge, published
from faq.errors import UnknownEntry
from faq.matcher import Matcher
from faq.phrasing import Entry, Phrasing, Text
from faq.tables import FaqEntry, FaqQuestion
from kadesk.database import Database

FIND = Entry(
    key="find_order",
    flow="order",
    related=("resend",),
    texts={
        "zh": Text("怎么查订单", "把订单号发给我，{hours} 都在。"),
        "en": Text("Find my order", "Send me the number."),
    },
    phrasings=(Phrasing("订单在哪看", "zh"), Phrasing("where is my order", "en")),
    theme="orders",
)
RESEND = Entry(key="resend", texts={"zh": Text("再发一次", "好的。")}, phrasings=(Phrasing("麻烦重新发一遍", "zh"),))


async def test_entries_come_back_as_they_went_in(database: Database, now: datetime) -> None:
    async with database.writing() as session:
        assert await add_missing(session, now, [RESEND, FIND]) == 2

    async with database.reading() as session:
        assert await published(session) == (FIND, RESEND)


async def test_the_shops_own_text_is_not_overwritten(database: Database, now: datetime) -> None:
    async with database.writing() as session:
        await add_missing(session, now, [FIND])
    async with database.writing() as session:
        row = (await session.exec(select(FaqEntry))).one()
        row.texts = {"zh": {"question": "查单", "answer": "我们自己的话"}}

    async with database.writing() as session:
        assert await add_missing(session, now, [FIND]) == 0

    async with database.reading() as session:
        assert (await published(session))[0].texts["zh"].answer == "我们自己的话"


async def test_an_unpublished_entry_is_not_answered(database: Database, now: datetime) -> None:
    async with database.writing() as session:
        await add_missing(session, now, [FIND, RESEND])
        (await session.exec(select(FaqEntry).where(FaqEntry.key == "resend"))).one().is_published = False

    async with database.reading() as session:
        assert [entry.key for entry in await published(session)] == ["find_order"]


async def test_a_buyers_verdict_is_kept_and_audited_once(database: Database, now: datetime) -> None:
    async with database.writing() as session:
        question = FaqQuestion(text="?", language="zh", outcome="answer", entry_key="resend", score=0.9, asked_at=now)
        session.add(question)
    assert question.id is not None

    for _ in range(2):
        async with database.writing() as session:
            await judge(session, now, question.id, "missed")
    async with database.writing() as session:
        await judge(session, now, question.id + 1, "missed")  # a button of a question that is gone

    async with database.reading() as session:
        assert (await session.get_one(FaqQuestion, question.id)).verdict == "missed"
        rows = (await session.exec(select(AuditRow).where(AuditRow.action == "faq.question_judged"))).all()
    assert [(row.before, row.after) for row in rows] == [({"verdict": None}, {"verdict": "missed"})]


def test_answers_and_matcher_change_together() -> None:
    answers = KnownAnswers([FIND], Matcher.build([FIND]))
    assert answers.match("订单在哪看").candidates[0].entry == "find_order"

    answers.swap([RESEND], Matcher.build([RESEND]))

    assert answers.match("麻烦重新发一遍").candidates[0].entry == "resend"
    assert answers.match_all("麻烦重新发一遍")[0].candidates[0].entry == "resend"
    with pytest.raises(UnknownEntry, match="find_order"):
        answers.get("find_order")
    assert answers.get("resend") is RESEND


def test_variables_are_filled_and_unknown_ones_stay() -> None:
    assert KnownAnswers.fill("{hours} 都在，{name}。", hours="9-23") == "9-23 都在，{name}。"
