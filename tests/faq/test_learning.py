from datetime import datetime, timedelta

import pytest
from sqlmodel import col, select

from audit.tables import AuditRow
from faq.entries import add_missing, choose, judge, keep, published
from faq.errors import AlreadySettled
from faq.learning import accept, dismiss, find_miss, forget, open_misses, proposals
from faq.matcher import Matcher
from faq.phrasing import Entry, Phrasing, Text
from faq.tables import FaqQuestion
from faq.versions import get_stored, stored
from kadesk.database import Database

FIND = Entry("find_order", texts={"zh": Text("怎么查订单", "发给我。")}, phrasings=(Phrasing("订单在哪看", "zh"),))
REFUND = Entry("refund", texts={"zh": Text("怎么退款", "可以退。")}, phrasings=(Phrasing("我想退钱", "zh"),))


def question(now: datetime, text: str, **facts: object) -> FaqQuestion:
    known = {"language": "zh", "outcome": "none", "entry_key": None, "score": 0.1, "asked_at": now}
    return FaqQuestion(text=text, **{**known, **facts})


async def ask(database: Database, now: datetime, *questions: FaqQuestion) -> None:
    async with database.writing() as session:
        await add_missing(session, now, [FIND, REFUND])
        session.add_all(questions)


async def proposed(database: Database, **choices: int) -> list[tuple[str, str, int]]:
    async with database.reading() as session:
        return [(one.kind, one.entry, one.count) for one in await proposals(session, **choices)]


@pytest.mark.parametrize(
    ("facts", "chosen", "refused"),
    [
        ({"outcome": "none"}, None, None),
        ({"outcome": "none", "entry_key": "find_order"}, None, None),
        ({"outcome": "answer", "entry_key": "refund", "verdict": "missed"}, None, "refund"),
        ({"outcome": "answer", "entry_key": "refund", "verdict": "find_order"}, "find_order", "refund"),
        ({"outcome": "suggest", "entry_key": "refund", "verdict": "find_order"}, "find_order", None),
        (
            {"outcome": "suggest", "entry_key": "refund", "verdict": "helped", "detail": {"chosen": "find_order"}},
            "find_order",
            None,
        ),
        (
            {"outcome": "suggest", "entry_key": "refund", "verdict": "missed", "detail": {"chosen": "find_order"}},
            None,
            "find_order",
        ),
        ({"outcome": "suggest", "entry_key": "refund", "verdict": "missed"}, None, None),
    ],
)
def test_a_miss_says_what_was_chosen_and_refused(
    now: datetime, facts: dict[str, object], chosen: str | None, refused: str | None
) -> None:
    miss = find_miss(question(now, "?", **facts))

    assert miss is not None
    assert (miss.chosen, miss.refused) == (chosen, refused)


@pytest.mark.parametrize(
    "facts",
    [
        {"outcome": "answer", "entry_key": "refund"},
        {"outcome": "answer", "entry_key": "refund", "verdict": "helped"},
        {"outcome": "suggest", "entry_key": "refund"},
        {"outcome": "suggest", "entry_key": "refund", "verdict": "refund"},
    ],
)
def test_what_was_understood_is_no_miss(now: datetime, facts: dict[str, object]) -> None:
    assert find_miss(question(now, "?", **facts)) is None


async def test_the_newest_open_misses_are_read(database: Database, now: datetime) -> None:
    await ask(
        database,
        now,
        question(now, "第一"),
        question(now, "懂了", outcome="answer", entry_key="refund", verdict="helped"),
        question(now, "没人说", outcome="answer", entry_key="refund"),
        question(now, "不对", outcome="answer", entry_key="refund", verdict="missed"),
        question(now, "学过了", settled_at=now, settled_as="refund"),
        question(now, "最后"),
    )

    async with database.reading() as session:
        assert [miss.text for miss in await open_misses(session)] == ["最后", "不对", "第一"]
        assert [miss.text for miss in await open_misses(session, 1)] == ["最后"]


async def test_accepting_a_phrasing_teaches_it_once(database: Database, now: datetime) -> None:
    asked = [question(now, text) for text in ("订单要在哪里看", "订单在哪里看呢", "订单在哪里看呢")]
    await ask(database, now, *asked)
    async with database.reading() as session:
        (proposal,) = await proposals(session)

    async with database.writing() as session:
        assert await accept(session, now, "agent:3", proposal) == "find_order"

    async with database.reading() as session:
        find = (await published(session))[0]
        assert find.phrasings == (*FIND.phrasings, *proposal.examples)
        assert {one.text for one in proposal.examples} == {"订单要在哪里看", "订单在哪里看呢"}
        assert (await get_stored(session, "find_order")).version == 2
        rows = (await session.exec(select(FaqQuestion))).all()
        assert {(row.settled_as, row.settled_at) for row in rows} == {("find_order", now)}
        audit = (await session.exec(select(AuditRow).where(AuditRow.actor == "agent:3"))).all()
        assert {row.action for row in audit} == {"faq.entry_changed", "faq.proposal_accepted"}
    assert Matcher.build([find]).match("订单要在哪里看").candidates[0].entry == "find_order"
    assert await proposed(database) == []


async def test_two_people_cannot_settle_the_same_misses(database: Database, now: datetime) -> None:
    await ask(database, now, question(now, "订单要在哪里看"))
    async with database.reading() as session:
        (proposal,) = await proposals(session)
    async with database.writing() as session:
        await accept(session, now, "agent:3", proposal)

    for verb in (accept, dismiss):
        with pytest.raises(AlreadySettled):
            async with database.writing() as session:
                await verb(session, now, "agent:4", proposal)

    async with database.reading() as session:
        assert (await get_stored(session, "find_order")).version == 2


async def test_accepting_a_new_entry_writes_a_draft_that_the_bot_does_not_say(
    database: Database, now: datetime
) -> None:
    await ask(
        database, now, question(now, "Steam家庭共享怎么设置"), question(now, "how to set family share", language="en")
    )
    await ask(database, now, question(now, "怎么设置Steam家庭共享"))
    async with database.reading() as session:
        (proposal,) = [one for one in await proposals(session) if one.kind == "entry"]

    async with database.writing() as session:
        key = await accept(session, now, "agent:3", proposal, title="Steam 家庭共享")

    async with database.reading() as session:
        draft = await get_stored(session, key)
        assert not draft.is_published
        assert draft.entry.texts == {"zh": Text("Steam 家庭共享", "")}
        assert draft.entry.phrasings == proposal.examples
        assert key not in [entry.key for entry in await published(session)]


async def test_a_later_miss_is_proposed_to_the_draft(database: Database, now: datetime) -> None:
    await ask(database, now, question(now, "Steam家庭共享怎么设置"), question(now, "怎么设置Steam家庭共享"))
    async with database.reading() as session:
        (proposal,) = await proposals(session)
    async with database.writing() as session:
        key = await accept(session, now, "agent:3", proposal)

    await ask(database, now, question(now, "Steam家庭共享要怎么设置呢"))

    assert await proposed(database) == [("phrasing", key, 1)]


async def test_a_dismissed_miss_does_not_come_back(database: Database, now: datetime) -> None:
    await ask(database, now, question(now, "Steam家庭共享怎么设置"), question(now, "怎么设置Steam家庭共享"))
    async with database.reading() as session:
        (proposal,) = await proposals(session)

    async with database.writing() as session:
        await dismiss(session, now, "agent:3", proposal)
    await ask(database, now, question(now, "怎么设置Steam家庭共享？"), question(now, "Steam家庭共享怎么设置啊"))

    assert await proposed(database, least=1) == []
    async with database.reading() as session:
        (row,) = (await session.exec(select(AuditRow).where(AuditRow.action == "faq.proposal_dismissed"))).all()
        assert row.after == {"examples": [one.text for one in proposal.examples], "questions": 2}
        assert len(await stored(session)) == 2


async def test_questions_can_be_forgotten(database: Database, now: datetime) -> None:
    await ask(
        database,
        now,
        question(now - timedelta(days=91), "旧"),
        question(now - timedelta(days=90), "刚好"),
        question(now, "新"),
    )

    async with database.writing() as session:
        assert await forget(session, now, now - timedelta(days=90)) == 1
    async with database.writing() as session:
        assert await forget(session, now, now - timedelta(days=90)) == 0

    async with database.reading() as session:
        assert (await session.exec(select(FaqQuestion.text).order_by(col(FaqQuestion.id)))).all() == ["刚好", "新"]
        rows = (await session.exec(select(AuditRow).where(AuditRow.action == "faq.questions_forgotten"))).all()
        assert [row.after for row in rows] == [{"questions": 1}]


async def test_a_question_is_kept_without_personal_data(database: Database, now: datetime) -> None:
    await ask(database, now)
    match = Matcher.build([FIND, REFUND]).match("a@b.com 的订单在哪看")

    async with database.writing() as session:
        kept = await keep(session, now, "a@b.com 的订单在哪看", match)

    async with database.reading() as session:
        row = await session.get_one(FaqQuestion, kept)
    assert row.text == "… 的订单在哪看"
    assert row.entry_key == "find_order"
    assert row.detail == {"candidates": ["find_order", "refund"]}


async def test_a_choice_outlives_the_verdict_on_its_answer(database: Database, now: datetime) -> None:
    await ask(database, now, question(now, "钱", outcome="suggest", entry_key="find_order"))

    async with database.writing() as session:
        await choose(session, now, 1, "refund")
        await choose(session, now, 99, "refund")  # a button of a question that was forgotten
    async with database.writing() as session:
        await judge(session, now, 1, "helped")

    async with database.reading() as session:
        (miss,) = await open_misses(session)
    assert (miss.chosen, miss.refused) == ("refund", None)
