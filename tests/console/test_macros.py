"""The macros page and the macro on a ticket: leads keep, everybody uses, nothing is sent unseen."""

import pytest
from sqlmodel import select

from tests.console.conftest import Stage, Visitor, text_of
from tickets.macros import Macros, Recipe
from tickets.tables import Agent, Macro, Message, Phase, Role, Ticket


@pytest.fixture
async def lead(stage: Stage) -> Agent:
    return await stage.add_agent("chen", Role.LEAD)


async def keep(stage: Stage, lead: Agent, **recipe: object) -> Macro:
    async with stage.database.writing() as session:
        assert lead.id is not None
        made = Recipe(**{"name": "安抚", "reply": "{buyer} 您好，{order} 正在处理。"} | recipe)  # type: ignore[arg-type]
        return await Macros(stage.desk).keep(session, stage.clock(), lead.id, made)


async def one_ticket(stage: Stage) -> Ticket:
    async with stage.database.reading() as session:
        return (await session.exec(select(Ticket))).one()


async def test_a_lead_makes_a_macro_and_changes_it(stage: Stage, visitor: Visitor, lead: Agent) -> None:
    await visitor.sign_in("chen")
    form = {"name": "换绑", "reply": "请提供 <b>邮箱</b>。", "tags": "换绑, VIP", "status": "waiting"}

    made = await visitor.submit("/console/macros/keep", **form)
    page = await visitor.get("/console/macros?edit=1")
    await visitor.submit("/console/macros/keep", macro="1", **form | {"reply": "请稍等"})
    changed = await visitor.get("/console/macros")

    assert made.status_code == 303
    assert "快捷回复“换绑”已保存。" in text_of(page)
    assert "&lt;b&gt;邮箱&lt;/b&gt;" in page.text
    assert 'value="换绑, vip"' in page.text
    assert "请稍等" in text_of(changed)


async def test_what_was_typed_stays_when_it_is_refused(stage: Stage, visitor: Visitor, lead: Agent) -> None:
    await visitor.sign_in("chen")

    answer = await visitor.submit("/console/macros/keep", name="价格", reply="现在 {price} 元")

    assert answer.status_code == 422
    assert "{price} 不是可用的占位符；可用的有 {number} {buyer} {product} {order}。" in text_of(answer)
    assert "现在 {price} 元" in answer.text


async def test_an_agent_sees_macros_and_keeps_none(stage: Stage, signed_in: Visitor, lead: Agent) -> None:
    await keep(stage, lead)

    page = await signed_in.get("/console/macros")
    refused = await signed_in.submit("/console/macros/keep", name="x", reply="y")
    await signed_in.submit("/console/macros/switch", macro="1", is_active="no")

    assert "安抚" in text_of(page)
    assert "/console/macros/keep" not in page.text
    assert refused.status_code == 403
    async with stage.database.reading() as session:
        assert [macro.is_active for macro in (await session.exec(select(Macro))).all()] == [True]


async def test_a_preview_is_shown_before_anything_is_sent(stage: Stage, signed_in: Visitor, lead: Agent) -> None:
    ticket = await stage.open(await stage.meet())
    macro = await keep(stage, lead, tags=["安抚"])
    page = f"/console/tickets/{ticket.number}"

    preview = await signed_in.get(f"{page}?macro={macro.id}")
    gap = await signed_in.submit(f"{page}/macro", macro=str(macro.id), text="{order} 呢", version=str(ticket.version))
    version = str((await one_ticket(stage)).version)
    done = await signed_in.submit(f"{page}/macro", macro=str(macro.id), text="买家甲 您好。", version=version)

    assert "买家甲 您好，{order} 正在处理。" in preview.text
    assert "这张工单没有 {order} 的内容" in text_of(preview)
    assert gap.status_code == 422
    assert "{order} 呢" in gap.text
    assert done.status_code == 303
    async with stage.database.reading() as session:
        said = (await session.exec(select(Message.text).where(Message.author == "agent"))).all()
    assert said == ["买家甲 您好。"]
    assert (await one_ticket(stage)).phase == Phase.WAITING
    assert "#安抚" in text_of(await signed_in.get(page))


async def test_a_macro_that_ends_the_matter_asks_for_the_outcome(stage: Stage, signed_in: Visitor, lead: Agent) -> None:
    ticket = await stage.open(await stage.meet())
    macro = await keep(stage, lead, reply="教您怎么用。", status="resolved")
    page = f"/console/tickets/{ticket.number}"

    preview = await signed_in.get(f"{page}?macro={macro.id}")
    form = {"macro": str(macro.id), "text": "好了", "outcome": "reject", "version": str(ticket.version)}
    await signed_in.submit(f"{page}/macro", **form)

    assert '<option value="instruct" selected>' in preview.text
    assert (await one_ticket(stage)).phase == Phase.RESOLVED


async def test_a_macro_that_does_not_exist_shows_none(stage: Stage, signed_in: Visitor, lead: Agent) -> None:
    ticket = await stage.open(await stage.meet())
    await keep(stage, lead)

    for number in ("99", "x", "-1"):
        assert (await signed_in.get(f"/console/tickets/{ticket.number}?macro={number}")).status_code == 200
    form = {"macro": "99", "version": str(ticket.version)}
    assert (await signed_in.submit(f"/console/tickets/{ticket.number}/macro", **form)).status_code == 404
