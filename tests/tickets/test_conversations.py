"""Who speaks, and what was said."""

import asyncio

from audit.tables import AuditRow
from tests.tickets.conftest import Floor
from tickets import conversations
from tickets.tables import Buyer, Conversation, Identity


async def test_the_same_address_finds_the_same_conversation(floor: Floor) -> None:
    first = await floor.meet("buyer-1")
    again = await floor.meet("buyer-1")
    other = await floor.meet("buyer-2")

    assert again.id == first.id
    assert other.id != first.id
    assert other.buyer_id != first.buyer_id


async def test_one_address_on_two_accounts_is_two_buyers(floor: Floor) -> None:
    web = await floor.do(conversations.find_or_create, "web", "main", "7", "Wang", "zh")
    telegram = await floor.do(conversations.find_or_create, "telegram", "bot", "7", "Wang", "zh")

    assert web.buyer_id != telegram.buyer_id


async def test_eight_first_words_at_once_make_one_buyer(floor: Floor) -> None:
    met = await asyncio.gather(*(floor.meet("buyer-1") for _ in range(8)))

    assert len({conversation.id for conversation in met}) == 1
    assert [len(await floor.all(table)) for table in (Buyer, Identity, Conversation)] == [1, 1, 1]
    assert len(await floor.all(AuditRow, action="buyer.met")) == 1


async def test_a_message_is_kept_with_the_moment_of_the_last_word(floor: Floor) -> None:
    conversation = await floor.meet()

    picture = {"kind": "photo", "name": "proof.jpg"}
    message = await floor.do(conversations.add_message, conversation, "看图", attachments=[picture])

    assert message.author == "buyer"
    assert message.attachments == [picture]
    assert (await floor.one(Conversation)).last_in_at == floor.now


async def test_a_thread_is_read_in_order_and_in_pages(floor: Floor) -> None:
    conversation = await floor.meet()
    for text in ("一", "二", "三"):
        await floor.do(conversations.add_message, conversation, text)

    async with floor.database.reading() as session:
        first = await conversations.thread(session, conversation.id, limit=2)
        rest = await conversations.thread(session, conversation.id, after_id=first[-1].id)

    assert [message.text for message in first] == ["一", "二"]
    assert [message.text for message in rest] == ["三"]


async def test_a_thread_shows_notes_only_when_asked(floor: Floor, lin: int) -> None:
    ticket = await floor.open()
    await floor.do(floor.desk.note, ticket.id, lin, "这个买家可疑")

    async with floor.database.reading() as session:
        shown = await conversations.thread(session, ticket.conversation_id)
        with_notes = await conversations.thread(session, ticket.conversation_id, with_notes=True)

    assert shown == []
    assert [message.text for message in with_notes] == ["这个买家可疑"]


async def test_the_language_follows_the_last_question_and_is_audited_once(floor: Floor) -> None:
    conversation = await floor.meet(language="zh")

    await floor.do(conversations.set_language, conversation, "en")
    await floor.do(conversations.set_language, conversation, "en")

    assert (await floor.one(Buyer)).language == "en"
    (change,) = await floor.all(AuditRow, action="buyer.language_changed")
    assert (change.before, change.after) == ({"language": "zh"}, {"language": "en"})
