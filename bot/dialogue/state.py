"""Where a conversation stands between two messages, and the scene in which the next one is understood."""

from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import JSON, Connection, bindparam, insert, update
from sqlalchemy.orm.attributes import set_committed_value
from sqlmodel import UTCDateTime, col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from audit import rows
from bot.channels.port import Inbound
from bot.dialogue.acts import Goal
from bot.tables import Button, DialogueRow
from shop.rotation import Seals, text_not_under
from shop.vault import Vault
from tickets.tables import Conversation, OrderBinding

BUTTONS_LIVE = timedelta(days=14)
TOPIC_LIVES = timedelta(minutes=30)  # a follow-up that comes later is a question of its own
ORDERS_OFFERED = 3
SEAL = "dialogue"  # the kind of an order number that is sealed in a state


class Step(StrEnum):
    """What the bot has asked for."""

    IDLE = "idle"
    ORDER = "order"
    PROOF = "proof"
    CODE = "code"
    REASON = "reason"
    COMMENT = "comment"


@dataclass(frozen=True, slots=True)
class State:
    """What is remembered; every field has a value that says "nothing"."""

    step: Step = Step.IDLE
    goal: Goal = Goal.LOOK
    order: str = ""  # sealed: until it is proved, what was taken for an order number may be a code
    picked: str = ""  # fingerprints of the codes claimed, with blanks between
    reason: str = ""  # Reason, as soon as it is known
    words: str = ""  # what the buyer said is wrong, as it may be kept
    misses: int = 0  # questions in a row that were not understood
    strays: int = 0  # typed codes that were none of the order's, in the whole conversation
    told: int = 0  # the ticket whose buyer knows that words are passed on
    entry: str = ""  # the key of the entry answered last
    disliked: str = ""  # the key of the entry whose answer got a thumbs-down last
    offered: int = 0  # the question whose suggestions were the last thing said
    in_hand: str = ""  # the number of the order proved and spoken of last
    status: str = ""  # of that order
    warranty: int = 0  # of its product, in seconds
    rating: int = 0  # the cycle that the buyer is about to comment on
    answered: str = ""  # the Step at which the buyer's last words were understood; "" for Step.IDLE

    @classmethod
    def load(cls, row: DialogueRow | None, now: datetime) -> "State":
        """The state of a row; facts that an older version left, and what was spoken of long ago, are dropped."""
        if row is None:
            return cls()
        is_old = row.updated_at < now - TOPIC_LIVES
        names = {name for name in cls.__slots__ if name != "step" and not (is_old and name in TOPIC)}
        known = {name: value for name, value in row.facts.items() if name in names}
        known["goal"] = Goal(known.get("goal", Goal.LOOK))
        return cls(step=Step(row.step), **known)

    def open_order(self, vault: Vault, conversation_id: int | None) -> str:
        """The number of the order that is spoken of, proved or not; "" when there is none."""
        return vault.open_text(SEAL, str(conversation_id), self.order) if self.order else ""

    def facts(self) -> dict[str, Any]:
        return {name: value for name, value in asdict(self).items() if name != "step" and value}


# What the next words may lean on.
TOPIC = frozenset({"entry", "disliked", "offered", "in_hand", "status", "warranty", "words"})


@dataclass(frozen=True, slots=True)
class Scene:
    """What is known before a message is understood."""

    state: State = field(default_factory=State)
    conversation_id: int | None = None
    identity_id: int | None = None
    orders: tuple[str, ...] = ()  # proved to be this buyer's, the latest first
    sold: frozenset[tuple[str, str]] = frozenset()  # their shops with them: two shops may have the same number
    button: Button | None = None  # the one pressed, if it is one of ours
    rating: int = 0  # the cycle whose rating is awaited, where the message could be a score
    proving: str = ""  # the order whose claim waits for a screenshot, where the message may be it, or say there is none
    given: str = ""  # the order for which a code was replaced last, where the message may say that it failed again


async def set_scene(session: AsyncSession, now: datetime, inbound: Inbound) -> Scene:
    """Read the scene of the conversation that this message belongs to."""
    found = await rows.in_one_trip(session, lambda connection: _look(connection, inbound))
    if found is None:
        return Scene()
    conversation_id, identity_id, row, sold = found
    return Scene(
        state=State.load(row, now),
        conversation_id=conversation_id,
        identity_id=identity_id,
        orders=tuple(order_no for _, order_no in sold),
        sold=frozenset(sold),
        button=await _find_button(session, now, conversation_id, inbound.handle) if inbound.handle else None,
    )


_STANDING: Any = (DialogueRow.step, DialogueRow.facts, DialogueRow.updated_at)
_PLACE: Any = (
    select(Conversation.id, Conversation.identity_id, *_STANDING)
    .outerjoin(DialogueRow, col(DialogueRow.conversation_id) == col(Conversation.id))
    .where(col(Conversation.channel) == bindparam("channel"), col(Conversation.account) == bindparam("account"))
    .where(col(Conversation.address) == bindparam("address"))
)
_SOLD: Any = (
    select(OrderBinding.shop, OrderBinding.order_no)
    .where(col(OrderBinding.identity_id) == bindparam("identity"))
    .order_by(col(OrderBinding.id).desc())
    .limit(200)
)
Found = tuple[int, int, DialogueRow | None, list[tuple[Any, ...]]]


def _look(connection: Connection, inbound: Inbound) -> Found | None:
    """The conversation, its identity, where its dialogue stands, and (shop, number) of the orders proved there."""
    place = {"channel": inbound.channel, "account": inbound.account, "address": inbound.address}
    found = rows.find(connection, _PLACE, **place)
    if found is None:
        return None
    conversation_id, identity_id, step, facts, updated_at = found
    row = None
    if step is not None:
        row = rows.made(DialogueRow, conversation_id=conversation_id, step=step, facts=facts, updated_at=updated_at)
    return conversation_id, identity_id, row, rows.find_all(connection, _SOLD, identity=identity_id)


async def keep_state(
    session: AsyncSession, now: datetime, conversation_id: int, row: DialogueRow | None, state: State
) -> None:
    """Remember `state`; `row` is where the dialogue stood before, if it had begun."""
    values: dict[str, Any] = {"step": state.step, "facts": state.facts(), "updated_at": now}
    if row is None:
        new = {"conversation_id": conversation_id, **values}
        await rows.in_one_trip(session, lambda connection: rows.carry_out(connection, _BEGIN, **new))
        return
    new = {f"new_{name}": value for name, value in values.items()}
    await rows.in_one_trip(session, lambda connection: rows.carry_out(connection, _KEEP, number=conversation_id, **new))
    for name, value in values.items():
        set_committed_value(row, name, value)


_BEGIN = insert(DialogueRow).inline()
_KEEP = (
    update(DialogueRow)
    .where(col(DialogueRow.conversation_id) == bindparam("number"))
    .values(
        step=bindparam("new_step"),
        facts=bindparam("new_facts", type_=JSON),
        updated_at=bindparam("new_updated_at", type_=UTCDateTime()),
    )
)


async def orders_of(session: AsyncSession, identity_id: int) -> tuple[str, ...]:
    """The order numbers that this identity has proved, the latest first."""
    sold = await rows.in_one_trip(session, lambda connection: rows.find_all(connection, _SOLD, identity=identity_id))
    return tuple(order_no for _, order_no in sold)


async def _find_button(session: AsyncSession, now: datetime, conversation_id: int, handle: str) -> Button | None:
    """The button of this handle, if it was made for this conversation and is not too old."""
    button = await session.get(Button, handle)
    if button is None or button.conversation_id != conversation_id or button.made_at < now - BUTTONS_LIVE:
        return None
    return button


def _renew(vault: Vault, row: DialogueRow) -> None:
    row.facts = {**row.facts, "order": vault.renew_text(SEAL, str(row.conversation_id), row.facts["order"])}


SEALS = Seals(DialogueRow, text_not_under(col(DialogueRow.facts)["order"].as_string()), _renew)
