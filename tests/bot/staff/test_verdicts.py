"""Claims decided by words in the staff group: each by its own, and never one for another."""

from typing import Any

import pytest

from bot.staff import commands
from tests.bot.staff.conftest import ANNA
from tests.bot.staff.office import Office
from tickets.tables import Claim, Phase, Ticket


@pytest.fixture
async def ticket(office: Office) -> Ticket:
    """With two open claims."""
    ticket = await office.open()
    facts: dict[str, Any] = {
        "shop": "demo",
        "order_no": "A1",
        "sku": "S",
        "product_name": "卡",
        "price": 100,
        "currency": "CNY",
    }
    facts |= {
        "conversation_id": ticket.conversation_id,
        "buyer_id": ticket.buyer_id,
        "created_at": office.house.clock(),
    }
    for place, masked in enumerate(("K7**", "M3**"), start=1):
        about: dict[str, Any] = {"position": place, "masked": masked, "fingerprint": f"f{place}", "reason": "expired"}
        await office.house.add(Claim(ticket_id=ticket.id, **facts, **about))
    await office.later(seconds=5)
    return ticket


@pytest.fixture
async def thread(office: Office, ticket: Ticket) -> int:
    return await office.thread(ticket)


async def outcomes(office: Office) -> list[str | None]:
    return [one.outcome for one in await office.house.all(Claim)]


async def test_a_claim_is_decided_by_its_number_and_the_last_one_ends_the_ticket(
    office: Office, ticket: Ticket, thread: int
) -> None:
    await office.write(ANNA, "/reject 2 卡密有效", thread)
    first = await outcomes(office), (await office.fresh(ticket)).phase
    await office.later(seconds=5)
    await office.write(ANNA, "/instruct 3 步：登录、兑换、刷新", thread)

    assert first == ([None, "reject"], Phase.OPEN)
    assert (await outcomes(office), (await office.fresh(ticket)).phase) == (["instruct", "reject"], Phase.RESOLVED)
    said = [one.text.splitlines()[0] for one in await office.sent_by_staff()]
    assert said == ["卡密有效", "3 步：登录、兑换、刷新"]
    assert "✅ 申诉 2 已处理（驳回），还有 1 个" in office.texts(thread)


async def test_which_of_several_is_meant_is_asked(office: Office, ticket: Ticket, thread: int) -> None:
    await office.write(ANNA, "/驳回 卡密有效", thread)
    asked, before = office.texts(thread)[-1], await outcomes(office)
    await office.press("驳回 1", ANNA, thread=thread)

    assert before == [None, None]
    assert all(part in asked for part in ("2 个申诉", "1. K7**", "2. M3**"))
    assert (await outcomes(office), [one.text for one in await office.sent_by_staff()]) == (
        ["reject", None],
        ["卡密有效"],
    )


async def test_the_card_has_buttons_for_each_claim_that_show_first_what_they_send(
    office: Office, ticket: Ticket, thread: int
) -> None:
    await office.press("说明 2", ANNA, thread=thread)
    preview, before = office.texts(thread)[-1], await outcomes(office)
    await office.press("发送", ANNA, thread=thread)

    assert "M3**" in preview
    assert "K7**" not in preview
    assert before == [None, None]
    assert await outcomes(office) == [None, "instruct"]


async def test_no_other_way_decides_several_at_once(office: Office, ticket: Ticket, thread: int) -> None:
    await office.write(ANNA, "/resolve 驳回 都有效", thread)

    assert "一个一个" in office.texts(thread)[-1]
    assert await outcomes(office) == [None, None]


@pytest.mark.parametrize(
    ("typed", "read"),
    [
        ("2 reason", (2, "reason")),
        ("#12  多行\n理由", (12, "多行\n理由")),
        ("2", (2, "")),
        ("reason 2", (None, "reason 2")),
        ("2. open it", (None, "2. open it")),
        ("", (None, "")),
    ],
)
def test_a_number_before_the_words_names_a_claim(typed: str, read: tuple[int | None, str]) -> None:
    assert commands.claim_and_words(typed) == read
