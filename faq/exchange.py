"""Import: compares entries from a file with the stored ones, and makes the change that was looked at."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from sqlmodel.ext.asyncio.session import AsyncSession

from faq.errors import UnknownRelated
from faq.phrasing import Entry, Text
from faq.versions import Difference, Stored, add, differences, is_complete, refuse_silent, rewrite, stored


@dataclass(frozen=True)
class Change:
    """A stored entry that will read differently."""

    seen: Stored
    after: Entry
    differences: tuple[Difference, ...]


@dataclass(frozen=True)
class Plan:
    """What an import would do."""

    added: tuple[Entry, ...]  # complete ones will be published, the others wait as drafts
    changed: tuple[Change, ...]
    unchanged: tuple[str, ...]  # keys
    kept: int  # stored phrasings of these entries that the file does not have and that stay

    @property
    def is_empty(self) -> bool:
        return not self.added and not self.changed


async def plan(session: AsyncSession, entries: Iterable[Entry], *, replacing: bool = False) -> Plan:
    """What importing these entries would do; writes nothing.

    An import adds and overwrites, and what it does not say stays. When `replacing`, each of its entries becomes exactly
    what it says. Entries that it does not have stay in both cases. Raises UnknownRelated and NothingToSay.
    """
    entries, known = tuple(map(_without_silence, entries)), {one.entry.key: one for one in await stored(session)}
    added = tuple(entry for entry in entries if entry.key not in known)
    changes = [_change(known[entry.key], entry, replacing) for entry in entries if entry.key in known]
    changed = tuple(change for change in changes if change.differences)
    _refuse_unknown_related([*added, *(change.after for change in changed)], {*known, *(one.key for one in added)})
    for change in changed:
        if change.seen.is_published:
            refuse_silent(change.after)
    unchanged = tuple(change.after.key for change in changes if not change.differences)
    spoken = {entry.key: set(entry.phrasings) for entry in entries}
    kept = sum(len(set(one.after.phrasings) - spoken[one.after.key]) for one in changes)
    return Plan(added, changed, unchanged, kept)


async def apply(session: AsyncSession, now: datetime, actor: str, plan: Plan) -> None:
    """Do what the plan says. EntryChanged when an entry is not as the plan saw it any more."""
    for entry in plan.added:
        await add(session, now, actor, entry, is_published=is_complete(entry))
    for change in plan.changed:
        await rewrite(session, now, actor, change.seen, change.after)


def _without_silence(entry: Entry) -> Entry:
    """A language without question and answer has phrasings only: another language's text answers them."""
    spoken = {language: text for language, text in entry.texts.items() if text.question or text.answer}
    return replace(entry, texts=spoken)


def _change(seen: Stored, entry: Entry, replacing: bool) -> Change:
    after = entry if replacing else _merged(seen.entry, entry)
    return Change(seen, after, differences(seen, replace(seen, entry=after)))


def _merged(old: Entry, new: Entry) -> Entry:
    """The old entry with everything that the new one says; `flow: ""` takes the flow away."""
    texts = dict(old.texts)
    for language, text in new.texts.items():
        before = texts.get(language, Text("", ""))
        texts[language] = Text(text.question or before.question, text.answer or before.answer)
    return Entry(
        key=old.key,
        flow=old.flow if new.flow is None else new.flow,
        related=new.related or old.related,
        texts=texts,
        phrasings=tuple(dict.fromkeys((*old.phrasings, *new.phrasings))),
        theme=new.theme or old.theme,
    )


def _refuse_unknown_related(entries: Sequence[Entry], known: set[str]) -> None:
    for entry in entries:
        for key in entry.related:
            if key not in known:
                raise UnknownRelated(key=entry.key, related=key)
