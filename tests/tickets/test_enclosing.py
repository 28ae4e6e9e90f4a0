"""Pictures that staff send along: sealed with their words, within limits, and nobody's evidence."""

from dataclasses import replace
from typing import Any

import pytest

from audit.tables import AuditRow
from shop.vault import Vault
from tests.tickets.conftest import Floor
from tests.tickets.test_pictures import file, pixels, send
from tickets import enclosing, pictures
from tickets.enclosing import Enclosed
from tickets.errors import CodeInText, EmptyMessage, PictureTooNarrow, TooManyPictures
from tickets.tables import Conversation, Message, Outgoing, Picture, id_of


async def test_they_go_out_with_the_words_and_are_sealed(floor: Floor, vault: Vault, lin: int) -> None:
    ticket = await floor.open()

    await floor.do(floor.desk.reply, ticket.id, lin, " 看这里 ", enclosed=Enclosed(vault, [pixels(1), pixels(2)]))

    said, first, second = await floor.one(Message, agent_id=lin), *await floor.all(Picture)
    assert said.text == "看这里"
    assert said.attachments == [{"kind": "photo", "picture": one.id} for one in (first, second)]
    assert (await floor.one(Outgoing)).message_id == said.id
    assert [pictures.read(vault, one) for one in (first, second)] == [pixels(1).jpeg, pixels(2).jpeg]
    kept = [row.actor for row in await floor.all(AuditRow, action="picture.kept")]
    assert kept == [f"agent:{lin}"] * 2


async def test_they_need_no_words_and_words_are_read_all_the_same(floor: Floor, vault: Vault, lin: int) -> None:
    ticket = await floor.open()

    await floor.do(floor.desk.reply, ticket.id, lin, " ", enclosed=Enclosed(vault, [pixels()]))
    with pytest.raises(EmptyMessage):
        await floor.do(floor.desk.reply, ticket.id, lin, " ", enclosed=Enclosed(vault, []))
    with pytest.raises(CodeInText):
        await floor.do(floor.desk.reply, ticket.id, lin, "K7Q2M-9XH4T-R3VNP", enclosed=Enclosed(vault, [pixels()]))

    assert (await floor.one(Message, agent_id=lin)).text == ""
    assert len(await floor.all(Picture)) == 1


async def test_more_than_a_few_and_strips_are_refused(vault: Vault) -> None:
    with pytest.raises(TooManyPictures):
        Enclosed(vault, [pixels()] * (enclosing.MOST + 1))
    with pytest.raises(PictureTooNarrow):
        Enclosed(vault, [replace(pixels(), width=40, height=801)])


@pytest.mark.parametrize(("is_guarded", "evidence"), [(True, 1), (False, 2)])
async def test_what_staff_sent_is_no_evidence_for_a_claim(
    floor: Floor, vault: Vault, lin: int, is_guarded: bool, evidence: int
) -> None:
    ticket = await floor.open()
    async with floor.database.reading() as session:
        conversation = await session.get_one(Conversation, ticket.conversation_id)
    await floor.do(floor.desk.reply, ticket.id, lin, "", enclosed=Enclosed(vault, [pixels(1)]))
    await send(floor, vault, conversation, pixels(2))
    if not is_guarded:
        await floor.do(_disown)

    claim = await file(floor, conversation, 1)

    async with floor.database.reading() as session:
        assert len(await pictures.of_claims(session, [id_of(claim)])) == evidence


async def _disown(session: Any, _now: object) -> None:
    """As if nobody knew which are ours."""
    for one in (await session.exec(pictures.select(Picture))).all():
        one.is_ours = False


async def test_each_buyer_of_an_incident_gets_a_picture_of_their_own(floor: Floor, vault: Vault, lin: int) -> None:
    parent, part = await floor.open(), await floor.open(conversation=await floor.meet("buyer-2"))
    await floor.do(floor.desk.set_parent, part.id, parent.id, lin)

    await floor.do(floor.desk.reply_to_all, parent.id, lin, "看图", enclosed=Enclosed(vault, [pixels()]))

    kept = await floor.all(Picture)
    assert [one.conversation_id for one in kept] == [parent.conversation_id, part.conversation_id]
