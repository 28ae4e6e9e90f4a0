"""What the forms of the ticket page do: each one verb of the desk, with what was typed."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta

from sqlmodel import select
from sqlmodel.ext.asyncio.session import AsyncSession
from starlette.datastructures import FormData
from starlette.exceptions import HTTPException

from console import orders
from console.doors import typed
from console.rules import Site
from shop import money
from shop.port import Order
from shop.tables import Code
from shop.vault import Vault
from tickets.changes import get_ticket, lock_ticket
from tickets.enclosing import Enclosed
from tickets.errors import CodeInText, NotAllowed, PastInstant, UnknownTicket
from tickets.labels import read_tags
from tickets.macros import Macros
from tickets.refunds import Refunds
from tickets.rights import is_lead
from tickets.screenshots import Screenshots
from tickets.staff import get_agent, set_account_manager
from tickets.supplier_checks import BAD, GOOD, Answer
from tickets.tables import Claim, Outcome, Phase, Ticket, id_of

FIELD = "field-"  # what the names of the inputs of own fields begin with
MORNING = time(9)  # when a ticket wakes that sleeps until a day
SLEEPS = {"1h": timedelta(hours=1), "4h": timedelta(hours=4), "1d": timedelta(days=1), "3d": timedelta(days=3)}


@dataclass(frozen=True, slots=True)
class Asked:
    """A form that was sent."""

    session: AsyncSession
    now: datetime
    ticket_id: int
    agent_id: int
    form: FormData
    enclosed: Enclosed | None = None  # pictures that came with it
    orders: Sequence[Order] = ()  # as the shops say now; for verbs that replace codes or ask for money

    def text(self, name: str = "text") -> str:
        return typed(self.form, name)

    def number(self, name: str) -> int:
        """A field that holds the number of a row; 0, which no row has, when it holds anything else."""
        return number_in(typed(self.form, name))

    @property
    def version(self) -> int:
        """The version that the page showed; a form without one has seen nothing."""
        return self.number("version")

    @property
    def outcome(self) -> Outcome:
        if self.text("outcome") not in list(Outcome):
            raise HTTPException(422)
        return Outcome(self.text("outcome"))


REPLACES = frozenset({"replace", "replace-all", "supplier-answer"})  # verbs by which codes go out
# A verb returns the ticket to show next, where that is another one.
Verb = Callable[[Asked], Awaitable[Ticket | None]]


def number_in(text: str) -> int:
    return int(text) if text.isdecimal() and len(text) < 10 else 0


async def find_other(asked: Asked) -> int:
    """The ticket whose number was typed, however: "k-12" and "12" are K-000012. Raises `UnknownTicket`."""
    words = asked.text("other").strip().upper()
    number = f"K-{int(words.removeprefix('K-')):06d}" if words.removeprefix("K-").isdecimal() else words
    found = (await asked.session.exec(select(Ticket.id).where(Ticket.number == number[:40]))).first()
    if found is None:
        raise UnknownTicket(ticket=number[:40])
    return found


class Verbs:
    """The verbs by the names in the addresses of their forms."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._desk = site.desk
        self._macros = Macros(site.desk)

    def find(self, name: str) -> Verb | None:
        is_word = name.replace("-", "").isalpha()
        return getattr(self, f"do_{name.replace('-', '_')}", None) if is_word else None

    async def do_take(self, asked: Asked) -> None:
        await self._desk.take(asked.session, asked.now, asked.ticket_id, asked.agent_id)

    async def do_release(self, asked: Asked) -> None:
        await self._desk.release(asked.session, asked.now, asked.ticket_id, asked.agent_id)

    async def do_assign(self, asked: Asked) -> None:
        await self._desk.assign(asked.session, asked.now, asked.ticket_id, asked.agent_id, asked.number("to"))

    async def do_reply(self, asked: Asked) -> None:
        reply = self._desk.reply_to_all if asked.text("everyone") else self._desk.reply
        who = (asked.ticket_id, asked.agent_id)
        await reply(asked.session, asked.now, *who, asked.text(), version=asked.version, enclosed=asked.enclosed)

    async def do_send_again(self, asked: Asked) -> None:
        await self._desk.send_again(asked.session, asked.now, asked.ticket_id, asked.agent_id, asked.number("message"))

    async def do_note(self, asked: Asked) -> None:
        await self._desk.note(asked.session, asked.now, asked.ticket_id, asked.agent_id, asked.text())

    async def do_resolve(self, asked: Asked) -> None:
        words, who = asked.text().strip() or None, (asked.ticket_id, asked.agent_id)
        resolve = self._desk.resolve_all if asked.text("everyone") else self._desk.resolve
        await resolve(asked.session, asked.now, *who, asked.outcome, words, version=asked.version)
        status, ticket = asked.text("status"), await get_ticket(asked.session, asked.ticket_id)
        if status and status != ticket.status:
            await self._desk.set_status(asked.session, asked.now, *who, status)

    async def do_macro(self, asked: Asked) -> None:
        outcome = asked.outcome if asked.text("outcome") else Outcome.INSTRUCT
        macro = asked.number("macro")
        words = asked.text() if "text" in asked.form else None
        await self._macros.use(
            asked.session, asked.now, asked.ticket_id, macro, asked.agent_id, words, outcome, asked.version
        )

    async def do_replace(self, asked: Asked) -> None:
        await lock_ticket(asked.session, asked.ticket_id, asked.version)
        await orders.learn(asked.session, asked.orders)
        claim = asked.number("claim") if "claim" in asked.form else None
        await self._site.claims.replace(asked.session, asked.now, asked.ticket_id, asked.agent_id, claim)

    async def do_replace_all(self, asked: Asked) -> None:
        await lock_ticket(asked.session, asked.ticket_id, asked.version)
        await orders.learn(asked.session, asked.orders)
        await self._site.claims.replace_all(asked.session, asked.now, asked.ticket_id, asked.agent_id)

    async def do_refund(self, asked: Asked) -> None:
        """Ask for a refund of a claim's code, or of the order that was typed."""
        (order,) = asked.orders
        amount = money.read_amount(asked.text("amount"), order.goods.currency) if asked.text("amount").strip() else None
        who, claim = (asked.ticket_id, asked.agent_id), asked.number("claim") or None
        await Refunds(self._desk).ask(asked.session, asked.now, *who, order, claim_id=claim, amount=amount)

    async def do_explain(self, asked: Asked) -> None:
        """Decide one claim by words."""
        await lock_ticket(asked.session, asked.ticket_id, asked.version)
        who, claim = (asked.ticket_id, asked.agent_id), asked.number("claim")
        await self._site.claims.explain(asked.session, asked.now, *who, claim, asked.outcome, asked.text())

    async def do_ask_proof(self, asked: Asked) -> None:
        await lock_ticket(asked.session, asked.ticket_id, asked.version)
        who = (asked.ticket_id, asked.agent_id, asked.number("claim"))
        await Screenshots(self._site.claims).ask(asked.session, asked.now, *who, asked.text())

    async def do_supplier_ask(self, asked: Asked) -> None:
        await lock_ticket(asked.session, asked.ticket_id, asked.version)
        who = (asked.ticket_id, asked.agent_id, asked.number("claim"))
        await self._desk.ask_supplier(asked.session, asked.now, *who)

    async def do_supplier_answer(self, asked: Asked) -> None:
        """What the supplier said of a claim and, when they take the code back, the replacement with it."""
        if asked.text("answer") not in (BAD, GOOD):
            raise HTTPException(422)
        await lock_ticket(asked.session, asked.ticket_id, asked.version)
        claim_id, is_bad = asked.number("claim"), asked.text("answer") == BAD
        await _refuse_known_code(asked, self._site.vault, asked.text("reference"))
        answer = Answer(is_bad, await _owed(asked), asked.text("reference"), asked.text("remark"))
        who = (asked.ticket_id, asked.agent_id)
        await self._desk.take_down_answer(asked.session, asked.now, *who, claim_id, answer)
        if is_bad and asked.text("replace"):
            await orders.learn(asked.session, asked.orders)
            await self._site.claims.replace(asked.session, asked.now, *who, claim_id)

    async def do_renew_link(self, asked: Asked) -> None:
        await lock_ticket(asked.session, asked.ticket_id, asked.version)
        claim = asked.number("claim")
        await self._site.claims.renew_link(asked.session, asked.now, asked.ticket_id, asked.agent_id, claim)

    async def do_status(self, asked: Asked) -> None:
        status, who = asked.text("status"), (asked.ticket_id, asked.agent_id)
        await self._desk.set_status(asked.session, asked.now, *who, status, version=asked.version)

    async def do_snooze(self, asked: Asked) -> None:
        until = self._waking(asked)
        await self._desk.snooze(asked.session, asked.now, asked.ticket_id, asked.agent_id, until)

    async def do_wake(self, asked: Asked) -> None:
        await self._desk.wake(asked.session, asked.now, asked.ticket_id, asked.agent_id)

    async def do_tag(self, asked: Asked) -> None:
        tags = read_tags(asked.text("tags"))
        await self._desk.tag(asked.session, asked.now, asked.ticket_id, asked.agent_id, tags)

    async def do_untag(self, asked: Asked) -> None:
        await self._desk.untag(asked.session, asked.now, asked.ticket_id, asked.agent_id, asked.text("tag"))

    async def do_fields(self, asked: Asked) -> None:
        texts = {name.removeprefix(FIELD): typed(asked.form, name) for name in asked.form if name.startswith(FIELD)}
        await self._desk.set_fields(asked.session, asked.now, asked.ticket_id, asked.agent_id, texts)

    async def do_link(self, asked: Asked) -> None:
        other = await find_other(asked)
        await self._desk.link(asked.session, asked.now, asked.ticket_id, other, asked.agent_id)

    async def do_unlink(self, asked: Asked) -> None:
        other = await find_other(asked)
        await self._desk.unlink(asked.session, asked.now, asked.ticket_id, other, asked.agent_id)

    async def do_parent(self, asked: Asked) -> None:
        parent = await find_other(asked) if asked.text("other").strip() else None
        await self._desk.set_parent(asked.session, asked.now, asked.ticket_id, parent, asked.agent_id)

    async def do_merge(self, asked: Asked) -> Ticket:
        other = await find_other(asked)
        who = (asked.ticket_id, other, asked.agent_id)
        return await self._desk.merge(asked.session, asked.now, *who, version=asked.version)

    async def do_split(self, asked: Asked) -> Ticket:
        chosen = {number_in(one) for one in asked.form.getlist("message") if isinstance(one, str)}
        who, subject = (asked.ticket_id, asked.agent_id), asked.text("subject")
        return await self._desk.split(asked.session, asked.now, *who, chosen, subject, version=asked.version)

    async def do_spam(self, asked: Asked) -> None:
        await self._desk.mark_spam(asked.session, asked.now, asked.ticket_id, asked.agent_id, version=asked.version)

    async def do_no_spam(self, asked: Asked) -> None:
        await self._desk.take_back_spam(asked.session, asked.now, asked.ticket_id, asked.agent_id)

    async def do_manager(self, asked: Asked) -> None:
        """A merchant has one agent who looks after them; a lead decides who."""
        agent = await get_agent(asked.session, asked.agent_id)
        if not is_lead(agent):
            raise NotAllowed(role=agent.role, verb="choose an account manager")
        ticket = await get_ticket(asked.session, asked.ticket_id)
        manager = await get_agent(asked.session, asked.number("to")) if asked.text("to") else None
        login, actor = manager.login if manager else None, f"agent:{id_of(agent)}"
        await set_account_manager(asked.session, asked.now, ticket.buyer_id, login, actor=actor)

    def _waking(self, asked: Asked) -> datetime:
        """When a ticket wakes: after a span, or in the morning of a day, or at an instant, in the console's zone."""
        chosen, zone = asked.text("for"), self._site.rules.time_zone
        if chosen in SLEEPS:
            return asked.now + SLEEPS[chosen]
        if chosen == "morning":
            tomorrow = asked.now.astimezone(zone).date() + timedelta(days=1)
            return datetime.combine(tomorrow, MORNING, zone).astimezone(UTC)
        try:
            return datetime.fromisoformat(asked.text("until")).replace(tzinfo=zone).astimezone(UTC)
        except ValueError:
            raise PastInstant() from None


async def _refuse_known_code(asked: Asked, vault: Vault, text: str) -> None:
    """A number of a complaint may look like a code; it must not be one."""
    known = select(Code.masked).where(Code.fingerprint == vault.fingerprint(text))
    if (masked := (await asked.session.exec(known)).first()) is not None:
        raise CodeInText(masked=masked)


async def _owed(asked: Asked) -> int | None:
    """What was typed as the supplier's debt; None when the field was left empty."""
    text = asked.text("owed").strip()
    claim = await asked.session.get(Claim, asked.number("claim"))
    if not text or claim is None:
        return None
    return 0 if not text.strip("0.") else money.read_amount(text, claim.currency)


def open_statuses(site: Site) -> list[str]:
    """The statuses that a ticket may be given by their name alone; resolving needs an outcome as well."""
    return [name for name, status in site.desk.rules.statuses.items() if status.phase != Phase.RESOLVED]


def resolved_statuses(site: Site) -> list[str]:
    """The names for a resolved ticket; the plain one first."""
    return [name for name, status in site.desk.rules.statuses.items() if status.phase == Phase.RESOLVED]
