"""Buttons of the staff bot: opaque handles, whose meaning stands in our table; each works once."""

import secrets
from collections.abc import Collection, Sequence
from datetime import datetime
from enum import StrEnum

from sqlalchemy import delete, update
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from bot.staff.tables import StaffButton
from tickets.lifecycle import is_active
from tickets.tables import Ticket, id_of


class Act(StrEnum):
    """What a button, or a command, does."""

    TAKE = "take"
    RELEASE = "release"
    ASSIGN = "assign"
    REPLACE = "replace"
    REFUND = "refund"
    INSTRUCT = "instruct"
    REJECT = "reject"
    MACRO = "macro"
    SNOOZE = "snooze"
    WAKE = "wake"
    RESOLVE = "resolve"
    ESCALATE = "escalate"
    MERGE = "merge"
    NOTE = "note"


# A press of one of these shows what would be sent, and asks once more.
ASKS_FIRST = frozenset({Act.INSTRUCT, Act.REJECT, Act.REFUND, Act.MACRO, Act.RESOLVE})
BARE_ASKS = frozenset({Act.REFUND, Act.RESOLVE})  # as commands without words too: the menu sends them at a tap
SURE = "!"  # what the argument of a button begins with whose press does it

NAMED = 4  # claims that have buttons of their own on a card
Wish = tuple[str, Act, str]  # label, act, argument


def card_acts(ticket: Ticket, claims: Collection[int]) -> list[tuple[Act, str]]:
    """What the card of a ticket offers; `claims` are the numbers of those that are undecided."""
    if not is_active(ticket.phase):
        return []
    mine = (Act.RELEASE, "") if ticket.assignee_id else (Act.TAKE, "")
    claim = [(Act.REPLACE, str(len(claims))), (Act.REFUND, "")] if claims else []
    rest = (Act.WAKE, "") if ticket.snoozed_until else (Act.SNOOZE, "4h")
    named = [str(one) for one in claims] if 1 < len(claims) <= NAMED else [""]  # of more than that it is asked
    words = [(act, one) for one in named for act in (Act.INSTRUCT, Act.REJECT)] if claims else [(Act.RESOLVE, "")]
    return [mine, *claim, *words, (Act.MACRO, ""), rest, (Act.ESCALATE, "")]


async def offer(session: AsyncSession, now: datetime, ticket: Ticket, wishes: Sequence[Wish]) -> list[dict[str, str]]:
    """Handles for these buttons, as they are sent."""
    made = []
    for label, act, argument in wishes:
        handle = secrets.token_urlsafe(16)
        session.add(StaffButton(handle=handle, ticket_id=id_of(ticket), act=act, argument=argument, made_at=now))
        made.append({"text": label, "handle": handle})
    return made


async def find_button(session: AsyncSession, handle: str) -> StaffButton | None:
    return await session.get(StaffButton, handle, populate_existing=True)


def is_under_preview(button: StaffButton) -> bool:
    """Whether it stands under what would be sent, or under a choice of macros; else it stands on a card."""
    return button.argument.startswith(SURE) or (button.act == Act.MACRO and bool(button.argument))


async def use(session: AsyncSession, now: datetime, button: StaffButton) -> bool:
    """Of all presses of a button one gets True; the others come too late."""
    free = (col(StaffButton.handle) == button.handle, col(StaffButton.pressed_at).is_(None))
    used = await session.exec(update(StaffButton).where(*free).values(pressed_at=now))
    return bool(used.rowcount == 1)


async def pressed(session: AsyncSession, handles: Sequence[str]) -> bool:
    """Whether one of these was used up, or is gone."""
    fresh = select(StaffButton.handle).where(
        col(StaffButton.handle).in_(handles), col(StaffButton.pressed_at).is_(None)
    )
    return len((await session.exec(fresh)).all()) < len(handles)


async def forget(session: AsyncSession, ticket_id: int) -> None:
    """The buttons of a ticket that ended lead nowhere any more."""
    await session.exec(delete(StaffButton).where(col(StaffButton.ticket_id) == ticket_id))
