"""Answers within what a messenger allows: several messages as one, each paid for before it goes out."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from itertools import groupby

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from bot.channels.parts import UNNAMED, arrived
from bot.channels.port import Channel, KnowsRepeats, Photo, Rationed, SendsPictures
from bot.errors import Ambiguous, BudgetSpent, DeliveryError, NoPictures, Unfinished, WindowClosed
from bot.gallery import Gallery
from bot.ready import Ready
from bot.together import Together
from bot.transactions import Transactions
from tickets import outbox, reply_windows
from tickets.reply_windows import Verdict
from tickets.tables import Message, Outgoing, ReplyWindow, id_of

HELD = timedelta(seconds=30)  # between looks at a message that is held back
LANES = 32  # conversations that are paid for in one transaction
JOINED = 8  # messages that go out as one, at most


class Rations:
    """Pays for what one channel account sends. Channels that ask for nothing send as they like."""

    def __init__(
        self, database: Transactions, channel: Channel, gallery: Gallery, clock: Callable[[], datetime]
    ) -> None:
        self._database = database
        self._gallery = gallery
        self._channel = channel
        self._clock = clock
        self._together = Together(database, LANES)  # the door waits for each commit of ours

    async def deliver(self, ready: Ready) -> str:
        """As the channel's own. Raises `WindowClosed` and `BudgetSpent` for what the messenger would refuse."""
        channel, row, message = self._channel, ready.row, ready.message
        photos = self._gallery.of(message)
        if not isinstance(channel, Rationed):
            return await self._deliver(row, message, photos)
        if is_under_way(row):
            return await self._deliver_again(row, message, photos)
        await self._begin(ready)
        is_whole = not photos and not arrived(row)  # what has begun goes on as it began
        if is_whole and (sent := await channel.deliver_free(row, message)) is not None:
            return sent
        if (refusal := await self._pay(row.conversation_id)) is not None:
            raise refusal
        try:
            return await self._deliver(row, message, photos)
        except (Ambiguous, Unfinished, BudgetSpent):  # the platform knows of messages that we did not count
            raise
        except DeliveryError:
            await self._give_back(row.conversation_id)
            raise

    async def _deliver_again(self, row: Outgoing, message: Message, photos: Sequence[Photo]) -> str:
        """What its sender had in hand when it stopped. Raises `Ambiguous` where it would be seen twice."""
        if not isinstance(self._channel, KnowsRepeats):
            raise Ambiguous
        # Its sender may have stopped before it paid. Where nothing is left it may have arrived for the last of it, and
        # the platform says whether it did; what was paid twice is wasted.
        await self._pay(row.conversation_id)
        return await self._channel.deliver_again(row, message, photos)

    async def _deliver(self, row: Outgoing, message: Message, photos: Sequence[Photo]) -> str:
        """With its pictures; where the channel shows none, the words first, and then it is told that nothing else is.

        Raises `NoPictures` then.
        """
        if not photos:
            return await self._channel.deliver(row, message)
        if isinstance(self._channel, SendsPictures):
            return await self._channel.deliver_pictures(row, message, photos)
        if message.text and not row.foreign_id:
            raise Unfinished(foreign_id=await self._channel.deliver(row, message) or UNNAMED)
        raise NoPictures

    async def _begin(self, ready: Ready) -> None:
        """What a sender had in hand when it was killed is not sent anew: few messages are allowed, none twice."""
        await self._together.write(lambda session: outbox.begin(session, [id_of(row) for row in ready.rows]))

    async def _pay(self, conversation_id: int) -> DeliveryError | None:
        """For one message; what the messenger would refuse is not paid for."""
        now = self._clock()

        async def pay(session: AsyncSession) -> DeliveryError | None:
            if await reply_windows.spend(session, now, conversation_id):
                return None
            window = await session.get(ReplyWindow, conversation_id)
            is_closed = window is None or window.closes_at <= now
            return WindowClosed(reason="48 hours after the last word") if is_closed else BudgetSpent()

        return await self._together.write(pay)

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
    for number, waiting in groupby(by_conversation, key=lambda ready: ready.row.conversation_id):
        group = list(waiting)
        one = join(channel, group[:JOINED])
        # A person's reply that does not fit beside it waits behind it: what keeps that back keeps the reply back.
        most_urgent = min(row.priority for ready in group for row in ready.rows)
        verdict = reply_windows.judge(windows.get(number), now, most_urgent, _cost_of_rest(channel, one))
        if verdict == Verdict.HOLD and not is_under_way(one.row):
            held.append(number)
        else:
            chosen.append(one)
    return sorted(chosen, key=lambda ready: (min(row.priority for row in ready.rows), ready.row.id)), held


def _cost_of_rest(channel: Rationed, ready: Ready) -> int:
    """Of what has pictures a part may have arrived."""
    return channel.cost(ready.message) - len(arrived(ready.row))


def is_under_way(row: Outgoing) -> bool:
    """Whether a sender had it in hand and stopped."""
    return row.problem == outbox.UNDER_WAY


def join(channel: Rationed, parts: Sequence[Ready]) -> Ready:
    """As many of these as cost no more than one message together: the first alone when nothing fits beside it.

    What was in a sender's hand when it stopped goes out as it was then.
    """
    whole, rows = parts[0].message, [parts[0].row]
    for part in parts[1:]:
        longer = Message(
            **whole.model_dump(exclude={"id", "text", "buttons", "attachments"}),
            id=part.message.id,  # so that it is another one than without this
            text=f"{whole.text}\n\n{part.message.text}".strip(),
            buttons=[*whole.buttons, *part.message.buttons],
            attachments=[*whole.attachments, *part.message.attachments],
        )
        if channel.cost(longer) > 1 or is_under_way(part.row) != is_under_way(rows[0]):
            break
        whole = longer
        rows.append(part.row)
    return Ready(rows[0], whole, tuple(rows[1:]))
