"""The queue page: who is next, what is late, and what staff must know first."""

import re

import pytest

from console.queue import TABS
from tests.console.conftest import Stage, Visitor, text_of
from tickets.canary import SPAN, set_canary
from tickets.escalations import beat
from tickets.tables import Agent, Level, Notice


def _numbers(html: str) -> list[str]:
    return re.findall(r'data-href="/console/tickets/(K-\d+)"', html)


async def _tab(visitor: Visitor, name: str) -> list[str]:
    return _numbers((await visitor.get(f"/console/?tab={name}")).text)


async def test_the_queue_stands_in_the_fair_order(stage: Stage, signed_in: Visitor) -> None:
    waits_long = await stage.open(await stage.meet(address="a"))
    stage.clock.pass_(hours=1)
    vip = await stage.open(await stage.meet(address="b", tier="vip"))
    stage.clock.pass_(hours=1)
    fresh = await stage.open(await stage.meet(address="c"))
    asked = await stage.open(await stage.meet(address="d"), level=Level.HUMAN_QUEUE)

    page = await signed_in.get("/console/")

    assert _numbers(page.text) == [asked.number, vip.number, waits_long.number, fresh.number]
    assert re.findall(r'<td class="number">(\d*)</td>', page.text) == ["1", "2", "3", "4"]


async def test_a_row_says_all_that_an_agent_needs_to_choose(stage: Stage, signed_in: Visitor) -> None:
    buyer = await stage.meet("晴天", tier="vip")
    ticket = await stage.open(buyer, "充值没到账", order_ref="demo/AB12CD34EF56GH78")
    stage.clock.pass_(hours=3, minutes=12)
    async with stage.database.writing() as session:
        await stage.desk.hurry(session, stage.clock(), ticket)
    await signed_in.sign_in()

    row = text_of(await signed_in.get("/console/"))

    for fact in (
        "L0",
        "3 小时 12 分",
        "催单 1",
        "还剩 20 小时 48 分",
        ticket.number,
        "充值没到账",
        "咨询",
        "VIP",
        "晴天",
        "网页",
    ):
        assert fact in row
    assert "AB12CD34EF56GH78" in row


async def test_a_late_ticket_says_by_how_much(stage: Stage, signed_in: Visitor) -> None:
    await stage.open(await stage.meet())
    stage.clock.pass_(hours=25, minutes=30)
    await signed_in.sign_in()

    assert "超时 1 小时 30 分" in text_of(await signed_in.get("/console/?tab=late"))


async def test_each_tab_holds_its_own(stage: Stage, signed_in: Visitor, agent: Agent) -> None:
    assert agent.id is not None
    free = await stage.open(await stage.meet(address="a"))
    mine = await stage.open(await stage.meet(address="b"))
    human = await stage.open(await stage.meet(address="c"), level=Level.HUMAN_QUEUE)
    answered = await stage.open(await stage.meet(address="d"))
    await signed_in.submit(f"/console/tickets/{mine.number}/take")
    async with stage.database.writing() as session:
        assert answered.id is not None
        await stage.desk.reply(session, stage.clock(), answered.id, agent.id, "好的")

    assert await _tab(signed_in, "open") == [human.number, free.number, mine.number]
    assert await _tab(signed_in, "human") == [human.number]
    assert await _tab(signed_in, "mine") == [mine.number, answered.number]
    assert await _tab(signed_in, "waiting") == [answered.number]
    assert await _tab(signed_in, "late") == []
    assert await _tab(signed_in, "nonsense") == await _tab(signed_in, "open")
    assert "待处理 3 人工队列 1 我的 2 超时 0 等买家 1" in text_of(await signed_in.get("/console/"))


async def test_a_ticket_in_somebodys_hands_takes_no_place(stage: Stage, signed_in: Visitor) -> None:
    taken = await stage.open(await stage.meet(address="a"))
    await stage.open(await stage.meet(address="b"))
    await signed_in.submit(f"/console/tickets/{taken.number}/take")

    page = await signed_in.get("/console/")

    assert re.findall(r'<td class="number">(\d*)</td>', page.text) == ["", "1"]
    assert page.text.count("/take") == 1


async def test_an_empty_tab_is_friendly(signed_in: Visitor) -> None:
    for tab in TABS:
        page = await signed_in.get(f"/console/?tab={tab}")
        assert "有新工单时会自动出现在这里" in text_of(page)
        assert "<table" not in page.text


async def test_buyer_text_is_text(stage: Stage, signed_in: Visitor) -> None:
    await stage.open(await stage.meet('<img src=x onerror="alert(1)">'), "<script>alert(2)</script>")

    page = await signed_in.get("/console/")

    assert "<script>alert" not in page.text
    assert "<img src=x" not in page.text
    assert "&lt;script&gt;alert(2)&lt;/script&gt;" in page.text


@pytest.mark.parametrize(
    ("ago", "sentence"),
    [
        pytest.param(None, "还没有成功检查过", id="never swept"),
        pytest.param(121, "上次成功检查是 2 分前", id="stalled"),
        pytest.param(-121, "时间被往回调过", id="the clock was set back, and nobody swept since"),
        pytest.param(120, None, id="just in time"),
        pytest.param(0, None, id="fresh"),
    ],
)
async def test_a_stalled_sweep_is_an_alarm_on_every_page(
    stage: Stage, signed_in: Visitor, ago: int | None, sentence: str | None
) -> None:
    ticket = await stage.open(await stage.meet())
    if ago is not None:
        async with stage.database.writing() as session:
            await beat(session, stage.clock(), {})
        stage.clock.pass_(seconds=ago)

    for address in ("/console/", f"/console/tickets/{ticket.number}", "/console/reports"):
        page = text_of(await signed_in.get(address))
        assert ("超时检查停了" in page) == (sentence is not None)
        assert sentence is None or sentence in page


async def test_a_sweep_that_acts_on_nothing_is_an_alarm_too(stage: Stage, signed_in: Visitor) -> None:
    async with stage.database.writing() as session:
        await set_canary(session, stage.clock())
    stage.clock.pass_(seconds=SPAN.total_seconds() + 61)
    async with stage.database.writing() as session:
        await beat(session, stage.clock(), {})

    page = text_of(await signed_in.get("/console/"))

    assert "没有处理到期的工单，已经晚了 1 分" in page
    assert "超时检查停了" not in page


async def test_notices_that_reach_nobody_are_an_alarm(stage: Stage, signed_in: Visitor) -> None:
    async with stage.database.writing() as session:
        session.add(Notice(text="K-1", created_at=stage.clock()))

    assert "有 1 条通知没有人可以通知" in text_of(await signed_in.get("/console/"))


async def test_notices_stand_above_until_they_are_seen(stage: Stage, signed_in: Visitor) -> None:
    ticket = await stage.open(await stage.meet(), "想退款", level=Level.HUMAN_QUEUE)
    page = await signed_in.get("/console/")
    newest = re.search(r'name="up_to" value="(\d+)"', page.text)
    assert newest
    assert "1 条新通知" in text_of(page)
    assert f'<a href="/console/tickets/{ticket.number}">{ticket.number}</a>' in page.text

    await signed_in.submit("/console/notices/seen", up_to=newest[1], next="/console/?tab=mine")

    assert "新通知" not in text_of(await signed_in.get("/console/"))


async def test_seeing_notices_does_not_hide_what_came_since_nor_a_colleagues(stage: Stage, signed_in: Visitor) -> None:
    await stage.add_agent("chen")
    await stage.open(await stage.meet(address="a"), level=Level.HUMAN_QUEUE)
    seen = re.search(r'name="up_to" value="(\d+)"', (await signed_in.get("/console/")).text)
    assert seen
    await stage.open(await stage.meet(address="b"), level=Level.HUMAN_QUEUE)

    await signed_in.submit("/console/notices/seen", up_to=seen[1])
    await signed_in.submit("/console/notices/seen", up_to="all of them")

    assert "1 条新通知" in text_of(await signed_in.get("/console/"))
    async with stage.browser() as chen:
        await chen.sign_in("chen")
        assert "2 条新通知" in text_of(await chen.get("/console/"))


async def test_the_next_ticket_comes_at_a_press(stage: Stage, signed_in: Visitor, agent: Agent) -> None:
    first = await stage.open(await stage.meet(address="a"))
    stage.clock.pass_(hours=1)
    await stage.open(await stage.meet(address="b"))

    page = await signed_in.submit("/console/tickets/next")

    assert page.headers["location"] == f"/console/tickets/{first.number}"
    assert await _tab(signed_in, "mine") == [first.number]


async def test_whoever_is_away_sees_it_and_gets_nothing_until_they_are_back(
    stage: Stage, signed_in: Visitor, agent: Agent
) -> None:
    ticket = await stage.open(await stage.meet())
    await signed_in.submit("/console/away")

    away = await signed_in.get("/console/")
    await signed_in.submit("/console/tickets/next")
    held = await _tab(signed_in, "mine")
    await signed_in.submit("/console/back")
    await signed_in.submit("/console/tickets/next")

    assert "你已暂离" in text_of(away)
    assert "领取下一张" not in text_of(away).replace("n 领取下一张", "")
    assert held == []
    assert await _tab(signed_in, "mine") == [ticket.number]


async def test_going_away_can_give_everything_back(stage: Stage, signed_in: Visitor) -> None:
    ticket = await stage.open(await stage.meet())
    await signed_in.submit(f"/console/tickets/{ticket.number}/take")

    await signed_in.submit("/console/away", give_back="yes")

    assert await _tab(signed_in, "mine") == []
    assert re.findall(r'<td class="number">(\d*)</td>', (await signed_in.get("/console/")).text) == ["1"]
