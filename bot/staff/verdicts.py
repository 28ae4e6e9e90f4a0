"""Claims decided by words, each by its own: `/reject 2 reason`. Where several wait, which is meant is asked."""

from collections.abc import Mapping

from bot.staff import cards, commands
from bot.staff.asked import Asked, Said
from bot.staff.buttons import SURE, Act, Wish
from bot.staff.errors import CannotRead
from bot.staff.rules import Room
from tickets import filing
from tickets.errors import NoOpenClaim
from tickets.lifecycle import is_active
from tickets.tables import Buyer, Claim, Outcome, id_of

Claims = Mapping[int, Claim]  # by their number on the ticket


class Verdicts:
    """The acts `instruct` and `reject`."""

    def __init__(self, room: Room) -> None:
        self._room = room

    async def decide(self, asked: Asked, act: Act) -> Said:
        """The buyer is told, and with the last claim the ticket is resolved; one without claims is, too.

        Raises `CannotRead`, and what `tickets.grants.Grants.explain` raises.
        """
        every, left = await self._claims_of(asked)
        number, text = _read(asked.words, every, left)
        if number is None and len(left) > 1:
            return self._ask(asked, act, left, text)
        if not text:
            raise CannotRead(usage=self._room.words(f"usage.{act}"))
        number, outcome, words = number or next(iter(left), None), Outcome(act), self._room.words
        if number is None:
            await self._room.desk.resolve(asked.session, asked.now, *asked.who, outcome, text)
        else:
            ticket_id, agent_id = asked.who
            about = (ticket_id, agent_id, id_of(every[number]), outcome, text)
            await self._room.claims.explain(asked.session, asked.now, *about)
        await asked.session.refresh(asked.ticket)
        if number is not None and is_active(asked.ticket.phase):
            return Said(words("done.claim", claim=number, outcome=words(f"outcome.{outcome}"), left=len(left) - 1))
        return Said(words("done.resolve", outcome=words(f"outcome.{outcome}")))

    async def preview(self, asked: Asked, act: Act) -> Said:
        """What a press would send about one claim, with a button that sends it. Raises `NoOpenClaim`."""
        every, left = await self._claims_of(asked)
        number, _ = _read(asked.words, every, left)
        if not left:
            raise NoOpenClaim(number=asked.ticket.number)
        if number is None or number not in left:
            if len(left) > 1:
                return self._ask(asked, act, left, "")
            number = next(iter(left))
        text = await self._prepared(asked, act, left[number])
        command = f"/{act} {number}" if len(left) > 1 else f"/{act}"
        facts = {"number": asked.ticket.number, "text": text, "command": command}
        return Said(self._room.words("preview", **facts), (self._send(act, number, text),))

    def _ask(self, asked: Asked, act: Act, left: Claims, text: str) -> Said:
        """A button for each claim: with words they are sent about it, without any the prepared ones are shown."""
        words, lines = self._room.words, (cards.claim_text(self._room, *one) for one in left.items())
        head = words("ask.claim", number=asked.ticket.number, count=len(left), command=f"/{act} {next(iter(left))} …")
        label = f"act.{act}_one"
        wishes = tuple((words(label, number=one), act, f"{SURE}{one} {text}" if text else str(one)) for one in left)
        return Said("\n".join([head, *lines]), wishes)

    def _send(self, act: Act, number: int, text: str) -> Wish:
        return self._room.words("button.send"), act, f"{SURE}{number} {text}"

    async def _claims_of(self, asked: Asked) -> tuple[Claims, Claims]:
        """All of the ticket, and those that wait for their outcome."""
        every = await filing.by_number(asked.session, asked.ticket)
        return every, filing.undecided(every)

    async def _prepared(self, asked: Asked, act: Act, claim: Claim) -> str:
        """Words for a claim, in the buyer's language."""
        buyer = await asked.session.get_one(Buyer, asked.ticket.buyer_id)
        say = self._room.say
        text = say(buyer.language, f"{act}.{claim.reason}", masked=claim.masked)
        return f"{text}\n{say(buyer.language, 'claim.appeal')}" if act == Act.REJECT else text


def _read(words: str, every: Claims, left: Claims) -> tuple[int | None, str]:
    """The claim that is named, and what its buyer is told. Where one waits at most, a number may begin a sentence."""
    number, rest = commands.claim_and_words(words)
    if number in every:
        return number, rest
    return None, rest if len(left) > 1 else words.strip()
