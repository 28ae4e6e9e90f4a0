"""Answers within what a messenger allows: several messages as one, each paid for before it goes out."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from itertools import groupby

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from bot.channels.port import Channel, Rationed
from bot.errors import Ambiguous, BudgetSpent, DeliveryError, Unfinished, WindowClosed
from bot.ready import Ready
from bot.transactions import Transactions
from tickets import reply_windows
from tickets.reply_windows import Verdict
from tickets.tables import Message, Outgoing, ReplyWindow

HELD = timedelta(seconds=30)  # between looks at a message that is held back
JOINED = 8  # messages that go out as one, at most


class Rations:
    """Pays for what one channel account sends. Channels that ask for nothing send as they like."""

    def __init__(self, database: Transactions, channel: Channel, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._channel = channel
        self._clock = clock

    async def deliver(self, row: Outgoing, message: Message) -> str:
        """As the channel's own. Raises `WindowClosed` and `BudgetSpent` for what the messenger would refuse."""
        channel = self._channel
        if not isinstance(channel, Rationed):
            return await channel.deliver(row, message)
        if (sent := await channel.deliver_free(row, message)) is not None:
            return sent
        cost = channel.cost(message)
        await self._pay(row.conversation_id, cost)
        try:
            return await self._channel.deliver(row, message)
        except (Ambiguous, Unfinished):
            raise
        except DeliveryError:
            if cost == 1:  # of several some may have gone out
                await self._give_back(row.conversation_id)
            raise

    async def _pay(self, conversation_id: int, cost: int) -> None:
        now = self._clock()
        async with self._database.writing() as session:
            if await reply_windows.spend(session, now, conversation_id, cost):
                return
            window = await session.get(ReplyWindow, conversation_id)
        if window is None or window.closes_at <= now:
            raise WindowClosed(reason="48 hours after the last word")
        raise BudgetSpent

    async def _give_back(self, conversation_id: int) -> None:
        async with self._database.writing() as session:
            await reply_windows.give_back(session, self._clock(), conversation_id)


async def ration(
    session: AsyncSession, now: datetime, channel: Rationed, queued: Sequence[Ready]
) -> tuple[list[Ready], list[int]]:
    """What goes out now, one of each conversation, and the conversations whose messages are held back.

    `queued` has all that waits there, in the order of each conversation.
    """
    by_conversation = sorted(queued, key=lambda ready: ready.row.conversation_id)  # a stable sort keeps their order
    numbers = {ready.row.conversation_id for ready in queued}
    found = select(ReplyWindow).where(col(ReplyWindow.conversation_id).in_(numbers))
    windows = {window.conversation_id: window for window in (await session.exec(found)).all()}
    chosen, held = [], []
    for number, group in groupby(by_conversation, key=lambda ready: ready.row.conversation_id):
        one = join(channel, list(group)[:JOINED])
        most_urgent = min(row.priority for row in one.rows)
        if reply_windows.judge(windows.get(number), now, most_urgent, channel.cost(one.message)) == Verdict.HOLD:
            held.append(number)
        else:
            chosen.append(one)
    return sorted(chosen, key=lambda ready: (min(row.priority for row in ready.rows), ready.row.id)), held


def join(channel: Rationed, parts: Sequence[Ready]) -> Ready:
    """As many of these as cost no more than one message together: the first alone when nothing fits beside it."""
    whole, rows = parts[0].message, [parts[0].row]
    for part in parts[1:]:
        longer = Message(
            **whole.model_dump(exclude={"text", "buttons"}),
            text=f"{whole.text}\n\n{part.message.text}".strip(),
            buttons=[*whole.buttons, *part.message.buttons],
        )
        if channel.cost(longer) > 1:
            break
        whole = longer
        rows.append(part.row)
    return Ready(rows[0], whole, tuple(rows[1:]))
