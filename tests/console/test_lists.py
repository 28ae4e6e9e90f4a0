"""The lists: searched, sorted, filtered, and never a way to change anything."""

import re

import pytest
from sqlmodel import select

from tests.console.conftest import Stage, Visitor, text_of
from tickets.tables import Agent, Buyer, Level, Role, Ticket


def _numbers(html: str) -> list[str]:
    return re.findall(r'href="/console/tickets/(K-\d+)"', html.partition('id="main"')[2])


@pytest.fixture
async def three(stage: Stage) -> list[str]:
    """The numbers of three tickets."""
    first = await stage.open(await stage.meet("晴天", "a"), "Steam 卡用不了", order_ref="demo/AB12CD34EF56GH78")
    second = await stage.open(await stage.meet("Alex", "b"), "where is my order?", level=Level.HUMAN_QUEUE)
    third = await stage.open(await stage.meet("小鹿", "c", "vip"), "100% 退款_")
    return [first.number, second.number, third.number]


async def _list(visitor: Visitor, query: str) -> list[str]:
    answer = await visitor.get(f"/console/all-tickets/list{query}")
    assert answer.status_code == 200, answer.text
    return _numbers(answer.text)


async def test_all_tickets_are_listed_newest_first(signed_in: Visitor, three: list[str]) -> None:
    assert await _list(signed_in, "") == three[::-1]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        pytest.param("?q=Steam", [0], id="subject"),
        pytest.param("?q=AB12CD34", [0], id="order"),
        pytest.param("?q=K-000002", [1], id="number"),
        pytest.param("?q=小鹿", [2], id="name of the buyer"),
        pytest.param("?filter=level__gte%3D1", [1], id="escalated"),
        pytest.param("?filter=phase__eq%3Dclosed", [], id="closed"),
        pytest.param("?filter=buyer_id__eq%3D3", [2], id="of one buyer"),
        pytest.param("?sort=number__asc", [0, 1, 2], id="sorted"),
        pytest.param("?q=' OR 1=1 --", [], id="SQL in the search"),
    ],
)
async def test_tickets_are_found(signed_in: Visitor, three: list[str], query: str, expected: list[int]) -> None:
    assert await _list(signed_in, query) == [three[index] for index in expected]


async def test_a_tag_finds_its_tickets_and_is_taken_off_again(
    stage: Stage, signed_in: Visitor, agent: Agent, three: list[str]
) -> None:
    async with stage.database.writing() as session:
        await stage.desk.tag(session, stage.clock(), 1, agent.id or 0, ["批量", "a+b"])
        await stage.desk.tag(session, stage.clock(), 3, agent.id or 0, ["批量"])

    assert await _list(signed_in, "?tag=批量") == [three[2], three[0]]
    assert await _list(signed_in, "?tag=a%2Bb") == [three[0]]
    assert await _list(signed_in, "?tag=批量&filter=phase__eq%3Dopen&q=Steam") == [three[0]]
    assert await _list(signed_in, "?tag=unknown") == []
    page = await signed_in.get("/console/all-tickets/list?tag=a%2Bb")
    assert 'href="?tag=%E6%89%B9%E9%87%8F">#批量</a>' in page.text
    assert 'href="?" title="取消这个筛选">#a+b ✕' in page.text
    assert '<option value="a+b" selected>#a+b</option>' in page.text
    assert "共 1 条" in text_of(page)


async def test_buyers_are_named(signed_in: Visitor, three: list[str]) -> None:
    tickets = text_of(await signed_in.get("/console/all-tickets/list"))
    of_one = text_of(await signed_in.get("/console/all-tickets/list?filter=buyer_id__eq%3D2"))

    assert all(name in tickets for name in ("晴天", "Alex", "小鹿", "L1"))
    assert "Alex ✕" in of_one
    assert "buyer_id" not in of_one
    assert await _list(signed_in, "?filter=buyer_id__eq%3D999") == []


@pytest.mark.parametrize("key", ["all-tickets", "buyers"])
async def test_alarms_and_notices_stand_on_the_lists_too(stage: Stage, signed_in: Visitor, key: str) -> None:
    await stage.open(await stage.meet(), "着急", level=Level.HUMAN_QUEUE)

    page = text_of(await signed_in.get(f"/console/{key}/list"))

    assert "超时检查停了。" in page
    assert "1 条新通知" in page


async def test_subjects_and_notices_of_ours_are_read_in_the_readers_language(stage: Stage, agent: Agent) -> None:
    subject = stage.desk.say("zh", "undelivered.subject", product="Steam 50")
    ticket = await stage.open(await stage.meet(), subject, "还没收到", level=Level.HUMAN_QUEUE)
    async with stage.browser("en") as english:
        await english.sign_in()
        pages = [
            text_of(await english.get(address))
            for address in ("/console/", "/console/all-tickets/list", f"/console/tickets/{ticket.number}")
        ]

    wanted = stage.desk.say("en", "undelivered.subject", product="Steam 50")
    why = stage.desk.say("en", "trigger.opened")
    for page in pages:
        assert wanted in page
        assert f"{wanted}: {why}" in page
        assert subject not in page


async def test_unknown_fields_and_nonsense_reach_no_table(stage: Stage, signed_in: Visitor, three: list[str]) -> None:
    for query in (
        "?sort=password_hash__asc",
        "?sort=number);DROP TABLE ticket;--__asc",
        "?filter=assignee_id__eq%3D1",
        "?filter=phase__drop%3D1",
        "?filter=((((",
        "?page=-3&page_size=9999999",
        "?page=999",
        "?cols=password_hash",
    ):
        answer = await signed_in.get(f"/console/all-tickets/list{query}")
        assert answer.status_code in (200, 400), query

    async with stage.database.reading() as session:
        assert len((await session.exec(select(Ticket))).all()) == 3


async def test_buyers_lead_to_their_tickets(signed_in: Visitor, three: list[str]) -> None:
    page = await signed_in.get("/console/buyers/list?q=Alex")
    link = re.search(r'href="(/console/all-tickets/list\?filter=[^"]+)"', page.text)
    assert link

    assert await _list(signed_in, link[1].removeprefix("/console/all-tickets/list")) == [three[1]]


async def test_text_in_a_list_is_text(stage: Stage, signed_in: Visitor) -> None:
    await stage.open(await stage.meet("<script>x</script>"), '"><img src=x onerror=alert(1)>')

    for address in ("/console/all-tickets/list?q=img", "/console/buyers/list", '/console/all-tickets/list?q="><b>'):
        page = (await signed_in.get(address)).text
        assert not re.search(r"<script>x|<img src=x|\"><b>", page)


async def test_the_audit_trail_is_for_leads_and_above(stage: Stage, signed_in: Visitor, three: list[str]) -> None:
    await stage.add_agent("meng", Role.LEAD)
    async with stage.browser() as lead:
        await lead.sign_in("meng")

        assert "ticket.opened" in text_of(await lead.get("/console/audit/list"))
        found = text_of(await lead.get("/console/audit/list?q=k-000002"))
        assert "K-000002" in found
        assert "K-000001" not in found
        assert "登录" in text_of(await lead.get("/console/audit/list?q=meng"))
        assert "操作记录" in text_of(await lead.get("/console/"))
    refused = await signed_in.get("/console/audit/list")
    assert refused.status_code == 403
    assert "没有权限" in text_of(refused)
    assert "操作记录" not in text_of(await signed_in.get("/console/"))


@pytest.mark.parametrize("key", ["all-tickets", "buyers", "audit"])
async def test_no_list_can_change_a_row(stage: Stage, three: list[str], key: str) -> None:
    await stage.add_agent("meng", Role.ADMIN)
    async with stage.browser() as admin:
        await admin.sign_in("meng")
        attempts = [
            await admin.submit(f"/console/{key}/create", name="x", subject="x"),
            await admin.submit(f"/console/{key}/edit?pk=1", name="x", subject="x"),
            await admin.submit(f"/console/_api/{key}/action?name=delete&pks=1"),
            await admin.submit(f"/console/_api/{key}/action?name=export&pks=1"),
            await admin.submit(f"/console/_api/{key}/row-action?name=delete&pk=1"),
            await admin.submit(f"/console/_api/{key}/inline-edit?pk=1&field=name", name="x"),
            await admin.submit(f"/console/_api/{key}/import"),
            await admin.get(f"/console/{key}/detail?pk=1"),
        ]

    assert all(400 <= attempt.status_code < 500 for attempt in attempts), [a.status_code for a in attempts]
    async with stage.database.reading() as session:
        names = (await session.exec(select(Buyer.name).order_by(Buyer.id))).all()
    assert names == ["晴天", "Alex", "小鹿"]


async def test_long_lists_have_pages(stage: Stage, signed_in: Visitor) -> None:
    conversation = await stage.meet()
    async with stage.database.writing() as session:
        for number in range(53):
            await stage.desk.open(session, stage.clock(), conversation, "question", f"第 {number} 件")

    first, second = await _list(signed_in, ""), await _list(signed_in, "?page=2")

    assert (len(first), len(second)) == (50, 3)
    assert 'rel="next"' in (await signed_in.get("/console/all-tickets/list")).text
