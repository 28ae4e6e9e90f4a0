"""What buttons and commands do to a ticket: each one verb of the desk, with the rights and refusals of the console."""

from collections.abc import Awaitable, Callable

from sqlalchemy import func
from sqlmodel import col, or_, select
from sqlmodel.ext.asyncio.session import AsyncSession

from audit.errors import KadeskError
from bot.staff import commands
from bot.staff.asked import Asked, Said
from bot.staff.buttons import SURE, Act, Wish
from bot.staff.errors import CannotRead, NoOrder
from bot.staff.rules import Room
from bot.staff.tables import Mirrored
from bot.staff.verdicts import Verdicts
from shop.masking import mask_text
from shop.money import read_amount
from tickets import filing
from tickets.changes import lock_ticket
from tickets.errors import StaleTicket, UnknownAgent, UnknownMacro, UnknownTicket
from tickets.macros import Macros, active_macros
from tickets.money_errors import UnknownOrder
from tickets.refunds import Refunds
from tickets.tables import Agent, Author, Message, Ticket, id_of

MACROS_SHOWN = 12
# Done only to what the people in the topic have seen: what was said or decided meanwhile is shown first.
GUARDED = frozenset(Act) - {Act.TAKE, Act.RELEASE, Act.ASSIGN, Act.NOTE, Act.WAKE}


class Deeds:
    """The acts by their names."""

    def __init__(self, room: Room) -> None:
        self._room = room
        self._desk = room.desk
        self._macros = Macros(room.desk)
        self._verdicts = Verdicts(room)

    async def do(self, asked: Asked, act: Act) -> Said:
        """Raises what the desk raises."""
        deeds: dict[Act, Callable[[Asked], Awaitable[Said]]] = {
            Act.TAKE: self._take,
            Act.RELEASE: self._release,
            Act.ASSIGN: self._assign,
            Act.REPLACE: self._replace,
            Act.REFUND: self._refund,
            Act.INSTRUCT: self._instruct,
            Act.REJECT: self._reject,
            Act.MACRO: self._macro,
            Act.SNOOZE: self._snooze,
            Act.WAKE: self._wake,
            Act.RESOLVE: self._resolve,
            Act.ESCALATE: self._escalate,
            Act.MERGE: self._merge,
            Act.NOTE: self._note,
        }
        if act != Act.MERGE:  # which locks two, in the order of their ids
            await lock_ticket(asked.session, id_of(asked.ticket))
        was_seen = asked.topic is None or asked.topic.known_version == asked.ticket.version
        if act in GUARDED and not (was_seen and await _is_heard_out(asked)):
            raise StaleTicket(number=asked.ticket.number)
        said = await deeds[act](asked)
        await asked.session.flush()
        await asked.session.refresh(asked.ticket)
        if was_seen and asked.topic is not None:
            asked.topic.known_version = asked.ticket.version
            asked.session.add(asked.topic)
        return said

    async def preview(self, asked: Asked, act: Act) -> Said:
        """What a press would send, with a button that sends it; changes nothing."""
        words, number = self._room.words, asked.ticket.number
        if act == Act.MACRO:
            return await self._preview_macro(asked)
        if act in (Act.INSTRUCT, Act.REJECT):
            return await self._verdicts.preview(asked, act)
        if act == Act.REFUND and not asked.ticket.order_ref:
            raise NoOrder(number=number)
        key = "ask.refund" if act == Act.REFUND else "ask.resolve"
        return Said(words(key, number=number), ((words("button.sure"), act, SURE),))

    async def _take(self, asked: Asked) -> Said:
        await self._desk.take(asked.session, asked.now, *asked.who)
        return Said(self._room.words("done.take", agent=asked.agent.name))

    async def _release(self, asked: Asked) -> Said:
        await self._desk.release(asked.session, asked.now, *asked.who)
        return Said(self._room.words("done.release"))

    async def _assign(self, asked: Asked) -> Said:
        if not asked.words.strip():
            raise CannotRead(usage=self._room.words("usage.assign"))
        to = await find_colleague(asked.session, asked.words, asked.agent)
        await self._desk.assign(asked.session, asked.now, *asked.who, id_of(to))
        return Said(self._room.words("done.assign", agent=to.name))

    async def _replace(self, asked: Asked) -> Said:
        """All claims of the ticket, or none: what stands against one is told, and the console decides one by one."""
        settled = await self._room.claims.replace_all(asked.session, asked.now, *asked.who)
        return Said(self._room.words("done.replace", count=len(settled)))

    async def _refund(self, asked: Asked) -> Said:
        if isinstance(asked.order, KadeskError):
            raise asked.order
        if not asked.ticket.order_ref:
            raise NoOrder(number=asked.ticket.number)
        if asked.order is None:
            raise UnknownOrder(order_no=(asked.ticket.order_ref or "").rpartition("/")[2])
        claims = await filing.undecided_of(asked.session, asked.ticket)
        typed = commands.amount(asked.words)
        sum_of = read_amount(typed, asked.order.goods.currency) if typed else None
        claim_id = claims[0].id if len(claims) == 1 else None
        refunds = Refunds(self._desk)
        await refunds.ask(asked.session, asked.now, *asked.who, asked.order, claim_id=claim_id, amount=sum_of)
        return Said(self._room.words("done.refund"))

    async def _instruct(self, asked: Asked) -> Said:
        return await self._verdicts.decide(asked, Act.INSTRUCT)

    async def _reject(self, asked: Asked) -> Said:
        return await self._verdicts.decide(asked, Act.REJECT)

    async def _resolve(self, asked: Asked) -> Said:
        outcome, words = commands.outcome_and_words(asked.words)
        await self._desk.resolve(asked.session, asked.now, *asked.who, outcome, words.strip() or None)
        return Said(self._room.words("done.resolve", outcome=self._room.words(f"outcome.{outcome}")))

    async def _macro(self, asked: Asked) -> Said:
        macros = await active_macros(asked.session)
        wanted = asked.words.strip().casefold()
        if not wanted:
            return await self._preview_macro(asked)
        found = [one for one in macros if wanted in (str(one.id), one.name.casefold())]
        if not found:
            raise UnknownMacro(macro=mask_text(asked.words.strip()[:60]))
        await self._macros.use(asked.session, asked.now, id_of(asked.ticket), id_of(found[0]), id_of(asked.agent))
        return Said(self._room.words("done.macro", name=found[0].name))

    async def _preview_macro(self, asked: Asked) -> Said:
        words, macros = self._room.words, await active_macros(asked.session)
        chosen = next((one for one in macros if str(one.id) == asked.words), None)
        if chosen is None:
            shown = tuple((one.name, Act.MACRO, str(one.id)) for one in macros[:MACROS_SHOWN])
            return Said(words("macros" if shown else "no_macros"), shown)
        preview = await self._macros.preview(asked.session, asked.now, id_of(asked.ticket), id_of(chosen))
        label = "button.send" if preview.reply else "button.sure"
        sure: Wish = (words(label), Act.MACRO, f"{SURE}{chosen.id}")
        key = "preview_macro" if preview.reply else "preview_silent"
        return Said(words(key, number=asked.ticket.number, text=preview.reply, name=chosen.name), (sure,))

    async def _snooze(self, asked: Asked) -> Said:
        try:
            at = commands.until(asked.words or "4h", asked.now, self._room.rules.zone)
        except CannotRead:
            raise CannotRead(usage=self._room.words("usage.snooze")) from None
        await self._desk.snooze(asked.session, asked.now, *asked.who, at)
        return Said(self._room.words("done.snooze", until=self._room.at(at)))

    async def _wake(self, asked: Asked) -> Said:
        await self._desk.wake(asked.session, asked.now, *asked.who)
        return Said(self._room.words("done.wake"))

    async def _escalate(self, asked: Asked) -> Said:
        ticket = await self._desk.raise_up(asked.session, asked.now, *asked.who, asked.words)
        return Said(self._room.words("done.escalate", level=f"L{int(ticket.level)}"))

    async def _merge(self, asked: Asked) -> Said:
        number = commands.ticket_number(asked.words)
        other = await find_by_number(asked.session, number)
        if other is None:
            raise UnknownTicket(ticket=number)
        source, agent = asked.who
        target = await self._desk.merge(asked.session, asked.now, source, id_of(other), agent)
        return Said(self._room.words("done.merge", number=target.number))

    async def _note(self, asked: Asked) -> Said:
        await self._desk.note(asked.session, asked.now, *asked.who, asked.words)
        return Said("")


async def _is_heard_out(asked: Asked) -> bool:
    """Whether the topic shows all that the buyer has said."""
    if asked.topic is None:
        return True
    shown = select(Mirrored.message_id).where(Mirrored.topic_id == asked.topic.id)
    said = select(Message.id).where(Message.ticket_id == asked.ticket.id, Message.author == Author.BUYER)
    return (await asked.session.exec(said.where(col(Message.id).not_in(shown)).limit(1))).first() is None


async def find_by_number(session: AsyncSession, number: str) -> Ticket | None:
    return (await session.exec(select(Ticket).where(Ticket.number == number))).first()


async def find_colleague(session: AsyncSession, words: str, me: Agent) -> Agent:
    """By login or name; "me" is who asks. Raises `UnknownAgent` when nobody, or more than one, is meant."""
    wanted = words.strip().lstrip("@").casefold()
    if wanted in ("me", "我"):
        return me
    named = or_(func.lower(Agent.login) == wanted, func.lower(Agent.name) == wanted)
    found = (await session.exec(select(Agent).where(named, col(Agent.is_active).is_(True)).limit(2))).all()
    if not wanted or len(found) != 1:
        raise UnknownAgent(agent=mask_text(words.strip()[:40]) or "?")
    return found[0]
