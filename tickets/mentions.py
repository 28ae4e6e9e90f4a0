"""Mentions: `@login` in a note tells that colleague."""

import re
from collections.abc import Iterable
from datetime import datetime

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from tickets.ladder import Ladder
from tickets.tables import Agent, Ticket

QUOTED = 80  # characters of a note in its notice

# The @ of a mail address mentions nobody, nor does a longer word that begins like a login.
_MENTION = r"(?<![A-Za-z0-9._-])@({logins})(?![A-Za-z0-9_]|[.@-][A-Za-z0-9])"


def find_mentioned(text: str, logins: Iterable[str]) -> list[str]:
    """Those of `logins` that stand in the text after an @, each once. What is no login stays text."""
    known = "|".join(re.escape(login) for login in sorted(logins, key=len, reverse=True))
    found = re.findall(_MENTION.format(logins=known), text, re.IGNORECASE) if known else []
    return list(dict.fromkeys(login.lower() for login in found))


class Mentions(Ladder):
    """Tells who is mentioned."""

    async def tell_mentioned(
        self, session: AsyncSession, now: datetime, ticket: Ticket, agent_id: int, text: str
    ) -> list[str]:
        """A notice to each active colleague that the note of `agent_id` mentions; returns whom ("agent:3")."""
        if "@" not in text:
            return []
        active = await session.exec(select(Agent.login, Agent.id, Agent.name).where(col(Agent.is_active).is_(True)))
        people = {login: (number, name) for login, number, name in active.all()}
        author = next((name for number, name in people.values() if number == agent_id), "")
        quote = " ".join(text.split())[:QUOTED]
        told: list[str] = []
        for login in find_mentioned(text, people):
            person, _ = people[login]
            if person != agent_id:
                notice = (session, now, ticket, "notice.mentioned")
                told += await self.tell_staff(*notice, agent_id=person, agent=author, text=quote)
        return told
