"""The dialogue: the same on every channel. What a message means, what the shop says, and what follows from both.

`set_scene` reads and understands, `look_up` asks the shop while no transaction is open, `answer` decides and writes in
one transaction.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from sqlmodel.ext.asyncio.session import AsyncSession

from audit import rows
from bot.channels.port import Inbound, Kind
from bot.dialogue import (
    arrival,
    aside,
    claims,
    codes,
    delivered,
    edits,
    greeting,
    orders,
    patience,
    questions,
    rating,
    reading,
    refunds,
    tickets,
    topics,
)
from bot.dialogue.acts import ASIDES, TALK, Act, Intent
from bot.dialogue.look_up import Heard, Looked, look_up, order_no_of
from bot.dialogue.state import Scene, State, Step, keep_state, set_scene
from bot.dialogue.turn import Parts, Turn, meet
from bot.dialogue.understanding import PICTURES, Answers, Understanding
from bot.tables import DialogueRow
from shop.codes import hide_known
from shop.deep_links import DeepLinks, find_linked
from shop.port import Counter, Power
from tickets import absence, conversations, files, filing, pictures
from tickets.claims import Claims
from tickets.desk import Desk
from tickets.hidden_words import keep_typed
from tickets.mailed_codes import MailedCodes
from tickets.outbox import Say
from tickets.ownership import Ownership
from tickets.tables import Conversation, Message, id_of

STEPS: dict[Act, Callable[[Turn], Awaitable[None]]] = {
    Act.START: arrival.arrive,
    Act.MENU: greeting.show_menu,
    Act.CANCEL: greeting.cancel,
    Act.HUMAN: claims.hand_over,
    Act.GRIEVANCE: tickets.take_grievance,
    Act.TICKETS: claims.list_open,
    Act.HURRY: tickets.hurry,
    Act.REPORT: orders.report,
    Act.FIND: orders.find,
    Act.ORDER: orders.take_order,
    Act.USE_ORDER: orders.use_order,
    Act.MISSING: delivered.take_missing,
    Act.REFUND: refunds.take,
    Act.PROOF: orders.take_proof,
    Act.MAIL_CODE: orders.mail_code,
    Act.WAS_CODE: orders.take_as_code,
    Act.IS_ORDER: orders.take_as_order,
    Act.PICK_CODE: codes.pick_code,
    Act.ALL_CODES: codes.pick_all,
    Act.MORE_CODES: codes.ask_more,
    Act.CODES_DONE: codes.finish,
    Act.TYPED_CODE: codes.take_code,
    Act.REASON: claims.take_reason,
    Act.PICTURE: claims.take_picture,
    Act.NO_PROOF: claims.go_without_proof,
    Act.AGAIN: codes.take_again,
    Act.ASK: questions.answer_question,
    Act.CHOOSE: questions.choose,
    Act.NONE_FITS: patience.miss_suggestions,
    Act.RELATED: questions.show_related,
    Act.HELPED: questions.thank,
    Act.MISSED: questions.regret,
    Act.RATE: rating.take_score,
    Act.ADD_COMMENT: rating.ask_comment,
    Act.COMMENT: rating.take_comment,
    Act.CHAT: greeting.return_greeting,
    Act.ABUSE: patience.stay_calm,
    Act.EMPTY: patience.ask_for_words,
    Act.NUMBER: orders.ask_what_number,
    Act.MEDIA: greeting.ask_for_text,
    Act.TOO_LONG: greeting.ask_for_less,
    Act.UNCLEAR: patience.miss,
    Act.STALE: greeting.excuse_button,
}
ASK_AGAIN: dict[Step, Callable[[Turn], Awaitable[None]]] = {
    Step.ORDER: orders.ask_order_again,
    Step.PROOF: orders.ask_proof_again,
    Step.CODE: codes.ask_code_again,
    Step.REASON: claims.ask_reason_again,
    Step.COMMENT: rating.ask_comment_again,
}


JUST_NOW = timedelta(minutes=5)  # as much as the clocks of messengers and ours may differ
NOTHING = Intent(Act.START, "")  # nothing was said that had to be understood


class Dialogue:
    """Answers buyers."""

    def __init__(
        self,
        *,
        desk: Desk,
        claims: Claims,
        ownership: Ownership,
        shop: Counter,
        answers: Answers,
        phrases: Say,
        own_shops: Mapping[tuple[str, str], Counter] | None = None,  # of accounts that ask in another order
        links: Sequence[DeepLinks] = (),  # from the pages of each shop
        mails: MailedCodes | None = None,  # where mail can be sent
        hours: str = "",  # when people answer, as told to buyers: "09:00-23:00"
        time_zone: str = "Asia/Shanghai",  # of the shop
    ) -> None:
        can_mail = mails if mails and Power.CONTACT in shop.powers else None
        self._parts = Parts(
            desk, claims, ownership, can_mail, answers, phrases, claims.vault, hours, ZoneInfo(time_zone)
        )
        self._shop = shop
        self._own_shops = own_shops or {}
        self._links = links
        self._understanding = Understanding(answers, desk.rules.message_limit, desk.rules.triggers.risky_words)

    async def set_scene(self, session: AsyncSession, now: datetime, inbound: Inbound) -> Heard:
        if aside.is_aside(inbound):
            return Heard(Scene(), NOTHING)
        scene, edit = await self._recall(session, now, inbound), None
        state = scene.state
        if inbound.kind == Kind.EDIT:
            edit = await edits.find_edit(session, self._parts.vault, scene, inbound)
            scene, inbound = edits.as_it_was(scene, edit) if edit else scene, replace(inbound, kind=Kind.TEXT)
        intent = self._understanding.understand(scene, inbound)
        intent = replace(intent, stored=await hide_known(session, self._parts.vault, intent.stored))
        if edit is not None:
            edit = edits.weigh(edit, state, intent)
        return await self._hear(session, now, inbound, Heard(scene, intent, edit=edit))

    async def _hear(self, session: AsyncSession, now: datetime, inbound: Inbound, heard: Heard) -> Heard:
        """What must be known of the order that the message is about, before the shop is asked."""
        scene, intent = heard.scene, heard.intent
        if aside.is_kept_only(inbound, intent) or (heard.edit is not None and not heard.edit.is_awaited):
            return heard
        if intent.act == Act.START:
            linked_by, order_no = find_linked(self._links, inbound.text, now) or ("", "")
            return replace(heard, order_no=order_no, linked_by=linked_by)
        order_no = order_no_of(intent, scene.state.open_order(self._parts.vault, scene.conversation_id), scene)
        if not order_no or not (intent.secret or intent.act == Act.MAIL_CODE):
            return replace(heard, order_no=order_no)
        mails, identity = self._parts.mails, scene.identity_id
        if await self._parts.ownership.locked_until(session, now, identity, order_no):
            return replace(heard, order_no=order_no, is_locked=True)
        is_mailed = mails and identity and await mails.fits(session, now, identity, order_no, intent.secret)
        return replace(heard, order_no=order_no, is_mailed=bool(is_mailed))

    async def _recall(self, session: AsyncSession, now: datetime, inbound: Inbound) -> Scene:
        """The scene, with what only some messages may be about."""
        scene = await set_scene(session, now, inbound)
        number = scene.conversation_id
        if number is None:
            return scene
        if inbound.kind in PICTURES or reading.lacks_proof(inbound.text):
            scene = replace(scene, proving=await filing.find_proving(session, number) or "")
        if inbound.kind in PICTURES and not scene.proving:
            scene = replace(scene, proving=await filing.find_unproved(session, now, number) or "")
        if reading.fails_again(inbound.text):
            scene = replace(scene, given=await filing.find_given(session, number) or "")
        if reading.find_score(inbound.text) is None:
            return scene
        return replace(scene, rating=await self._parts.desk.find_asked(session, now, number) or 0)

    async def look_up(self, heard: Heard, inbound: Inbound) -> Looked:
        shop = self._own_shops.get((inbound.channel, inbound.account), self._shop)
        looked = await look_up(shop, heard)
        return replace(looked, edit=heard.edit) if heard.edit else looked

    async def answer(self, session: AsyncSession, now: datetime, inbound: Inbound, looked: Looked) -> None:
        """Write all that follows from this message into the caller's transaction."""
        if aside.is_aside(inbound):
            await aside.take(self._parts, session, now, inbound)
        elif inbound.kind != Kind.EDIT:
            await self._answer(session, now, inbound, looked)
        elif looked.edit is not None or inbound.text:  # an invisible change of what we never had is nothing
            await self._answer(session, now, replace(inbound, kind=Kind.TEXT), looked)

    async def _answer(self, session: AsyncSession, now: datetime, inbound: Inbound, looked: Looked) -> None:
        turn = await self._begin(session, now, inbound, looked)
        edit, asked, before = looked.edit, turn.state.step, turn.state.answered
        if edit is not None and not edit.is_awaited:
            if edit.is_changed and turn.message is not None:
                await edits.tell_people(session, now, self._parts.desk, turn.message)
            return
        if aside.is_kept_only(inbound, turn.intent) or await aside.is_hushed(turn):
            await aside.listen(turn)
            return
        await self._introduce(turn)
        await self._follow(turn)
        if turn.here is not None and turn.message is not None and turn.message.ticket_id is None:
            turn.file_under(turn.here)
        answered = before if edit else "" if asked == Step.IDLE else asked
        turn.state = replace(turn.state, answered=answered)
        await keep_state(session, now, id_of(turn.conversation), turn.row, turn.state)

    async def _follow(self, turn: Turn) -> None:
        """Do and say what these words ask for."""
        intent = turn.intent
        await greeting.tell_unread(turn)
        if await tickets.tell_standing(turn) or await self._leave_to_people(turn):
            return
        if intent.beside is not None and intent.act != Act.ASK:
            await questions.answer_beside(turn, intent.beside)
        claims.keep_words(turn)
        await STEPS[intent.act](turn)
        if intent.act in ASIDES and turn.state.step in ASK_AGAIN:
            await ASK_AGAIN[turn.state.step](turn)

    async def apologise(self, session: AsyncSession, now: datetime, inbound: Inbound) -> None:
        """One of the buyer's messages was laid aside: say so."""
        await self._tell(session, now, inbound, "error.lost", with_person=True)

    async def calm(self, session: AsyncSession, now: datetime, inbound: Inbound) -> None:
        """The buyer writes faster than is read: say so. What waited for us, as after an outage, did not come fast."""
        if now - inbound.sent_at < JUST_NOW:
            await self._tell(session, now, inbound, "error.too_fast")

    async def _tell(
        self, session: AsyncSession, now: datetime, inbound: Inbound, key: str, *, with_person: bool = False
    ) -> None:
        """Say something that these words are no part of."""
        if not aside.is_aside(inbound) and inbound.past is None:
            turn = await self._begin(session, now, replace(inbound, kind=Kind.TEXT), Looked(NOTHING))
            await turn.tell(key, *([turn.person] if with_person else []))

    async def follow_delivery(self, session: AsyncSession, now: datetime, outgoing_id: int) -> None:
        """This message has arrived: do and say what comes after it, in the transaction that records it."""
        await self._parts.desk.follow_arrival(session, now, outgoing_id)
        await rating.ask(self._parts.desk, session, now, outgoing_id)

    async def _begin(self, session: AsyncSession, now: datetime, inbound: Inbound, looked: Looked) -> Turn:
        """The conversation, its state, and the message in its thread."""
        conversation = await meet(self._parts, session, now, inbound)
        absence.come_back(session, now, conversation)
        row = await rows.get(session, DialogueRow, id_of(conversation))
        message = await self._keep(session, now, conversation, inbound, looked, row)
        buyer = await conversations.buyer_of(session, conversation)
        language = _language(inbound, looked, buyer.language)
        await conversations.set_language(session, now, conversation, language)
        state = State.load(row, now)
        shown, offered = replace(state, offered=0), state.offered
        here = await topics.find_ticket(session, conversation, inbound)
        talk = (conversation, inbound, looked, message, shown, language, row, offered, here)
        return Turn(self._parts, session, now, *talk)

    async def _introduce(self, turn: Turn) -> None:
        if turn.row is None and turn.intent.act != Act.START:
            await greeting.introduce(turn)

    async def _leave_to_people(self, turn: Turn) -> bool:
        """Whether these words go to the person who has the case, and no answer of ours is due."""
        act = turn.intent.act
        if turn.inbound.kind == Kind.PRESS:
            return False
        if (answered := await tickets.find_answered(turn)) is not None:
            await tickets.pass_on(turn, answered)
            return True
        if turn.state.step != Step.IDLE:
            return False
        if act in TALK | {Act.TICKETS} and (named := await tickets.find_named(turn)) is not None:
            await tickets.take_named(turn, named)
            return True
        if act not in TALK:
            return False
        ticket = await tickets.in_human_hands(turn)
        if ticket is None:
            return await self._note_on_ticket(turn)
        match = turn.intent.match
        is_sure = act in (Act.ORDER, Act.REPORT, Act.AGAIN) or (match is not None and match.outcome == "answer")
        may_answer = act == Act.TOO_LONG or (is_sure and ticket.assignee_id is None)
        await tickets.pass_on(turn, ticket, silently=may_answer)
        return not may_answer

    async def _note_on_ticket(self, turn: Turn) -> bool:
        """A picture, unknown words and "it still fails" belong on the ticket that waits or was settled lately."""
        act, match = turn.intent.act, turn.intent.match
        is_unknown = act == Act.MEDIA or (match is not None and match.outcome == "none")
        if not is_unknown and (act == Act.AGAIN or not reading.fails_again(turn.inbound.text)):
            return False
        ticket = await tickets.find_waiting(turn) or await tickets.find_settled(turn)
        if ticket is None:
            return False
        await tickets.pass_on(turn, ticket)
        return True

    async def _keep(
        self,
        session: AsyncSession,
        now: datetime,
        conversation: Conversation,
        inbound: Inbound,
        looked: Looked,
        row: DialogueRow | None,
    ) -> Message | None:
        """The buyer's message as it may be kept; what is hidden of it is sealed, a proof is forgotten."""
        intent, is_asked_proof = looked.intent, row is not None and row.step == Step.PROOF
        if intent.act == Act.START:
            return None
        is_secret = bool(intent.secret or is_asked_proof)
        if looked.edit is not None:
            actor, edit = f"buyer:{conversation.buyer_id}", looked.edit
            facts = (self._parts.vault, edit, inbound, intent.stored)
            return await edits.revise(session, now, *facts, actor=actor, is_secret=is_secret)
        message = await conversations.add_message(
            session,
            now,
            conversation,
            intent.stored,
            attachments=[dict(one) for one in inbound.attachments],
            foreign_id=inbound.message_id or None,
        )
        topics.note(session, inbound, message)
        for pixels in inbound.pictures:
            await pictures.keep(session, now, self._parts.vault, message, pixels)
        for file in inbound.files:
            await files.keep(session, now, self._parts.vault, message, file)
        if inbound.kind != Kind.PRESS and not is_secret:
            keep_typed(self._parts.vault, message, reading.clean(inbound.text))
        return message


def _language(inbound: Inbound, looked: Looked, current: str) -> str:
    """The language of these words. Proofs, codes and commands are no words."""
    is_command = inbound.kind == Kind.PRESS or inbound.text.startswith("/")
    if is_command or looked.intent.act in (Act.PROOF, Act.TYPED_CODE, Act.START):
        return current
    return reading.find_language(reading.clean(inbound.text)[:500], current)
