from datetime import datetime, timedelta

import pytest

from faq.entries import add_missing
from faq.phrasing import Entry
from faq.statistics import EntryFigures, figures, statistics
from faq.tables import FaqQuestion
from kadesk.database import Database


def question(outcome: str, entry_key: str | None, verdict: str | None = None, **facts: object) -> FaqQuestion:
    known = {"text": "?", "language": "zh", "score": 0.5, "asked_at": None}
    return FaqQuestion(outcome=outcome, entry_key=entry_key, verdict=verdict, **{**known, **facts})


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        (question("answer", "a"), [EntryFigures("a", asked=1, answered=1)]),
        (question("answer", "a", "helped"), [EntryFigures("a", asked=1, answered=1, helped=1)]),
        (question("answer", "a", "missed"), [EntryFigures("a", asked=1, answered=1, missed=1)]),
        (
            question("answer", "a", "b"),
            [EntryFigures("a", asked=1, answered=1, missed=1), EntryFigures("b", chosen=1)],
        ),
        (question("none", "a"), []),
        (question("none", None), []),
        (question("suggest", "a"), [EntryFigures("a", asked=1, suggested=1)]),
        (
            question("suggest", "a", "b", detail={"candidates": ["a", "b"]}),
            [EntryFigures("a", asked=1, suggested=1), EntryFigures("b", asked=1, suggested=1, chosen=1)],
        ),
        (
            question("suggest", "a", "helped", detail={"candidates": ["a", "b"], "chosen": "b"}),
            [EntryFigures("a", asked=1, suggested=1), EntryFigures("b", asked=1, suggested=1, chosen=1, helped=1)],
        ),
        (
            question("suggest", "a", "missed", detail={"candidates": ["a"], "chosen": "a"}),
            [EntryFigures("a", asked=1, suggested=1, chosen=1, missed=1)],
        ),
        (question("suggest", "a", "missed"), [EntryFigures("a", asked=1, suggested=1)]),
    ],
)
def test_one_question_counts_where_it_belongs(asked: FaqQuestion, expected: list[EntryFigures]) -> None:
    assert list(figures([asked]).entries) == expected


def test_the_helpful_share_says_of_how_many() -> None:
    found = figures([question("answer", "a", verdict) for verdict in ("helped", "helped", "missed", None)])

    (one,) = found.entries
    assert (one.helpful, one.judged) == (pytest.approx(2 / 3), 3)
    assert EntryFigures("b").helpful is None


async def test_a_period_counts_its_own_questions(database: Database, now: datetime) -> None:
    start = now - timedelta(days=7)
    async with database.writing() as session:
        await add_missing(session, now, [Entry("a"), Entry("b")])
        session.add_all(
            [
                question("answer", "a", asked_at=start - timedelta(microseconds=1)),
                question("answer", "a", asked_at=start),
                question("suggest", "a", asked_at=now - timedelta(seconds=1)),
                question("none", None, asked_at=now - timedelta(days=1)),
                question("answer", "a", asked_at=now),
            ]
        )

    async with database.reading() as session:
        found = await statistics(session, start, now)

    assert (found.asked, found.answered, found.suggested, found.none) == (3, 1, 1, 1)
    assert found.entries == (EntryFigures("a", asked=2, answered=1, suggested=1), EntryFigures("b"))
