"""What `kadesk faq …` shows, and the review that goes through proposals key by key."""

import asyncio
from collections.abc import Callable, Iterable, Sequence

from rich.console import Console
from rich.table import Table

from faq.errors import AlreadySettled, EntryChanged
from faq.exchange import Change, Plan
from faq.learning import accept, dismiss
from faq.overlaps import Overlap
from faq.phrasing import Entry
from faq.proposals import Proposal
from faq.statistics import Figures
from faq.versions import is_complete
from kadesk.database import Database
from kadesk.wiring import clock

OWNER = "system"  # who acts at the command line, in the audit trail
SHOWN = 3  # clashes that are printed of each overlap
HINT = "    Write its answer (kadesk faq export --drafts, edit, import), then: kadesk faq publish"
out = Console(highlight=False, soft_wrap=True)


def print_entries(entries: Iterable[Entry]) -> None:
    table = Table("key", "flow", "zh", "en", "phrasings", box=None, pad_edge=False)
    for entry in entries:
        titles = [entry.texts[language].question if language in entry.texts else "" for language in ("zh", "en")]
        table.add_row(entry.key, entry.flow or "", *titles, str(len(entry.phrasings)))
    out.print(table)


def print_overlaps(overlaps: Sequence[Overlap]) -> None:
    for overlap in overlaps:
        keys = zip((overlap.first, overlap.second), overlap.flows, strict=True)
        names = " | ".join(f"{key} ({flow or 'answer only'})" for key, flow in keys)
        warning = ", different flows" if overlap.is_contradiction else ""
        _line(f"{overlap.kind} {overlap.likeness:.2f}  {names}{warning}")
        for clash in overlap.clashes[:SHOWN]:
            _line(f"    {clash.likeness:.2f}  {clash.first.text} | {clash.second.text}")
        if len(overlap.clashes) > SHOWN:
            _line(f"    and {len(overlap.clashes) - SHOWN} more")
    contradictions = sum(one.is_contradiction for one in overlaps)
    _line(f"{len(overlaps)} pairs of entries overlap; {contradictions} of them lead into different flows.")


def print_plan(plan: Plan, is_dry: bool) -> None:
    for entry in plan.added:
        note = "" if is_complete(entry) else ", a draft until it has question and answer"
        _line(f"+ {entry.key}: {len(entry.phrasings)} phrasings{note}")
    for change in plan.changed:
        _print_change(change)
    would = "would be " if is_dry else ""
    same = f"{len(plan.unchanged)} read as in the file already"
    _line(f"{len(plan.added)} {would}added, {len(plan.changed)} {would}changed, {same}.")
    if plan.kept:
        _line(f"{plan.kept} phrasings that the file does not have stay; --replace takes them away.")


def _print_change(change: Change) -> None:
    _line(f"~ {change.seen.entry.key}")
    for one in change.differences:
        if one.field.endswith(".phrasings"):
            _line(f"    {one.field}: {len(one.after)} added, {len(one.before)} taken away")
            for text in (*(f"- {text}" for text in one.before), *(f"+ {text}" for text in one.after)):
                _line(f"      {text}")
        else:
            _line(f"    {one.field}: {one.before or 'nothing'} → {one.after or 'nothing'}")


def print_figures(figures: Figures) -> None:
    names = ("asked", "answered", "suggested", "chosen", "helped", "missed")
    table = Table("entry", *names, "helpful", box=None, pad_edge=False)
    for one in figures.entries:
        share = "" if one.helpful is None else f"{one.helpful:.0%} of {one.judged}"
        table.add_row(one.key, *(str(getattr(one, name)) for name in names), share)
    out.print(table)
    ends = f"{figures.answered} answered, {figures.suggested} with suggestions, {figures.none} without an answer"
    _line(f"{figures.asked} questions: {ends}.")


def print_proposals(found: Sequence[Proposal]) -> None:
    for number, proposal in enumerate(found, 1):
        _print_proposal(proposal, f"{number}/{len(found)}")
    _line(f"{len(found)} proposals; run this in a terminal to decide on them.")


async def review(database: Database, found: Sequence[Proposal], read_key: Callable[[], str]) -> None:
    """Show each proposal and do what the pressed key says; every decision is kept at once."""
    for number, proposal in enumerate(found, 1):
        _print_proposal(proposal, f"{number}/{len(found)}")
        out.print("    a accept, s skip, d dismiss, q stop: ", end="")
        key = ""
        while key not in ("a", "s", "d", "q"):
            key = (await asyncio.to_thread(read_key)).lower()
        _line(key)
        if key == "q":
            return
        try:
            await _decide(database, proposal, key)
        except (AlreadySettled, EntryChanged) as error:
            _line(f"    {error}")
    _line("That was all." if found else "There is nothing to learn now.")


async def _decide(database: Database, proposal: Proposal, key: str) -> None:
    async with database.writing() as session:
        if key == "d":
            await dismiss(session, clock(), OWNER, proposal)
        elif key == "a":
            await accept(session, clock(), OWNER, proposal)
    if key == "a" and proposal.kind == "entry":
        _line(f"{HINT} {proposal.entry}")


def _print_proposal(proposal: Proposal, place: str) -> None:
    what = f"a phrasing of {proposal.entry}" if proposal.kind == "phrasing" else f"a new entry {proposal.entry}"
    because = f"chosen {proposal.chosen} times" if proposal.chosen else f"likeness {proposal.likeness:.2f}"
    days = f"{proposal.first_at:%Y-%m-%d} to {proposal.last_at:%Y-%m-%d}"
    _line(f"{place}  {what}: asked {proposal.count} times, {days}, {because}")
    if proposal.refused:
        _line(f"    not wanted: {', '.join(proposal.refused)}")
    for example in proposal.examples:
        _line(f"    {example.language}  {example.text}")


def _line(text: str) -> None:
    out.print(text)
