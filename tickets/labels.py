"""What staff note on a ticket to find and count it again: tags, and the values of the owner's own fields.

Neither makes an open page old: two people may tag one ticket at once.
"""

import re
import unicodedata
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, func, insert
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from audit.trail import record
from tickets.changes import lock_ticket
from tickets.errors import BadTag, NotAllowed, TooManyTags, UnknownField
from tickets.fields import Value, find_field
from tickets.ladder import Ladder
from tickets.rights import is_lead
from tickets.staff import get_agent
from tickets.tables import Ticket, TicketTag, id_of
from tickets.texts import refuse_codes, require_no_code

TAG_LENGTH = 40  # characters
TAGS = 20  # on one ticket
_TAG = re.compile(r"\w[\w .:/+-]*")


@dataclass(frozen=True, slots=True)
class TagUse:
    """A tag, and how many tickets carry it."""

    tag: str
    tickets: int


def read_tag(text: str) -> str:
    """A tag as it is kept: half width, lower case, without # and spare spaces. Raises `BadTag`."""
    tag = " ".join(unicodedata.normalize("NFKC", text).lower().lstrip("# ").split())
    if not _TAG.fullmatch(tag) or len(tag) > TAG_LENGTH:
        raise BadTag(limit=TAG_LENGTH)
    return tag


def read_tags(text: str) -> list[str]:
    """The tags of a line such as "batch 7, 供应商", each once. Raises `BadTag`."""
    parts = re.split("[,，、;；\n]", text)
    return list(dict.fromkeys(read_tag(part) for part in parts if part.strip("# \t")))


async def tags_of(session: AsyncSession, ticket_id: int) -> list[str]:
    """The tags of a ticket, in the order of the alphabet."""
    found = await session.exec(
        select(TicketTag.tag).where(TicketTag.ticket_id == ticket_id).order_by(col(TicketTag.tag))
    )
    return list(found.all())


async def tags_of_all(session: AsyncSession, ticket_ids: Collection[int]) -> dict[int, list[str]]:
    """The tags of each of these that has any."""
    mine = select(TicketTag).where(col(TicketTag.ticket_id).in_(ticket_ids)).order_by(col(TicketTag.tag))
    found: dict[int, list[str]] = {}
    for row in (await session.exec(mine)).all():
        found.setdefault(row.ticket_id, []).append(row.tag)
    return found


async def all_tags(session: AsyncSession, limit: int = 500) -> list[TagUse]:
    """Every tag, the most used first."""
    tickets = func.count(col(TicketTag.ticket_id))
    found = await session.exec(
        select(TicketTag.tag, tickets)
        .group_by(col(TicketTag.tag))
        .order_by(tickets.desc(), col(TicketTag.tag))
        .limit(limit)
    )
    return [TagUse(tag, count) for tag, count in found.all()]


async def put_tags(session: AsyncSession, ticket: Ticket, tags: Iterable[str]) -> list[str]:
    """Those of these well-formed `tags` that the locked ticket did not carry. The caller audits it."""
    there = await tags_of(session, id_of(ticket))
    new = [tag for tag in dict.fromkeys(tags) if tag not in there]
    if len(there) + len(new) > TAGS:
        raise TooManyTags(number=ticket.number, limit=TAGS)
    await _add(session, new, [id_of(ticket)])
    return new


class Labels(Ladder):
    """The verbs of tags and fields."""

    async def tag(
        self, session: AsyncSession, now: datetime, ticket_id: int, agent_id: int, tags: Iterable[str]
    ) -> list[str]:
        """Put tags on the ticket; returns those that were not there. Raises `BadTag`, `TooManyTags`, `CodeInText`."""
        typed = list(tags)
        wanted = [read_tag(tag) for tag in typed]
        await get_agent(session, agent_id)
        ticket = await lock_ticket(session, ticket_id)
        await refuse_codes(session, ticket, "\n".join(typed))
        new = await put_tags(session, ticket, wanted)
        if new:
            record(session, now, f"agent:{agent_id}", "ticket.tagged", f"ticket:{ticket_id}", after={"tags": new})
        return new

    async def untag(self, session: AsyncSession, now: datetime, ticket_id: int, agent_id: int, tag: str) -> bool:
        """Take a tag off the ticket; False when it was not there."""
        await get_agent(session, agent_id)
        await lock_ticket(session, ticket_id)
        mine = (col(TicketTag.ticket_id) == ticket_id, col(TicketTag.tag) == tag)
        taken = await session.exec(delete(TicketTag).where(*mine))
        if taken.rowcount:
            record(session, now, f"agent:{agent_id}", "ticket.untagged", f"ticket:{ticket_id}", {"tags": [tag]})
        return bool(taken.rowcount)

    async def rename_tag(self, session: AsyncSession, now: datetime, agent_id: int, old: str, new: str | None) -> int:
        """Call a tag something else on every ticket, where it joins one of that name; how many. For leads.

        None as `new` takes it off all of them. Raises `NotAllowed`, `BadTag`, `CodeInText`.
        """
        agent = await get_agent(session, agent_id)
        if not is_lead(agent):
            raise NotAllowed(role=agent.role, verb="rename a tag")
        wanted = None if new is None else read_tag(new)
        require_no_code(new or "")
        carriers = await _carriers(session, old)
        if wanted == old or not carriers:
            return 0
        await session.exec(delete(TicketTag).where(col(TicketTag.tag) == old))
        if wanted is not None:
            await _add(session, [wanted], sorted(carriers - await _carriers(session, wanted)))
        after = {"tag": wanted, "tickets": len(carriers)}
        record(session, now, f"agent:{agent_id}", "tag.renamed", f"tag:{old}", {"tag": old}, after)
        return len(carriers)

    async def set_fields(
        self, session: AsyncSession, now: datetime, ticket_id: int, agent_id: int, texts: Mapping[str, str]
    ) -> dict[str, Value]:
        """Note values of the owner's fields as they were typed; an empty text forgets one. Returns all of them.

        Raises `UnknownField`, `CodeInText`, and what `TicketField.read` raises.
        """
        await get_agent(session, agent_id)
        ticket = await lock_ticket(session, ticket_id)
        typed = {name: self._read_field(name, text) for name, text in texts.items()}
        await refuse_codes(session, ticket, "\n".join(texts.values()))
        before = dict(ticket.fields)
        ticket.fields = {name: value for name, value in (before | typed).items() if value is not None}
        changed = {name for name in typed if before.get(name) != typed[name]}
        if changed:
            session.add(ticket)
            old, new = ({name: values.get(name) for name in sorted(changed)} for values in (before, typed))
            record(session, now, f"agent:{agent_id}", "ticket.fields_set", f"ticket:{ticket_id}", old, new)
        return ticket.fields

    def _read_field(self, name: str, text: str) -> Value | None:
        field = find_field(self.rules.fields, name)
        if field is None:
            raise UnknownField(field=name)
        return field.read(text)


async def _carriers(session: AsyncSession, tag: str) -> set[int]:
    return set((await session.exec(select(TicketTag.ticket_id).where(TicketTag.tag == tag))).all())


async def _add(session: AsyncSession, tags: list[str], ticket_ids: list[int]) -> None:
    rows = [{"ticket_id": ticket_id, "tag": tag} for ticket_id in ticket_ids for tag in tags]
    if rows:
        await (await session.connection()).execute(insert(TicketTag), rows)
