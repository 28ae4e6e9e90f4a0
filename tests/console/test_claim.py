"""A claim on the ticket page: its facts without the code, and the replacement that an agent grants."""

from sqlmodel import col, select, update

from shop.adapters.local import LocalShop
from shop.invariants import check_invariants
from shop.port import OrderStatus
from shop.reveals import open_link, read_token
from shop.tables import ShopOrder
from tests.console.conftest import Stage, Visitor, text_of
from tickets.claims import Reason
from tickets.links import MARK
from tickets.tables import Claim, Message, Ticket


async def _version(stage: Stage, number: str) -> str:
    async with stage.database.reading() as session:
        return str((await session.exec(select(Ticket.version).where(Ticket.number == number))).one())


async def test_a_claim_shows_its_facts_and_no_code(stage: Stage, signed_in: Visitor) -> None:
    order = next(o for o in await stage.open_shop() if o.status == OrderStatus.DELIVERED and "STEAM" in o.sku)
    settled = await stage.claim(await stage.meet(), order, Reason.WRONG_REGION)
    assert settled.ticket is not None

    page = await signed_in.get(f"/console/tickets/{settled.ticket.number}")

    for fact in (settled.claim.masked, "地区不对", order.order_no, "这个原因需要人工判断", order.product, "CNY"):
        assert fact in text_of(page)
    assert order.codes[0] not in page.text


async def test_an_agent_replaces_a_code_once_and_the_buyer_gets_the_link(stage: Stage, signed_in: Visitor) -> None:
    order = next(o for o in await stage.open_shop() if o.status == OrderStatus.DELIVERED and "STEAM" in o.sku)
    ticket = (await stage.claim(await stage.meet(), order, Reason.WRONG_REGION)).ticket
    assert ticket is not None
    page = f"/console/tickets/{ticket.number}"
    version = await _version(stage, ticket.number)

    first = await signed_in.submit(f"{page}/replace", version=version)
    second = await signed_in.submit(f"{page}/replace", version=version)
    third = await signed_in.submit(f"{page}/replace", version=await _version(stage, ticket.number))
    await stage.deliver()

    shown = text_of(await signed_in.get(page))
    assert [answer.status_code for answer in (first, second, third)] == [303, 409, 409]
    assert "这个工单没有待处理的卡密申诉。" in text_of(third)
    assert "谁判定 Lin 小林" in shown
    assert "转人工原因 这个原因需要人工判断" in shown
    assert "买家查看 还没看" in shown
    assert "按时完成" in shown
    assert "一次性链接，还没打开" in shown
    assert "/r/" not in shown
    assert MARK not in shown
    async with stage.database.reading() as session:
        texts = (await session.exec(select(Message.text))).all()
        assert [MARK in text for text in texts] == [True]
        assert not any("/r/" in text for text in texts)
        assert await check_invariants(session) == []


async def test_an_empty_pool_is_said_in_one_sentence(stage: Stage, signed_in: Visitor) -> None:
    order = next(o for o in await stage.open_shop() if o.status == OrderStatus.DELIVERED and o.sku == "WIN11-PRO")
    ticket = (await stage.claim(await stage.meet(), order)).ticket
    assert ticket is not None

    version = await _version(stage, ticket.number)
    answer = await signed_in.submit(f"/console/tickets/{ticket.number}/replace", version=version)

    assert answer.status_code == 409
    assert "备用库里没有这个商品的卡密了" in text_of(answer)
    assert "备用库为空" in text_of(answer)  # why it came to a person


async def test_an_agent_sends_a_new_link_for_a_code_that_nobody_has_seen(stage: Stage, signed_in: Visitor) -> None:
    order = next(o for o in await stage.open_shop() if o.status == OrderStatus.DELIVERED and o.sku == "STEAM-CN-50")
    conversation = await stage.meet()
    settled = await stage.claim(conversation, order)
    assert (settled.kind, settled.link is not None) == ("replaced", True)
    stage.clock.pass_(days=2)
    await signed_in.sign_in()
    ticket = await stage.open(conversation, "链接过期了")
    page = f"/console/tickets/{ticket.number}"
    form = {"claim": str(settled.claim.id), "version": await _version(stage, ticket.number)}

    before = text_of(await signed_in.get(page))
    done = await signed_in.submit(f"{page}/renew-link", **form)
    again = await signed_in.submit(f"{page}/renew-link", **form)
    wrong = await signed_in.submit(f"{page}/renew-link", claim="9" * 30, version=await _version(stage, ticket.number))

    assert "重发领取链接" in before
    assert [answer.status_code for answer in (done, again, wrong)] == [303, 409, 409]
    assert "没有可以重新发链接的补发卡密" in text_of(wrong)
    shown = text_of(await signed_in.get(page))
    assert "一次性链接，还没打开" in shown
    assert "重发领取链接" in shown.split("操作记录")[1]
    async with stage.database.reading() as session:
        assert await check_invariants(session) == []


async def test_a_code_that_was_seen_gets_no_button_for_a_new_link(stage: Stage, signed_in: Visitor) -> None:
    order = next(o for o in await stage.open_shop() if o.status == OrderStatus.DELIVERED and o.sku == "STEAM-CN-50")
    conversation = await stage.meet()
    settled = await stage.claim(conversation, order)
    assert settled.link is not None
    async with stage.database.writing() as session:
        await open_link(session, stage.clock(), stage.vault, read_token(stage.vault, settled.link), "192.0.2.7")
    ticket = await stage.open(conversation, "新卡也不行")

    page = text_of(await signed_in.get(f"/console/tickets/{ticket.number}"))

    assert "买家查看 2026-03-02" in page
    assert "重发领取链接" not in page


async def _file_all(stage: Stage, count: int) -> str:
    """A ticket with claims about the first codes of one order."""
    sold = (o for o in await stage.open_shop() if o.status == OrderStatus.DELIVERED and "PSN" not in o.sku)  # no proof
    known = next(o for o in sold if len(o.codes) >= count)
    order = await LocalShop(stage.database, stage.vault).find_order(known.order_no)
    assert order is not None
    conversation = await stage.meet()
    async with stage.database.writing() as session:
        codes = order.codes[:count]
        settled = await stage.claims.file_all(session, stage.clock(), conversation, order, codes, Reason.WRONG_REGION)
        assert len({one.ticket.id for one in settled if one.ticket}) == 1
        assert settled[0].ticket is not None
        return settled[0].ticket.number


async def test_several_codes_have_a_card_each_and_are_decided_one_by_one(stage: Stage, signed_in: Visitor) -> None:
    number = await _file_all(stage, 3)
    page = f"/console/tickets/{number}"
    async with stage.database.reading() as session:
        first, second, third = (await session.exec(select(Claim).order_by(col(Claim.id)))).all()

    shown = text_of(await signed_in.get(page))
    replaced = await signed_in.submit(f"{page}/replace", claim=str(second.id), version=await _version(stage, number))
    between = text_of(await signed_in.get(page))
    words = {"outcome": "reject", "text": "核实过了，这张不能补发。", "claim": str(first.id)}
    refused = await signed_in.submit(f"{page}/explain", **words, version=await _version(stage, number))
    stale = await signed_in.submit(f"{page}/replace", claim=str(third.id), version="1")
    last = await signed_in.submit(f"{page}/replace", claim=str(third.id), version=await _version(stage, number))

    assert "全部补发（3 张）" in shown
    assert [answer.status_code for answer in (replaced, refused, stale, last)] == [303, 303, 409, 303]
    assert "全部补发（2 张）" in between
    assert "已判定" in between
    async with stage.database.reading() as session:
        claims = (await session.exec(select(Claim).order_by(col(Claim.id)))).all()
        assert [claim.outcome for claim in claims] == ["reject", "replace", "replace"]
        ticket = (await session.exec(select(Ticket))).one()
        assert ticket.phase == "resolved"
        assert await check_invariants(session) == []


async def test_all_codes_of_a_ticket_are_replaced_at_once_each_by_its_own_link(
    stage: Stage, signed_in: Visitor
) -> None:
    number = await _file_all(stage, 2)
    form = {"version": await _version(stage, number)}

    answer = await signed_in.submit(f"/console/tickets/{number}/replace-all", **form)

    assert answer.status_code == 303
    async with stage.database.reading() as session:
        links = (await session.exec(select(Message.link_id))).all()
        assert len(set(links)) == 2
        assert None not in links


async def test_the_words_of_a_refusal_are_prepared_and_another_reason_can_be_chosen(
    stage: Stage, signed_in: Visitor
) -> None:
    number = await _file_all(stage, 1)
    async with stage.database.reading() as session:
        claim = (await session.exec(select(Claim))).one()

    page = await signed_in.get(f"/console/tickets/{number}")
    other = await signed_in.get(f"/console/tickets/{number}?explain=reject/{claim.id}/expired")
    strange = await signed_in.get(f"/console/tickets/{number}?explain=reject/x/<b>/y")

    assert f"{claim.masked} 的地区和商品页写明的一致" in page.text
    assert "您要是不同意" in page.text
    assert f"{claim.masked} 发出时在有效期内" in other.text
    assert f'id="reject-{claim.id}" open' in other.text
    assert strange.status_code == 200


async def test_an_outcome_that_words_do_not_bring_is_refused(stage: Stage, signed_in: Visitor) -> None:
    number = await _file_all(stage, 1)
    form = {"outcome": "refund", "text": "退您钱。", "claim": "1", "version": await _version(stage, number)}

    answer = await signed_in.submit(f"/console/tickets/{number}/explain", **form)

    assert answer.status_code == 409
    assert "只发说明不能判定为这个结果" in text_of(answer)


async def test_an_agent_asks_for_a_screenshot_in_words_of_the_buyers_language(stage: Stage, signed_in: Visitor) -> None:
    order = next(o for o in await stage.open_shop() if o.status == OrderStatus.DELIVERED and "STEAM" in o.sku)
    settled = await stage.claim(await stage.meet(), order, Reason.WRONG_REGION)
    assert settled.ticket is not None
    page = f"/console/tickets/{settled.ticket.number}"
    form = {
        "claim": str(settled.claim.id),
        "text": "请发截图。",
        "version": await _version(stage, settled.ticket.number),
    }

    offered = await signed_in.get(page)
    asked = await signed_in.submit(f"{page}/ask-proof", **form)
    twice = await signed_in.submit(f"{page}/ask-proof", **form)

    shown = await signed_in.get(page)
    assert 'data-key="s"' in offered.text
    assert f"{order.product} {settled.claim.masked} 尽快处理好" in text_of(offered)
    assert [answer.status_code for answer in (asked, twice)] == [303, 409]
    assert "等截图" in text_of(shown)
    assert 'data-key="s"' not in shown.text


async def test_the_shop_is_asked_before_a_code_goes_out_whether_it_has_paid_back(
    stage: Stage, signed_in: Visitor
) -> None:
    order = next(o for o in await stage.open_shop() if o.status == OrderStatus.DELIVERED and "STEAM" in o.sku)
    ticket = (await stage.claim(await stage.meet(), order, Reason.WRONG_REGION)).ticket
    assert ticket is not None
    async with stage.database.writing() as session:
        await session.exec(
            update(ShopOrder).where(col(ShopOrder.order_no) == order.order_no).values(refunded=ShopOrder.paid)
        )

    version = await _version(stage, ticket.number)
    answer = await signed_in.submit(f"/console/tickets/{ticket.number}/replace", version=version)

    assert answer.status_code == 409
    assert f"店铺自己已全额退了订单 {order.order_no}，不再补发。" in text_of(answer)
