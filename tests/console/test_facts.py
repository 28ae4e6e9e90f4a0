"""What an audit row tells, as people read it."""

from zoneinfo import ZoneInfo

import pytest

from console.facts import Facts
from console.words import words
from tests.console.conftest import Stage, Visitor, text_of
from tickets.tables import Level, Role

ZONE = ZoneInfo("Asia/Shanghai")


@pytest.mark.parametrize(
    ("facts", "zh", "en"),
    [
        ({"phase": "open", "assignee": 3}, "状态: 待处理, 处理人: 小林", "phase: open, holder: 小林"),
        (
            {"waiting_since": "2026-03-02T04:00:00+00:00"},
            "等待自: 2026-03-02 12:00:00",
            "waiting since: 2026-03-02 12:00:00",
        ),
        (
            {"level": 2, "trigger": "asked"},
            "级别: L2, 原因: 买家要求人工",
            "level: L2, trigger: buyer asked for a person",
        ),
        ({"told": ["agent:3", "buyer:7"]}, "已通知: 小林, buyer:7", "told: 小林, buyer:7"),
        (
            {"buyer_told": True, "why": "risk"},
            "买家已被告知: 是, 原因: 需要人工核实（见风险）",
            "buyer told: yes, why: a person should look (see the risk)",
        ),
        ({"assignee": None, "hm": {"a": 1}}, "hm: {'a': 1}", "hm: {'a': 1}"),
        ({"assignee": 9, "number": "2026-T"}, "处理人: 9, 工单: 2026-T", "holder: 9, ticket: 2026-T"),
        (
            {"state": "manual", "amount": 4850, "currency": "CNY"},
            "状况: 等人工退款, 金额: 48.50 CNY",
            "state: to be paid by hand, amount: 48.50 CNY",
        ),
        (
            {"other": "K-000002", "kind": "split"},
            "另一张: K-000002, 关系: 拆分",
            "other ticket: K-000002, relation: split",
        ),
        (None, "", ""),
    ],
)
def test_facts_are_told_in_the_readers_words(facts: dict[str, object], zh: str, en: str) -> None:
    assert Facts(words("zh"), ZONE, {3: "小林"})(facts) == zh
    assert Facts(words("en"), ZONE, {3: "小林"})(facts) == en


async def test_the_audit_list_names_people_and_tickets(stage: Stage, signed_in: Visitor) -> None:
    await stage.add_agent("meng", Role.LEAD)
    ticket = await stage.open(await stage.meet(), level=Level.HUMAN_QUEUE)
    await signed_in.submit(f"/console/tickets/{ticket.number}/take")
    async with stage.browser() as lead:
        await lead.sign_in("meng")
        page = await lead.get("/console/audit/list?q=ticket.taken")

    assert f'href="/console/tickets/{ticket.number}"' in page.text.partition("<tbody")[2]
    assert f"Lin 小林 领取 (ticket.taken) {ticket.number} 处理人: Lin 小林" in text_of(page)
