"""What somebody wants of a ticket, and what comes of it."""

from dataclasses import dataclass
from datetime import datetime

from sqlmodel.ext.asyncio.session import AsyncSession

from audit.errors import KadeskError
from bot.staff.buttons import Wish
from bot.tables import Topic
from shop.port import Order
from tickets.tables import Agent, Ticket, id_of


@dataclass(frozen=True, slots=True)
class Asked:
    """An act that somebody wants on a ticket."""

    session: AsyncSession
    now: datetime
    agent: Agent
    ticket: Ticket
    topic: Topic | None
    words: str  # the argument
    order: Order | KadeskError | None = None  # as the shop told, for a refund

    @property
    def who(self) -> tuple[int, int]:
        return id_of(self.ticket), id_of(self.agent)


@dataclass(frozen=True, slots=True)
class Said:
    """What comes of an act: a word about it, and perhaps buttons to go on with."""

    text: str
    wishes: tuple[Wish, ...] = ()
