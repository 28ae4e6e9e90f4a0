"""One message being answered: what the steps of the dialogue read, and the few things that they may do."""

import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from sqlmodel.ext.asyncio.session import AsyncSession

from audit import rows
from bot.channels.port import Inbound
from bot.dialogue import topics
from bot.dialogue.acts import Act, Intent
from bot.dialogue.look_up import Looked
from bot.dialogue.state import SEAL, State, Step
from bot.dialogue.understanding import Answers
from bot.tables import Button, DialogueRow
from shop.port import Order
from shop.vault import Vault
from tickets import conversations
from tickets.claims import Claims
from tickets.desk import Desk
from tickets.mailed_codes import MailedCodes
from tickets.outbox import Say, post
from tickets.ownership import Ownership
from tickets.tables import Author, Conversation, Message, Priority, Ticket, id_of

DAY = 86_400  # seconds


@dataclass(frozen=True)
class Parts:
    """What the dialogue works with."""

    desk: Desk
    claims: Claims
    ownership: Ownership
    mails: MailedCodes | None  # None: no code is mailed here
    answers: Answers
    say: Say
    vault: Vault
    hours: str  # when people answer, as told to buyers
    zone: ZoneInfo  # of the dates told to buyers


class Choice(NamedTuple):
    """A button to be."""

    act: Act
    label: str
    argument: str = ""


@dataclass
class Turn:
    """Everything about one message. `state` is written back when the turn ends."""

    parts: Parts
    session: AsyncSession
    now: datetime
    conversation: Conversation
    inbound: Inbound
    looked: Looked
    message: Message | None  # the buyer's, stored; None when only the conversation was opened
    state: State
    language: str
    row: DialogueRow | None  # where the dialogue stood; None: it begins
    offered: int = 0  # the question whose suggestions the last message offered
    here: Ticket | None = None  # in whose topic it was said, where the buyer's chat has topics

    @property
    def intent(self) -> Intent:
        return self.looked.intent

    def word(self, key: str, **facts: object) -> str:
        """A phrase in the buyer's language."""
        return self.parts.say(self.language, key, **facts)

    def span(self, span: timedelta) -> str:
        """A length of time in the buyer's language."""
        return name_span(self.parts.say, self.language, span)

    def listed(self, things: Iterable[str]) -> str:
        """One after the other, as the buyer's language does it."""
        return ("、" if self.language == "zh" else ", ").join(things)

    def at(self, instant: datetime) -> str:
        """An instant as the shop's clock shows it."""
        return f"{instant.astimezone(self.parts.desk.rules.zone):%m-%d %H:%M}"

    def choice(self, act: Act, label: str, argument: str = "", **facts: object) -> Choice:
        """A button with the phrase `label`."""
        return Choice(act, self.word(label, **facts), argument)

    @property
    def person(self) -> Choice:
        return self.choice(Act.HUMAN, "button.human")

    async def say(
        self,
        text: str,
        *choices: Choice,
        ticket: Ticket | None = None,
        priority: Priority = Priority.BOT_REPLY,
        link_id: int | None = None,
    ) -> Message:
        """Post a text with its buttons."""
        shown = await make_buttons(self.session, self.now, self.conversation, choices)
        said = await post(
            self.session,
            self.now,
            self.conversation,
            text,
            author=Author.BOT,
            ticket=ticket,
            buttons=shown,
            priority=priority,
            link_id=link_id,
        )
        topics.note(self.session, self.inbound, said)
        return said

    async def tell(self, key: str, *choices: Choice, ticket: Ticket | None = None, **facts: object) -> Message:
        """Post a phrase with its buttons."""
        return await self.say(self.word(key, **facts), *choices, ticket=ticket)

    def go(self, step: Step, **changes: Any) -> None:
        """The bot asks for something: the next message is an answer to it."""
        self.state = replace(self.state, step=step, misses=0, **changes)

    def rest(self) -> None:
        """Nothing is asked for any more; what was said about tickets and the order in hand stays said."""
        kept = {"strays", "told", "disliked", "in_hand", "status", "warranty", "words"}
        self.state = State(**{name: getattr(self.state, name) for name in kept})

    def hold(self, order: Order | None) -> None:
        """This proved order is the one that is spoken of from now on, or none is."""
        self.state = replace(
            self.state,
            in_hand=order.order_no if order else "",
            status=order.status if order else "",
            warranty=int(order.goods.warranty.total_seconds()) if order else 0,
        )

    def file_under(self, ticket: Ticket) -> None:
        """The buyer's message belongs to this ticket."""
        if self.message is not None:
            self.message.ticket_id = ticket.id

    def count_miss(self) -> None:
        self.state = replace(self.state, misses=self.state.misses + 1)

    def forget_misses(self) -> None:
        self.state = replace(self.state, misses=0)

    def seal_order(self, order_no: str) -> str:
        return self.parts.vault.seal_text(SEAL, str(self.conversation.id), order_no)


def name_span(say: Say, language: str, span: timedelta) -> str:
    """A length of time in words, rounded up to what one would say."""
    seconds = max(1, int(span.total_seconds()))
    if seconds >= 2 * DAY and seconds % DAY == 0:
        return say(language, "span.days", count=seconds // DAY)
    for name, size in (("hours", 3600), ("minutes", 60)):
        if seconds >= size:
            return say(language, f"span.{name}", count=-(-seconds // size))
    return say(language, "span.seconds", count=seconds)


async def meet(parts: Parts, session: AsyncSession, now: datetime, inbound: Inbound) -> Conversation:
    """The conversation that this message belongs to; with its first words a buyer is met."""
    language = "zh" if not inbound.language or inbound.language.lower().startswith("zh") else "en"
    name = inbound.name or parts.say(language, "buyer.nameless", tail=inbound.address[-4:])
    place = inbound.channel, inbound.account, inbound.address
    return await conversations.find_or_create(session, now, *place, name, language)


async def make_buttons(
    session: AsyncSession, now: datetime, conversation: Conversation, choices: Sequence[Choice]
) -> list[dict[str, str]]:
    """Remember what each button does; returns them as a message carries them."""
    buttons: list[dict[str, Any]] = [
        {
            "handle": secrets.token_urlsafe(12),  # 16 characters; Telegram carries 64 bytes
            "conversation_id": id_of(conversation),
            "action": choice.act,
            "argument": choice.argument,
            "label": choice.label,
            "made_at": now,
        }
        for choice in choices
    ]
    if buttons:
        await rows.add(await session.connection(), Button, buttons)
    return [{"handle": button["handle"], "text": button["label"]} for button in buttons]
