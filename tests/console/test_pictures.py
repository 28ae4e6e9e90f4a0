"""Evidence on the ticket page: shown to staff who signed in, and to nobody else."""

from datetime import timedelta

import pytest
from sqlmodel import col, select

from audit.tables import AuditRow
from tests.console.conftest import Stage, Visitor, text_of
from tests.tickets.test_pixels import file_of, screenshot
from tickets import pictures
from tickets.claims import Claims, Reason
from tickets.conversations import add_message
from tickets.pixels import draw_anew
from tickets.risk import RiskRules
from tickets.suspicion import Suspicion
from tickets.tables import Agent, Conversation, Picture


async def send(stage: Stage, conversation: Conversation, seed: int = 1) -> Picture:
    async with stage.database.writing() as session:
        message = await add_message(session, stage.clock(), conversation, "")
        return await pictures.keep(session, stage.clock(), stage.vault, message, draw_anew(file_of(screenshot(seed))))


@pytest.fixture
def weighing(stage: Stage) -> Stage:
    """A stage where claims are weighed."""
    gate = Suspicion(stage.vault, RiskRules(person_from=50))
    stage.claims = Claims(stage.desk, stage.vault, stage.claims.rules, gates=(gate,))
    return stage


async def test_only_staff_get_a_picture_and_as_a_file(stage: Stage, visitor: Visitor, signed_in: Visitor) -> None:
    picture = await send(stage, await stage.meet())

    answer = await signed_in.get(f"/console/pictures/{picture.id}")
    stranger = await visitor.get(f"/console/pictures/{picture.id}")
    unknown = [(await signed_in.get(f"/console/pictures/{name}")).status_code for name in ("99", "x", "9" * 30)]

    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/jpeg")
    assert answer.content[:2] == b"\xff\xd8"
    assert answer.headers["content-disposition"].startswith("attachment")
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "sandbox" in answer.headers["content-security-policy"]
    assert stranger.status_code == 303
    assert unknown == [404, 404, 404]


async def _views(stage: Stage) -> list[tuple[str, str]]:
    async with stage.database.reading() as session:
        seen = (
            select(AuditRow.actor, AuditRow.subject).where(AuditRow.action == "picture.seen").order_by(col(AuditRow.id))
        )
        return list((await session.exec(seen)).all())


async def test_each_view_is_on_record_once(stage: Stage, visitor: Visitor, signed_in: Visitor) -> None:
    first, second = [await send(stage, await stage.meet(), seed) for seed in (1, 2)]

    await visitor.get(f"/console/pictures/{first.id}")
    for _ in range(2):  # a page has it in the thread, and on the card
        await signed_in.get(f"/console/pictures/{first.id}")
    await signed_in.get(f"/console/pictures/{second.id}")

    async with stage.database.reading() as session:
        agent_id = (await session.exec(select(Agent.id))).one() or 0
    who = f"agent:{agent_id}"
    assert await _views(stage) == [(who, f"picture:{first.id}"), (who, f"picture:{second.id}")]
    async with stage.database.writing() as session:
        await pictures.note_view(session, stage.clock() + timedelta(minutes=5), first.id or 0, agent_id)
    assert len(await _views(stage)) == 3


async def test_one_that_was_changed_is_not_shown(stage: Stage, signed_in: Visitor) -> None:
    picture = await send(stage, await stage.meet())
    async with stage.database.writing() as session:
        (await session.get_one(Picture, picture.id)).seal_id = "another"

    assert (await signed_in.get(f"/console/pictures/{picture.id}")).status_code == 404
    assert await _views(stage) == []


async def test_the_claim_card_shows_the_evidence_and_every_point(weighing: Stage, signed_in: Visitor) -> None:
    orders = [one for one in await weighing.open_shop() if one.status == "delivered" and "STEAM" in one.sku]
    first, second = await weighing.meet("甲", "a"), await weighing.meet("乙", "b")
    await send(weighing, first)
    await weighing.claim(first, orders[0], Reason.ALREADY_USED)
    picture = await send(weighing, second)

    settled = await weighing.claim(second, orders[1], Reason.ALREADY_USED)

    assert settled.ticket is not None
    page = await signed_in.get(f"/console/tickets/{settled.ticket.number}")
    shown = text_of(page)
    assert page.text.count(f'src="/console/pictures/{picture.id}"') == 2  # in the thread, and on the card
    assert "需要人工核实" in shown
    assert "+100 同一张截图在另外 1 个申诉里用过" in shown
    assert "+30 和另外 1 位买家用同一笔订单或同一张截图" in shown
    assert "骗" not in shown
