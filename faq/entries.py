"""The shop's own entries in the database, and what buyers asked.

The seed files fill an empty table once; after that the shop's texts are its own.
"""

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from audit.rows import enter, in_one_trip, know, made
from audit.trail import record
from faq.matcher import Match
from faq.phrasing import Entry, Phrasing, Text
from faq.proposals import impersonal
from faq.tables import FaqEntry, FaqPhrasing, FaqQuestion


async def add_missing(session: AsyncSession, now: datetime, entries: Iterable[Entry]) -> int:
    """Store the entries whose keys are not there yet; return how many were added."""
    known = set((await session.exec(select(FaqEntry.key))).all())
    fresh = [entry for entry in entries if entry.key not in known]
    rows = [_row(entry) for entry in fresh]
    session.add_all(rows)
    await session.flush()
    for entry, row in zip(fresh, rows, strict=True):
        session.add_all(
            FaqPhrasing(entry_id=row.id or 0, language=phrasing.language, text=phrasing.text)
            for phrasing in dict.fromkeys(entry.phrasings)
        )
    if fresh:
        record(session, now, "system", "faq.entries_added", "faq", None, {"keys": [entry.key for entry in fresh]})
    return len(fresh)


def _row(entry: Entry) -> FaqEntry:
    return FaqEntry(
        key=entry.key,
        theme=entry.theme,
        flow=entry.flow,
        related=list(entry.related),
        texts={language: {"question": text.question, "answer": text.answer} for language, text in entry.texts.items()},
    )


async def published(session: AsyncSession) -> tuple[Entry, ...]:
    """Every published entry with its phrasings, ordered by key."""
    phrasings: dict[int, list[Phrasing]] = defaultdict(list)
    for row in (await session.exec(select(FaqPhrasing).order_by(col(FaqPhrasing.id)))).all():
        phrasings[row.entry_id].append(Phrasing(row.text, row.language))
    rows = await session.exec(select(FaqEntry).where(FaqEntry.is_published).order_by(col(FaqEntry.key)))
    return tuple(
        Entry(
            key=row.key,
            flow=row.flow,
            related=tuple(row.related),
            texts={language: Text(**text) for language, text in row.texts.items()},
            phrasings=tuple(phrasings[row.id or 0]),
            theme=row.theme,
        )
        for row in rows.all()
    )


async def judge(session: AsyncSession, now: datetime, question_id: int, verdict: str) -> None:
    """Keep what the buyer thought of an answer: "helped", "missed", or the key of the entry chosen instead."""
    question = await session.get(FaqQuestion, question_id)
    if question is None or question.verdict == verdict:
        return
    before, question.verdict = question.verdict, verdict
    record(
        session, now, "bot", "faq.question_judged", f"question:{question_id}", {"verdict": before}, {"verdict": verdict}
    )


async def keep(session: AsyncSession, now: datetime, text: str, match: Match) -> int:
    """Keep a question for the figures and for learning; return its id. The caller has masked the codes in it."""
    question = made(
        FaqQuestion,
        text=impersonal(text),
        language=match.language,
        outcome=match.outcome,
        entry_key=match.candidates[0].entry if match.candidates else None,
        score=match.score,
        detail={"candidates": [candidate.entry for candidate in match.candidates]},
        asked_at=now,
    )
    await in_one_trip(session, lambda connection: enter(connection, question))
    know(session, question)
    return question.id or 0


async def choose(session: AsyncSession, now: datetime, question_id: int, key: str) -> None:
    """Keep which entry the buyer chose; a later verdict on its answer leaves the choice standing."""
    question = await session.get(FaqQuestion, question_id)
    if question is not None:
        question.detail = {**question.detail, "chosen": key}
        await judge(session, now, question_id, key)
