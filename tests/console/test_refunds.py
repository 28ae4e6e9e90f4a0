"""Refunds and second persons in the console: asked for on the claim, decided on a page of their own, paid by hand."""

import re
from dataclasses import dataclass

import pytest
from sqlmodel import select

from shop.port import OrderStatus
from shop.tables import Refund
from tests.console.conftest import PASSWORD, Stage, Visitor, text_of
from tickets.claims import Reason
from tickets.desk import DeskRules
from tickets.payouts import pay_refunds
from tickets.refunds import Refunds
from tickets.rules import MoneyRules
from tickets.tables import Approval, Claim, Message, Role, Ticket


@pytest.fixture
def money() -> MoneyRules:
    return MoneyRules(agent_limit=1_000)


@pytest.fixture(autouse=True)
def limits(stage: Stage, money: MoneyRules) -> None:
    object.__setattr__(stage.desk, "rules", DeskRules(money=money))


@dataclass
class Matter:
    ticket: Ticket
    claim: Claim
    order_no: str

    @property
    def page(self) -> str:
        return f"/console/tickets/{self.ticket.number}"


async def claimed(stage: Stage) -> Matter:
    order = next(o for o in await stage.open_shop() if o.status == OrderStatus.DELIVERED and o.sku == "STEAM-CN-50")
    settled = await stage.claim(await stage.meet(), order, Reason.WRONG_REGION)
    assert settled.ticket is not None
    return Matter(settled.ticket, settled.claim, order.order_no)


async def lead_of(stage: Stage) -> Visitor:
    await stage.add_agent("chen", Role.LEAD)
    browser = stage.browser()
    await browser.sign_in("chen", PASSWORD)
    return browser


async def refund_of(stage: Stage) -> Refund:
    async with stage.database.reading() as session:
        return (await session.exec(select(Refund))).one()


async def pay(stage: Stage) -> None:
    await pay_refunds(stage.database, stage.clock, Refunds(stage.desk), lambda name: None)


async def ask(visitor: Visitor, matter: Matter, **form: str) -> str:
    """What the page says then."""
    number = matter.ticket.number
    answer = await visitor.submit(f"/console/tickets/{number}/refund", **{"claim": str(matter.claim.id), **form})
    if answer.status_code == 303:
        answer = await visitor.get(answer.headers["location"])
    return text_of(answer)


async def test_a_refund_from_the_claim_to_the_payment(stage: Stage, signed_in: Visitor) -> None:
    matter, lead = await claimed(stage), await lead_of(stage)

    shown = await ask(signed_in, matter)
    assert "退款已申请" in shown
    assert "50.00 CNY" in shown or "49.00 CNY" in shown or "48.50 CNY" in shown
    assert "等组长审批" in shown
    assert "同意退款？" not in shown
    refund = await refund_of(stage)
    home = text_of(await lead.get("/console/"))
    assert "有 1 笔退款或补发等你处理。" in home
    waiting = text_of(await lead.get("/console/refunds"))
    assert matter.ticket.number in waiting
    done = await lead.submit(f"/console/refunds/{refund.id}/approve")
    assert "已同意" in text_of(await lead.get(done.headers["location"]))
    await pay(stage)
    manual = text_of(await lead.get("/console/refunds?tab=manual"))
    assert "等人工退款" in manual
    empty = await lead.submit(f"/console/refunds/{refund.id}/paid", text=" ")
    assert "请填写付款流水号" in text_of(await lead.get(empty.headers["location"]))
    await lead.submit(f"/console/refunds/{refund.id}/paid", text="wx-4200-1")

    page = text_of(await signed_in.get(matter.page))
    assert "已退款" in page
    assert "wx-4200-1" in page
    assert "同意退款" in page.split("操作记录")[1]
    async with stage.database.reading() as session:
        said = (await session.exec(select(Message.text).order_by(Message.id.desc()))).first()  # type: ignore[union-attr]
    assert said is not None
    assert said.startswith(f"已退款 {refund.amount / 100:.2f} CNY（工单 {matter.ticket.number}，流水号 wx-4200-1）")
    assert "有 1 笔" not in text_of(await lead.get("/console/"))
    await lead.aclose()


async def test_minor_units_are_never_shown(stage: Stage, signed_in: Visitor) -> None:
    matter = await claimed(stage)
    await ask(signed_in, matter, amount="12.34")

    page = await signed_in.get(matter.page)

    assert "12.34 CNY" in text_of(page)
    assert not re.search(r"\b1234\b", text_of(page).split("操作记录")[0])


@pytest.mark.parametrize(
    ("form", "sentence"),
    [
        pytest.param({"amount": "四十"}, "金额没看懂", id="no sum"),
        pytest.param({"amount": "99999"}, "最多还能退", id="more than was paid"),
        pytest.param({"claim": "", "order": "NOSUCH"}, "店铺里没有订单 NOSUCH。", id="unknown order"),
        pytest.param({"claim": "", "order": ""}, "店铺里没有订单", id="no order"),
    ],
)
async def test_what_is_refused_is_said_in_one_sentence(
    stage: Stage, signed_in: Visitor, form: dict[str, str], sentence: str
) -> None:
    assert sentence in await ask(signed_in, await claimed(stage), **form)

    async with stage.database.reading() as session:
        assert (await session.exec(select(Refund))).all() == []


async def test_a_refused_refund_tells_the_buyer_why(stage: Stage, signed_in: Visitor) -> None:
    matter, lead = await claimed(stage), await lead_of(stage)
    await ask(signed_in, matter)
    refund = await refund_of(stage)

    await lead.submit(f"/console/refunds/{refund.id}/refuse", text="激活成功的记录在您账号上")

    page = text_of(await lead.get(matter.page))
    assert "激活成功的记录在您账号上" in page
    assert "已拒绝" in page
    assert "没有通过" in page
    assert matter.ticket.number in text_of(await lead.get("/console/refunds?tab=ended"))
    await lead.aclose()


async def test_an_order_without_a_claim_is_refunded_from_its_ticket(stage: Stage, signed_in: Visitor) -> None:
    order = next(o for o in await stage.open_shop() if o.status == OrderStatus.PAID_UNDELIVERED)
    ticket = await stage.open(await stage.meet(), "一直没发货", order_ref=f"demo/{order.order_no}")
    page = f"/console/tickets/{ticket.number}"
    assert "整单退款" in text_of(await signed_in.get(page))

    await signed_in.submit(f"{page}/refund", order=f"demo/{order.order_no}", amount="5")

    assert "5.00 CNY" in text_of(await signed_in.get(page))
    assert "整单" in text_of(await signed_in.get("/console/refunds?tab=approved"))


@pytest.mark.parametrize(
    ("typed", "amount", "status"),
    [pytest.param("demo/NOSUCHORDER99", "5", 422, id="order"), pytest.param("", "many", 422, id="amount")],
)
async def test_what_was_typed_of_a_refused_refund_stays(
    stage: Stage, signed_in: Visitor, typed: str, amount: str, status: int
) -> None:
    order = next(o for o in await stage.open_shop() if o.status == OrderStatus.PAID_UNDELIVERED)
    ticket = await stage.open(await stage.meet(), "一直没发货")
    typed = typed or f"demo/{order.order_no}"

    refused = await signed_in.submit(f"/console/tickets/{ticket.number}/refund", order=typed, amount=amount)

    assert refused.status_code == status
    assert re.search(rf'name="order"[^>]* value="{typed}"', refused.text)
    assert re.search(rf'name="amount"[^>]* value="{amount}"', refused.text)
    assert '<details id="refund-ask-order" open>' in refused.text


async def test_what_was_typed_stays_with_the_claim_that_it_was_about(stage: Stage, signed_in: Visitor) -> None:
    matter = await claimed(stage)
    page = f"/console/tickets/{matter.ticket.number}"

    refused = await signed_in.submit(f"{page}/refund", claim=str(matter.claim.id), amount="99999")

    assert refused.status_code == 409
    assert f'<details id="refund-ask-{matter.claim.id}" open>' in refused.text
    assert 'value="99999"' in refused.text
    assert "99999" not in (await signed_in.get(page)).text


async def test_unknown_deeds_are_not_found(stage: Stage, signed_in: Visitor) -> None:
    matter = await claimed(stage)
    await ask(signed_in, matter)

    assert (await signed_in.submit("/console/refunds/1/burn")).status_code == 404
    assert (await signed_in.submit("/console/refunds/second/1/burn")).status_code == 404
    assert (await signed_in.get("/console/refunds/1/approve")).status_code == 303
    gone = await signed_in.submit("/console/refunds/404/approve")
    assert "没有这笔退款。" in text_of(await signed_in.get(gone.headers["location"]))


@pytest.mark.parametrize("money", [MoneyRules(two_persons=1_000)])
async def test_two_persons_for_a_dear_replacement(stage: Stage, signed_in: Visitor) -> None:
    matter, lead = await claimed(stage), await lead_of(stage)
    page = text_of(await signed_in.get(matter.page))
    assert "申请补发（要两个人）" in page
    assert "补发新卡" not in page

    form = {"ticket": matter.ticket.number, "claim": str(matter.claim.id), "next": matter.page}
    await signed_in.submit("/console/refunds/second/ask", **form)
    async with stage.database.reading() as session:
        approval = (await session.exec(select(Approval))).one()
    own = text_of(await signed_in.get(matter.page))
    assert "等第二个人同意" in own
    assert "收回申请" in own
    assert "同意补发" not in own
    assert "有 1 笔退款或补发等你处理。" in text_of(await lead.get("/console/"))
    assert "同意补发" in text_of(await lead.get("/console/refunds"))
    await lead.submit(f"/console/refunds/second/{approval.id}/grant", next=matter.page)

    page = text_of(await lead.get(matter.page))
    assert "补发" in page
    assert "一次性链接，还没打开" in page
    assert "第二个人同意" in page.split("操作记录")[1]
    await lead.aclose()


@pytest.mark.parametrize("money", [MoneyRules(two_persons=1_000)])
async def test_alone_in_the_shop_one_reads_what_to_do(stage: Stage, signed_in: Visitor) -> None:
    matter = await claimed(stage)

    form = {"ticket": matter.ticket.number, "claim": str(matter.claim.id), "next": matter.page}
    answer = await signed_in.submit("/console/refunds/second/ask", **form)

    assert "需要另一位组长或以上同意，现在没有这样的人" in text_of(await signed_in.get(answer.headers["location"]))
