"""Learning from misses: reads them, keeps what a person decided, and forgets questions that are old."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime

from sqlalchemy import or_, update
from sqlmodel import col, delete, select
from sqlmodel.ext.asyncio.session import AsyncSession

from audit.trail import record
from faq.encoder import Encoder
from faq.errors import AlreadySettled
from faq.phrasing import Entry, Phrasing, Text
from faq.proposals import Miss, Proposal, propose
from faq.tables import FaqQuestion
from faq.versions import add, get_stored, rewrite, stored

NEWEST = 5_000  # misses that are looked at; grouping compares each with each
_DISMISSED = "dismissed"
_AT_ONCE = 500  # ids in one statement; SQLite takes 32,766 variables


async def open_misses(session: AsyncSession, limit: int = NEWEST) -> list[Miss]:
    """The newest misses that nobody settled yet.

    A miss found no answer, or an unwanted one, or its buyer chose another entry than the likeliest.
    """
    verdict = col(FaqQuestion.verdict)
    query = (
        select(FaqQuestion)
        .where(col(FaqQuestion.settled_at).is_(None))
        .where(or_(col(FaqQuestion.outcome) == "none", verdict.is_not(None)))
        .order_by(col(FaqQuestion.id).desc())
        .limit(10 * limit)  # most of what was judged helped
    )
    found = map(find_miss, (await session.exec(query)).all())
    return [miss for miss in found if miss][:limit]


def find_miss(question: FaqQuestion) -> Miss | None:
    """The miss that a question is, if it is one."""
    chosen = question.detail.get("chosen")
    if question.verdict not in (None, "helped", "missed"):
        chosen = question.verdict
    likeliest = question.entry_key
    was_answered = question.outcome == "answer"
    refused = None
    if question.verdict == "missed":
        refused, chosen = chosen or (likeliest if was_answered else None), None
    elif chosen == likeliest:
        chosen = None
    elif chosen and was_answered:
        refused = likeliest
    if question.outcome != "none" and question.verdict != "missed" and not chosen:
        return None
    return Miss(question.id or 0, question.text, question.language, question.asked_at, chosen, refused)


async def proposals(session: AsyncSession, encoder: Encoder | None = None, least: int = 2) -> tuple[Proposal, ...]:
    """What the open misses could teach, most useful first. Reads only; with many misses this takes seconds."""
    dismissed = select(FaqQuestion.text).where(FaqQuestion.settled_as == _DISMISSED).distinct()
    entries = [one.entry for one in await stored(session)]
    misses = await open_misses(session)
    return propose(misses, entries, encoder, least, (await session.exec(dismissed)).all())


async def accept(session: AsyncSession, now: datetime, actor: str, proposal: Proposal, title: str | None = None) -> str:
    """Teach it: the examples become phrasings of the entry, or of an unpublished draft of a new one; return its key.

    `title` is the draft's question; the first example if not given. AlreadySettled when another one was faster.
    """
    await _settle(session, now, proposal.questions, proposal.entry)
    if proposal.kind == "entry":
        await add(session, now, actor, draft(proposal, title), is_published=False)
    else:
        seen = await get_stored(session, proposal.entry)
        phrasings = tuple(dict.fromkeys((*seen.entry.phrasings, *proposal.examples)))
        await rewrite(session, now, actor, seen, replace(seen.entry, phrasings=phrasings))
    after = {"entry": proposal.entry, "kind": proposal.kind, "questions": len(proposal.questions)}
    record(session, now, actor, "faq.proposal_accepted", f"entry:{proposal.entry}", None, after)
    return proposal.entry


async def dismiss(session: AsyncSession, now: datetime, actor: str, proposal: Proposal) -> None:
    """Learn nothing from these misses; the same words are not proposed again. AlreadySettled as above."""
    await _settle(session, now, proposal.questions, _DISMISSED)
    after = {"examples": _texts(proposal.examples), "questions": len(proposal.questions)}
    record(session, now, actor, "faq.proposal_dismissed", f"entry:{proposal.entry}", None, after)


def draft(proposal: Proposal, title: str | None = None) -> Entry:
    """The new entry of a proposal: its examples as phrasings, no answer yet."""
    languages: dict[str, str] = {}
    for example in proposal.examples:
        languages.setdefault(example.language, title or example.text)
    texts = {language: Text(question, "") for language, question in languages.items()}
    return Entry(proposal.entry, texts=texts, phrasings=proposal.examples)


async def forget(session: AsyncSession, now: datetime, before: datetime) -> int:
    """Delete the questions asked before this instant, settled or not; return how many."""
    gone = (await session.exec(delete(FaqQuestion).where(col(FaqQuestion.asked_at) < before))).rowcount
    if gone:
        record(session, now, "scheduler", "faq.questions_forgotten", "faq", None, {"questions": gone})
    return gone


async def _settle(session: AsyncSession, now: datetime, questions: Sequence[int], settled_as: str) -> None:
    settled = 0
    for start in range(0, len(questions), _AT_ONCE):
        result = await session.exec(
            update(FaqQuestion)
            .where(col(FaqQuestion.id).in_(questions[start : start + _AT_ONCE]), col(FaqQuestion.settled_at).is_(None))
            .values(settled_at=now, settled_as=settled_as)
        )
        settled += result.rowcount
    if not settled:
        raise AlreadySettled


def _texts(phrasings: Iterable[Phrasing]) -> list[str]:
    return [phrasing.text for phrasing in phrasings]
