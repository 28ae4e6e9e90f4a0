"""Entries as they are stored, published or not, and the one way to change them: the old content is kept."""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import func, update
from sqlmodel import col, delete, select
from sqlmodel.ext.asyncio.session import AsyncSession

from audit.trail import record
from faq.errors import EntryChanged, NothingToSay, UnknownEntry, UnknownVersion
from faq.phrasing import Entry, Phrasing, Text
from faq.tables import FaqEntry, FaqEntryVersion, FaqPhrasing


@dataclass(frozen=True)
class Stored:
    """An entry with what the database knows of it."""

    id: int
    entry: Entry
    version: int
    is_published: bool


@dataclass(frozen=True)
class Difference:
    """One field before and after; of phrasings what was taken away and what was added."""

    field: str  # "theme", "flow", "related", "is_published", "zh.question", "zh.answer", "zh.phrasings"
    before: Any
    after: Any


async def stored(session: AsyncSession) -> tuple[Stored, ...]:
    """Every entry, drafts too, ordered by key."""
    phrasings: dict[int, list[Phrasing]] = defaultdict(list)
    for one in (await session.exec(select(FaqPhrasing).order_by(col(FaqPhrasing.id)))).all():
        phrasings[one.entry_id].append(Phrasing(one.text, one.language))
    rows = (await session.exec(select(FaqEntry).order_by(col(FaqEntry.key)))).all()
    return tuple(_stored(row, phrasings[row.id or 0]) for row in rows)


async def get_stored(session: AsyncSession, key: str) -> Stored:
    row = (await session.exec(select(FaqEntry).where(FaqEntry.key == key))).first()
    if row is None:
        raise UnknownEntry(key=key)
    query = select(FaqPhrasing).where(FaqPhrasing.entry_id == row.id).order_by(col(FaqPhrasing.id))
    return _stored(row, [Phrasing(one.text, one.language) for one in (await session.exec(query)).all()])


def _stored(row: FaqEntry, phrasings: Iterable[Phrasing]) -> Stored:
    texts = {language: Text(**text) for language, text in row.texts.items()}
    entry = Entry(row.key, row.flow, tuple(row.related), texts, tuple(phrasings), row.theme)
    return Stored(row.id or 0, entry, row.version, row.is_published)


async def add(session: AsyncSession, now: datetime, actor: str, entry: Entry, *, is_published: bool) -> None:
    """Store a new entry."""
    row = FaqEntry(key=entry.key, is_published=is_published, **_fields(entry))
    session.add(row)
    await session.flush()
    session.add_all(_phrasing(row.id or 0, phrasing) for phrasing in dict.fromkeys(entry.phrasings))
    content = _content(Stored(row.id or 0, entry, 1, is_published))
    record(session, now, actor, "faq.entry_added", f"entry:{entry.key}", None, content)


async def rewrite(
    session: AsyncSession, now: datetime, actor: str, seen: Stored, entry: Entry, *, is_published: bool | None = None
) -> bool:
    """Make the entry that was `seen` read like `entry`; the old content becomes a version row. False: nothing changed.

    EntryChanged when another one changed it since it was seen.
    """
    after = replace(seen, entry=entry, is_published=seen.is_published if is_published is None else is_published)
    found = differences(seen, after)
    if not found:
        return False
    changed = await session.exec(
        update(FaqEntry)
        .where(col(FaqEntry.id) == seen.id, col(FaqEntry.version) == seen.version)
        .values(version=seen.version + 1, is_published=after.is_published, **_fields(entry))
    )
    if changed.rowcount != 1:
        raise EntryChanged(key=seen.entry.key)
    await _replace_phrasings(session, seen, entry)
    session.add(
        FaqEntryVersion(entry_id=seen.id, version=seen.version, content=_content(seen), replaced_at=now, actor=actor)
    )
    _audit(session, now, actor, seen, found)
    return True


async def _replace_phrasings(session: AsyncSession, seen: Stored, entry: Entry) -> None:
    gone = set(seen.entry.phrasings) - set(entry.phrasings)
    for phrasing in gone:
        await session.exec(
            delete(FaqPhrasing).where(
                col(FaqPhrasing.entry_id) == seen.id,
                col(FaqPhrasing.language) == phrasing.language,
                col(FaqPhrasing.text) == phrasing.text,
            )
        )
    fresh = [one for one in dict.fromkeys(entry.phrasings) if one not in set(seen.entry.phrasings)]
    session.add_all(_phrasing(seen.id, one) for one in fresh)
    await session.flush()


def _audit(session: AsyncSession, now: datetime, actor: str, seen: Stored, found: Iterable[Difference]) -> None:
    before = {"version": seen.version, **{one.field: one.before for one in found}}
    after = {"version": seen.version + 1, **{one.field: one.after for one in found}}
    record(session, now, actor, "faq.entry_changed", f"entry:{seen.entry.key}", before, after)


async def publish(session: AsyncSession, now: datetime, actor: str, key: str) -> bool:
    """Let the bot answer with this entry; False when it does already. NothingToSay while a text is missing."""
    seen = await get_stored(session, key)
    refuse_silent(seen.entry)
    return await rewrite(session, now, actor, seen, seen.entry, is_published=True)


def is_complete(entry: Entry) -> bool:
    """Whether there is a question and an answer in each of its languages."""
    return bool(entry.texts) and all(text.question.strip() and text.answer.strip() for text in entry.texts.values())


def refuse_silent(entry: Entry) -> None:
    """NothingToSay unless the entry is complete."""
    if not is_complete(entry):
        lacking = [
            name for name, text in sorted(entry.texts.items()) if not (text.question.strip() and text.answer.strip())
        ]
        raise NothingToSay(key=entry.key, language=" and ".join(lacking) or "any language")


async def unpublish(session: AsyncSession, now: datetime, actor: str, key: str) -> bool:
    """Keep the entry, but let the bot answer with it no more; False when it did not."""
    seen = await get_stored(session, key)
    return await rewrite(session, now, actor, seen, seen.entry, is_published=False)


async def history(session: AsyncSession, key: str) -> list[FaqEntryVersion]:
    """What the entry was before, newest first."""
    seen = await get_stored(session, key)
    query = select(FaqEntryVersion).where(FaqEntryVersion.entry_id == seen.id)
    return list((await session.exec(query.order_by(col(FaqEntryVersion.version).desc()))).all())


async def restore(session: AsyncSession, now: datetime, actor: str, key: str, version: int) -> bool:
    """Make the entry read as it did in `version`; what it was until now becomes a version too."""
    seen = await get_stored(session, key)
    content = next((row.content for row in await history(session, key) if row.version == version), None)
    if content is None:
        raise UnknownVersion(key=key, version=version)
    texts = {language: Text(**text) for language, text in content["texts"].items()}
    phrasings = tuple(Phrasing(text, language) for language, text in content["phrasings"])
    entry = Entry(key, content["flow"], tuple(content["related"]), texts, phrasings, content["theme"])
    return await rewrite(session, now, actor, seen, entry, is_published=content["is_published"])


async def entries_version(session: AsyncSession) -> str:
    """A word that changes whenever an entry or a phrasing does; two small queries, made to be polled."""
    rows = (
        await session.exec(select(FaqEntry.id, FaqEntry.version, FaqEntry.is_published).order_by(col(FaqEntry.id)))
    ).all()
    phrasings = (await session.exec(select(func.count(), func.max(FaqPhrasing.id)))).one()
    return hashlib.sha256(repr(([tuple(row) for row in rows], tuple(phrasings))).encode()).hexdigest()[:16]


def differences(before: Stored, after: Stored) -> tuple[Difference, ...]:
    """What differs between two states of one entry, in a fixed order."""
    old, new = _flat(before), _flat(after)
    plain = [
        Difference(name, old.get(name), new.get(name)) for name in {**old, **new} if old.get(name) != new.get(name)
    ]
    return (*plain, *_phrasing_differences(before.entry, after.entry))


def _flat(one: Stored) -> dict[str, Any]:
    texts = {
        f"{language}.{name}": value
        for language, text in sorted(one.entry.texts.items())
        for name, value in (("question", text.question), ("answer", text.answer))
    }
    plain = {"theme": one.entry.theme, "flow": one.entry.flow or None, "related": list(one.entry.related)}
    return {**plain, "is_published": one.is_published, **texts}


def _phrasing_differences(before: Entry, after: Entry) -> list[Difference]:
    old, new = _by_language(before), _by_language(after)
    found = []
    for language in sorted({*old, *new}):
        gone = [text for text in old.get(language, {}) if text not in new.get(language, {})]
        fresh = [text for text in new.get(language, {}) if text not in old.get(language, {})]
        if gone or fresh:
            found.append(Difference(f"{language}.phrasings", gone, fresh))
    return found


def _by_language(entry: Entry) -> Mapping[str, dict[str, None]]:
    found: dict[str, dict[str, None]] = defaultdict(dict)
    for phrasing in entry.phrasings:
        found[phrasing.language][phrasing.text] = None
    return found


def _fields(entry: Entry) -> dict[str, Any]:
    texts = {language: {"question": text.question, "answer": text.answer} for language, text in entry.texts.items()}
    return {"theme": entry.theme, "flow": entry.flow or None, "related": list(entry.related), "texts": texts}


def _content(one: Stored) -> dict[str, Any]:
    phrasings = [[phrasing.language, phrasing.text] for phrasing in one.entry.phrasings]
    return {**_fields(one.entry), "is_published": one.is_published, "phrasings": phrasings}


def _phrasing(entry_id: int, phrasing: Phrasing) -> FaqPhrasing:
    return FaqPhrasing(entry_id=entry_id, language=phrasing.language, text=phrasing.text)
