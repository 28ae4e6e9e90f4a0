"""Claims: replaced at once, or a ticket; never twice."""

import asyncio
from collections.abc import Callable, Collection
from contextlib import nullcontext
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy.exc import DBAPIError
from sqlmodel import select
from sqlmodel.ext.asyncio.session import AsyncSession

from audit.tables import AuditRow
from shop import reveals
from shop.codes import seal_code
from shop.errors import AlreadyReplaced, ChainTooLong, LinkGone, PoolEmpty
from shop.port import CodeRef, Order, OrderStatus
from shop.tables import Batch, Code, Pool, Replacement, RevealLink
from shop.vault import Vault
from tests.tickets.counter import DAY, GOODS, HOUR, NOW, ORDER, RESERVE, RULES, Counter
from tickets.cases import Case
from tickets.claims import Outcome, Reason, why_not
from tickets.errors import (
    AlreadyCompensated,
    Contested,
    HeldByColleague,
    InvalidTransition,
    NoOpenClaim,
    NotReplaced,
    OverLimit,
)
from tickets.links import MARK
from tickets.money_errors import RefundPending
from tickets.tables import Agent, Claim, Clock, Cycle, Escalation, Message, Notice, Phase, Ticket

# What the bot may do


@pytest.mark.parametrize(
    ("change", "why"),
    [
        pytest.param(lambda order: order, None, id="all is well"),
        pytest.param(lambda order: replace(order, delivered_at=NOW - 30 * DAY), None, id="the warranty's last instant"),
        pytest.param(
            lambda order: replace(order, delivered_at=NOW - 30 * DAY - timedelta.resolution),
            "warranty_over",
            id="a microsecond after the warranty",
        ),
        pytest.param(lambda order: replace(order, goods=replace(GOODS, price=20_000)), None, id="at the limit"),
        pytest.param(lambda order: replace(order, goods=replace(GOODS, price=20_001)), "over_limit", id="over it"),
        pytest.param(lambda order: replace(order, refunded=1), "refunded", id="a part was refunded"),
        pytest.param(lambda order: replace(order, delivered_at=None), "not_delivered", id="never delivered"),
        *(
            pytest.param(lambda order, status=status: replace(order, status=status), "not_delivered", id=status)
            for status in OrderStatus
            if status != OrderStatus.DELIVERED
        ),
    ],
)
def test_what_the_bot_may_replace(change: Callable[[Order], Order], why: str | None) -> None:
    assert why_not(NOW, change(ORDER), Reason.ALREADY_USED, RULES) == why


@pytest.mark.parametrize("reason", Reason)
def test_only_some_reasons_are_automatic(reason: Reason) -> None:
    assert (why_not(NOW, ORDER, reason, RULES) is None) == (reason in RULES.auto_reasons)


# What was decided before


@pytest.mark.parametrize("outcome", [outcome for outcome in Outcome if outcome != Outcome.REPLACE])
async def test_a_code_that_was_decided_on_is_not_replaced_by_the_bot(
    counter: Counter, lin: int, outcome: Outcome
) -> None:
    first = await counter.file(reason=Reason.OTHER)
    await counter.resolve(first.ticket, lin, outcome)

    second = await counter.file(reason=Reason.ALREADY_USED)

    assert (second.kind, second.why, second.link) == ("ticket", "decided_before", None)
    assert await counter.floor.all(Replacement) == []


async def test_whoever_decided_it_another_buyer_gets_no_code_for_it(counter: Counter, lin: int) -> None:
    first = await counter.file(reason=Reason.OTHER)
    await counter.resolve(first.ticket, lin, Outcome.REFUND)
    counter.conversation = await counter.floor.meet("buyer-2")

    second = await counter.file()

    assert (second.kind, second.why) == ("ticket", "decided_before")
    assert second.ticket is not None
    assert second.ticket.buyer_id == counter.conversation.buyer_id


async def test_without_the_guard_a_refunded_code_is_replaced_as_well(
    counter: Counter, lin: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The broken twin: it forgets what was decided before."""
    first = await counter.file(reason=Reason.OTHER)
    await counter.resolve(first.ticket, lin, Outcome.REFUND)

    monkeypatch.setattr(Case, "outcomes_beside", lambda self, claim_id: set())

    assert (await counter.file()).kind == "replaced"
    await counter.call_back()


@pytest.mark.parametrize("outcome", [Outcome.REFUND, Outcome.PARTIAL_REFUND])
async def test_nobody_replaces_what_was_refunded(counter: Counter, lin: int, chen: int, outcome: Outcome) -> None:
    first = await counter.file(reason=Reason.OTHER)
    await counter.resolve(first.ticket, lin, outcome)
    second = await counter.file()

    for agent in (lin, chen):
        with pytest.raises(AlreadyCompensated):
            await counter.grant(second.ticket, agent)

    assert await counter.floor.all(Replacement) == []
    assert (await counter.floor.one(Claim, id=second.claim.id)).decided_at is None


async def test_what_was_turned_down_a_person_may_replace_after_all(counter: Counter, lin: int) -> None:
    first = await counter.file(reason=Reason.OTHER)
    await counter.resolve(first.ticket, lin, Outcome.REJECT)
    second = await counter.file()

    assert (await counter.grant(second.ticket, lin)).kind == "replaced"


# Replaced at once


async def test_a_good_claim_is_replaced_at_once(counter: Counter) -> None:
    settled = await counter.file()

    assert (settled.kind, settled.why, settled.ticket) == ("replaced", "auto", None)
    assert await counter.look(settled.link) == RESERVE[0]
    claim = await counter.floor.one(Claim)
    assert (claim.outcome, claim.why, claim.decided_at) == ("replace", "auto", counter.floor.now)
    assert (await counter.floor.one(Replacement)).claim_id == claim.id
    actions = [row.action for row in await counter.floor.all(AuditRow, subject=f"claim:{claim.id}")]
    assert actions == ["claim.filed", "claim.decided", "claim.moved"]  # the last one as it was looked at


async def test_a_link_shows_its_code_once_and_for_a_day(counter: Counter) -> None:
    settled = await counter.file()

    with pytest.raises(LinkGone):
        await counter.look(settled.link, at=counter.floor.now + DAY)
    await counter.look(settled.link)
    with pytest.raises(LinkGone):
        await counter.look(settled.link)


async def test_the_link_is_not_shown_by_accident(counter: Counter) -> None:
    settled = await counter.file()

    assert settled.link is not None
    assert reveals.read_token(counter.claims.vault, settled.link) not in repr(settled) + repr(settled.link)


async def test_a_replacement_that_nobody_has_seen_is_linked_again_not_replaced(counter: Counter) -> None:
    first = await counter.file()

    by_old_code = await counter.file()
    by_new_code = await counter.file(code=counter.new_code(RESERVE[0]))

    assert [settled.kind for settled in (first, by_old_code, by_new_code)] == ["replaced", "link", "link"]
    for closed in (first, by_old_code):
        with pytest.raises(LinkGone):
            await counter.look(closed.link)
    assert await counter.look(by_new_code.link) == RESERVE[0]
    assert len(await counter.floor.all(Replacement)) == 1
    assert [link.sealed_token for link in await counter.floor.all(RevealLink)] == ["", "", ""]
    actions = {row.action for row in await counter.floor.all(AuditRow)}
    assert {"code.links_closed", "code.link_made"} <= actions


async def test_a_link_that_ended_unopened_is_made_anew(counter: Counter) -> None:
    await counter.file()

    again = await counter.file(at=counter.floor.now + 2 * DAY)

    assert again.kind == "link"
    assert await counter.look(again.link, at=counter.floor.now + 2 * DAY) == RESERVE[0]


async def test_another_buyer_does_not_get_the_link(counter: Counter) -> None:
    first = await counter.file()
    counter.conversation = await counter.floor.meet("buyer-2")

    second = await counter.file()

    assert (second.kind, second.why, second.link) == ("ticket", "already_replaced", None)
    assert await counter.look(first.link) == RESERVE[0]


async def test_after_a_refund_no_link_is_made(counter: Counter) -> None:
    await counter.file()

    again = await counter.file(replace(ORDER, refunded=1))

    assert (again.kind, again.link) == ("ticket", None)


async def test_a_replacement_that_is_replaced_is_out_of_use(counter: Counter) -> None:
    first = await counter.file()
    await counter.file(code=counter.new_code(await counter.look(first.link)))

    assert [code.state for code in await counter.floor.all(Code)] == ["quarantined", "issued", "free"]


async def test_a_replaced_code_is_never_replaced_again(counter: Counter) -> None:
    await counter.look((await counter.file()).link)

    again = await counter.file()

    assert (again.kind, again.why, again.link) == ("ticket", "already_replaced", None)
    assert again.ticket is not None
    assert again.ticket.level == 0
    assert len(await counter.floor.all(Replacement)) == 1


async def test_a_replacement_can_fail_once_then_a_person_decides(counter: Counter) -> None:
    first = await counter.file()
    second = await counter.file(code=counter.new_code(await counter.look(first.link)))
    third = await counter.file(code=counter.new_code(await counter.look(second.link)))

    assert (first.kind, second.kind) == ("replaced", "replaced")
    assert (third.kind, third.why) == ("ticket", "chain_too_long")


@pytest.mark.parametrize("times", [2, 8])
async def test_one_claim_filed_at_once_gets_one_replacement(counter: Counter, times: int) -> None:
    ends = await asyncio.gather(*(counter.file() for _ in range(times)))

    assert [end.kind for end in ends].count("replaced") == 1
    assert len(await counter.floor.all(Replacement)) == 1
    now = counter.floor.now
    usable = [link for link in await counter.floor.all(RevealLink) if link.expires_at > now and link.sealed_token]
    assert len(usable) == 1


async def test_two_codes_of_one_order_are_two_claims(counter: Counter) -> None:
    ends = await asyncio.gather(counter.file(), counter.file(code=counter.new_code("SOLD-2")))

    assert [end.kind for end in ends] == ["replaced", "replaced"]
    assert len({replacement.code_id for replacement in await counter.floor.all(Replacement)}) == 2


# A ticket


async def test_what_the_bot_may_not_settle_opens_a_ticket(counter: Counter, lin: int) -> None:
    settled = await counter.file(reason=Reason.WRONG_REGION)

    assert (settled.kind, settled.why) == ("ticket", "reason")
    ticket = await counter.floor.one(Ticket)
    assert (ticket.category, ticket.level, ticket.order_ref) == ("claim", 0, "demo/AB12CD34EF56GH78")
    assert ticket.subject == "Steam 50元充值卡 ****-OLD1"
    claim = await counter.floor.one(Claim)
    assert (claim.ticket_id, claim.why, claim.decided_at) == (ticket.id, "reason", None)
    assert await counter.floor.all(Notice) == []


@pytest.mark.parametrize("times", [2, 8])
async def test_the_same_claim_finds_its_ticket_also_at_once(counter: Counter, times: int) -> None:
    order = replace(ORDER, status=OrderStatus.FROZEN)

    ends = await asyncio.gather(*(counter.file(order) for _ in range(times)))

    assert len({end.claim.id for end in ends}) == 1
    assert len({end.ticket.id for end in ends if end.ticket}) == 1
    assert sorted(end.is_repeat for end in ends) == [False] + [True] * (times - 1)
    assert len(await counter.floor.all(Ticket)) == 1


@pytest.mark.parametrize("reserve", [()])
async def test_an_empty_pool_puts_the_claim_before_people_at_once(counter: Counter, lin: int) -> None:
    settled = await counter.file()

    assert (settled.kind, settled.why) == ("ticket", "pool_empty")
    assert (await counter.floor.one(Ticket)).level == 1
    assert (await counter.floor.one(Escalation)).trigger == "pool_empty"
    assert len(await counter.floor.all(Notice, agent_id=lin)) == 1


# An agent decides


async def test_an_agent_grants_a_replacement_that_handles_when_delivered(counter: Counter, lin: int) -> None:
    settled = await counter.file(reason=Reason.WRONG_REGION)

    granted = await counter.grant(settled.ticket, lin, at=counter.floor.now + HOUR)
    before = (await counter.floor.one(Clock)).met_at
    (sent,) = await counter.floor.deliver(at=counter.floor.now + 2 * HOUR)

    assert MARK in sent
    (message,) = await counter.floor.all(Message, direction="out")
    assert granted.link is not None
    assert message.link_id == granted.link.id
    assert await counter.look(granted.link, at=counter.floor.now + 2 * HOUR) == RESERVE[0]
    assert before is None
    assert (await counter.floor.one(Clock)).met_at == counter.floor.now + 2 * HOUR
    assert (await counter.floor.one(Cycle)).outcome == "replace"
    claim = await counter.floor.one(Claim)
    assert (claim.outcome, claim.why, claim.decided_at) == ("replace", "reason", counter.floor.now + HOUR)
    assert claim.decided_by == f"agent:{lin}"
    assert (await counter.floor.one(AuditRow, action="code.issued")).actor == f"agent:{lin}"


async def test_a_grant_is_given_once(counter: Counter, chen: int, wang: int) -> None:
    settled = await counter.file(reason=Reason.OTHER)

    ends = await asyncio.gather(
        *(counter.grant(settled.ticket, agent) for agent in (chen, wang)), return_exceptions=True
    )

    assert sorted(type(end).__name__ for end in ends) == ["NoOpenClaim", "Settled"]
    assert len(await counter.floor.all(Replacement)) == 1


async def test_a_lead_may_lengthen_a_chain_but_not_replace_twice(counter: Counter, lin: int, chen: int) -> None:
    first = await counter.file()
    second = await counter.file(code=counter.new_code(await counter.look(first.link)))
    third = await counter.file(code=counter.new_code(await counter.look(second.link)))
    again = await counter.file()

    with pytest.raises(ChainTooLong):
        await counter.grant(third.ticket, lin)
    assert (await counter.grant(third.ticket, chen)).kind == "replaced"
    with pytest.raises(AlreadyReplaced):
        await counter.grant(again.ticket, chen)


async def test_a_dear_code_is_replaced_by_a_lead(counter: Counter, lin: int, chen: int) -> None:
    dearer = replace(GOODS, price=RULES.auto_limit + 1)
    settled = await counter.file(replace(ORDER, goods=dearer))

    with pytest.raises(OverLimit, match="a lead must grant it"):
        await counter.grant(settled.ticket, lin)

    assert await counter.floor.all(Replacement) == []
    assert (await counter.grant(settled.ticket, chen)).kind == "replaced"


async def test_a_code_at_the_limit_is_an_agents_to_replace(counter: Counter, lin: int) -> None:
    settled = await counter.file(replace(ORDER, goods=replace(GOODS, price=RULES.auto_limit)), reason=Reason.OTHER)

    assert (await counter.grant(settled.ticket, lin)).kind == "replaced"


@pytest.mark.parametrize("holder", ["lin", "nobody"])
async def test_only_its_holder_or_a_lead_grants(counter: Counter, lin: int, ming: int, holder: str) -> None:
    settled = await counter.file(reason=Reason.OTHER)
    assert settled.ticket is not None
    if holder == "lin":
        await counter.floor.do(counter.floor.desk.take, settled.ticket.id, lin)
        with pytest.raises(HeldByColleague, match="in the hands of Lin"):
            await counter.grant(settled.ticket, ming)
        assert await counter.floor.all(Replacement) == []

    await counter.grant(settled.ticket, lin if holder == "lin" else ming)

    assert (await counter.floor.fresh(settled.ticket)).assignee_id == (lin if holder == "lin" else ming)


async def test_without_the_guard_anybody_grants(
    counter: Counter, lin: int, ming: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The broken twin: it asks who somebody is, and not what they hold."""
    settled = await counter.file(reason=Reason.OTHER)
    assert settled.ticket is not None
    await counter.floor.do(counter.floor.desk.take, settled.ticket.id, lin)

    async def find(session: AsyncSession, ticket: Ticket, agent_id: int) -> Agent:
        return await session.get_one(Agent, agent_id)

    monkeypatch.setattr("tickets.grants.require_hands", find)

    assert (await counter.grant(settled.ticket, ming)).kind == "replaced"


async def test_the_bots_words_about_a_replacement_are_not_searched_for_codes(counter: Counter, lin: int) -> None:
    goods = replace(GOODS, name="STEAM-50USD-2026 充值卡")
    settled = await counter.file(replace(ORDER, goods=goods), reason=Reason.OTHER)

    await counter.grant(settled.ticket, lin)

    assert "STEAM-50USD-2026" in (await counter.floor.queued())[0]


@pytest.mark.parametrize("reserve", [()])
async def test_a_grant_from_an_empty_pool_changes_nothing(counter: Counter, lin: int) -> None:
    settled = await counter.file()

    with pytest.raises(PoolEmpty):
        await counter.grant(settled.ticket, lin)

    assert (await counter.floor.one(Claim)).decided_at is None
    assert (await counter.floor.one(Ticket)).phase == "open"
    assert await counter.floor.queued() == []


async def test_a_ticket_without_a_claim_has_nothing_to_replace(counter: Counter, lin: int) -> None:
    with pytest.raises(NoOpenClaim):
        await counter.grant(await counter.floor.open(counter.conversation), lin)


async def test_resolving_decides_the_claim_and_only_the_ledger_says_replaced(counter: Counter, lin: int) -> None:
    settled = await counter.file(reason=Reason.OTHER)
    assert settled.ticket is not None
    resolve = counter.floor.desk.resolve

    with pytest.raises(NotReplaced):
        await counter.floor.do(resolve, settled.ticket.id, lin, Outcome.REPLACE)
    await counter.floor.do(resolve, settled.ticket.id, lin, Outcome.REJECT, "卡密有效。")

    claim = await counter.floor.one(Claim)
    assert (claim.outcome, claim.decided_at) == ("reject", counter.floor.now)
    with pytest.raises(NoOpenClaim):
        await counter.grant(settled.ticket, lin)


async def test_who_files_again_what_people_had_answered_is_owed_an_answer(counter: Counter, lin: int) -> None:
    first = await counter.file(reason=Reason.OTHER)
    assert first.ticket is not None
    await counter.floor.do(counter.floor.desk.reply, first.ticket.id, lin, "请再兑换一次")
    await counter.floor.deliver()

    again = await counter.file(reason=Reason.OTHER, at=counter.floor.now + HOUR)

    assert (again.is_repeat, again.ticket and again.ticket.id) == (True, first.ticket.id)
    assert (await counter.floor.fresh(first.ticket)).phase == Phase.OPEN
    answered, anew = await counter.floor.all(Clock, metric="handling")
    assert (answered.met_at, anew.met_at) == (counter.floor.now, None)


async def test_another_code_of_the_order_leaves_a_ticket_alone_that_waits_for_its_buyer(
    counter: Counter, lin: int
) -> None:
    order = replace(ORDER, quantity=2, codes=(counter.code, counter.new_code("SOLD-2", 2)))
    first = await counter.file(order, reason=Reason.OTHER)
    assert first.ticket is not None
    await counter.floor.do(counter.floor.desk.reply, first.ticket.id, lin, "请再兑换一次")

    other = await counter.file(order, order.codes[1], reason=Reason.OTHER)

    assert other.ticket is not None
    assert other.ticket.id != first.ticket.id
    assert (await counter.floor.fresh(first.ticket)).phase == Phase.WAITING


async def test_a_settled_claim_can_be_filed_again(counter: Counter, lin: int) -> None:
    first = await counter.file(reason=Reason.OTHER)
    assert first.ticket is not None
    await counter.floor.do(counter.floor.desk.resolve, first.ticket.id, lin, Outcome.INSTRUCT)

    second = await counter.file(reason=Reason.OTHER)

    assert second.ticket is not None
    assert second.ticket.id != first.ticket.id


async def test_a_grant_on_a_ticket_that_cannot_be_resolved_issues_nothing(counter: Counter, lin: int) -> None:
    settled = await counter.file(reason=Reason.OTHER)
    async with counter.floor.database.writing() as session:
        assert settled.ticket is not None
        (await session.get_one(Ticket, settled.ticket.id)).phase = "closed"

    with pytest.raises(InvalidTransition):
        await counter.grant(settled.ticket, lin)

    assert await counter.floor.all(Replacement) == []


# Several codes


async def test_codes_claimed_together_share_a_ticket_and_are_a_claim_each(counter: Counter) -> None:
    codes = [counter.new_code(f"SOLD-{number}", number) for number in (3, 1, 2)]

    settled = await counter.file_all(codes, reason=Reason.WRONG_REGION)

    ticket = await counter.floor.one(Ticket)
    assert {one.ticket and one.ticket.id for one in settled} == {ticket.id}
    assert ticket.subject == "Steam 50元充值卡 ****-LD-1、****-LD-2、****-LD-3"
    assert [claim.position for claim in await counter.floor.all(Claim)] == [1, 2, 3]


async def test_what_the_pool_cannot_replace_comes_to_people_and_the_rest_goes_out(counter: Counter, lin: int) -> None:
    codes = [counter.new_code(f"SOLD-{number}", number) for number in range(1, 6)]

    settled = await counter.file_all(codes)

    assert [one.kind for one in settled] == ["replaced"] * len(RESERVE) + ["ticket"] * 2
    assert len({one.link.id for one in settled if one.link}) == len(RESERVE)
    ticket = await counter.floor.one(Ticket)
    assert (ticket.level, {one.why for one in settled if one.ticket}) == (1, {"pool_empty"})


async def test_a_code_claimed_a_little_later_joins_the_ticket_of_its_order(counter: Counter) -> None:
    first = await counter.file(reason=Reason.OTHER)
    second = await counter.file(code=counter.new_code("SOLD-2", 2), reason=Reason.OTHER)
    elsewhere = await counter.file(replace(ORDER, order_no="ZZ98YX76WV54UT32"), reason=Reason.OTHER)

    assert first.ticket is not None
    assert second.ticket is not None
    assert elsewhere.ticket is not None
    assert first.ticket.id == second.ticket.id != elsewhere.ticket.id


@pytest.mark.parametrize("times", [2, 6])
async def test_the_same_codes_filed_at_once_are_replaced_once_each(counter: Counter, times: int) -> None:
    codes = [counter.new_code(f"SOLD-{number}", number) for number in (1, 2, 3)]

    ends = await asyncio.gather(*(counter.file_all(codes[:: (-1) ** turn]) for turn in range(times)))

    assert [one.kind for end in ends for one in end].count("replaced") == 3
    assert len(await counter.floor.all(Replacement)) == 3


async def test_a_contested_code_has_a_ticket_of_its_own_beside_the_others(counter: Counter) -> None:
    await counter.file(reason=Reason.OTHER)
    counter.conversation = await counter.floor.meet("buyer-2")

    settled = await counter.file_all([counter.code, counter.new_code("SOLD-2", 2)], reason=Reason.OTHER)

    assert [one.why for one in settled] == ["contested", "reason"]
    assert len({one.ticket.id for one in settled if one.ticket}) == 2


async def test_contested_codes_share_a_ticket_and_none_is_replaced_twice(counter: Counter, lin: int) -> None:
    codes = [counter.new_code(f"SOLD-{number}", number) for number in (1, 2)]
    first = await counter.file_all(codes, reason=Reason.OTHER)
    counter.conversation = await counter.floor.meet("buyer-2")

    second = await counter.file_all(codes, reason=Reason.OTHER)

    ticket, other = second[0].ticket, first[0].ticket
    assert ticket is not None
    assert other is not None
    assert [one.ticket.number for one in second if one.ticket] == [ticket.number] * 2
    with pytest.raises(Contested):
        await counter.floor.do(counter.claims.replace_all, ticket.id, lin)
    await counter.floor.do(counter.claims.replace_all, other.id, lin)
    with pytest.raises(AlreadyReplaced):
        await counter.floor.do(counter.claims.replace_all, ticket.id, lin)
    assert len(await counter.floor.all(Replacement)) == 2


async def test_a_contested_code_that_is_claimed_again_is_the_word_its_ticket_waits_for(
    counter: Counter, lin: int
) -> None:
    await counter.file(reason=Reason.OTHER)
    counter.conversation = await counter.floor.meet("buyer-2")
    ticket = (await counter.file(reason=Reason.OTHER)).ticket
    assert ticket is not None
    await counter.floor.do(counter.floor.desk.reply, ticket.id, lin, "请问是在哪里买的？")
    await counter.floor.do(counter.floor.desk.set_status, ticket.id, lin, "waiting")

    again = await counter.file(reason=Reason.OTHER)

    assert again.is_repeat
    assert again.ticket is not None
    assert (again.ticket.id, (await counter.floor.fresh(ticket)).phase) == (ticket.id, "open")


async def test_granted_one_by_one_the_ticket_is_owed_until_the_last(counter: Counter, lin: int) -> None:
    codes = [counter.new_code(f"SOLD-{number}", number) for number in (1, 2)]
    first, second = await counter.file_all(codes, reason=Reason.OTHER)

    await counter.grant(first.ticket, lin, claim_id=second.claim.id)
    await counter.floor.deliver()
    between = await counter.floor.one(Ticket)
    owed = (await counter.floor.one(Clock)).met_at
    await counter.grant(first.ticket, lin)
    await counter.floor.deliver()

    assert (between.phase, between.assignee_id, owed) == ("open", lin, None)
    assert (await counter.floor.one(Ticket)).phase == "resolved"
    assert (await counter.floor.one(Clock)).met_at is not None
    assert [claim.outcome for claim in await counter.floor.all(Claim)] == ["replace", "replace"]


async def test_all_are_granted_or_none(counter: Counter, lin: int) -> None:
    codes = [counter.new_code(f"SOLD-{number}", number) for number in range(len(RESERVE) + 1)]
    settled = await counter.file_all(codes, reason=Reason.OTHER)
    ticket = settled[0].ticket
    assert ticket is not None

    with pytest.raises(PoolEmpty):
        await counter.floor.do(counter.claims.replace_all, ticket.id, lin)
    assert await counter.floor.all(Replacement) == []
    await counter.floor.do(counter.claims.explain, ticket.id, lin, settled[0].claim.id, Outcome.REJECT, "核实过了。")
    granted = await counter.floor.do(counter.claims.replace_all, ticket.id, lin)

    assert len(granted) == len(RESERVE)
    texts = await counter.floor.deliver()
    assert [MARK in text for text in texts] == [False, True, True, True]


async def test_a_claim_whose_refund_is_under_way_is_not_decided_by_words(counter: Counter, lin: int) -> None:
    codes = [counter.new_code(f"SOLD-{number}", number) for number in (1, 2)]
    first, second = await counter.file_all(codes, replace(ORDER, codes=tuple(codes)), reason=Reason.OTHER)
    assert first.ticket is not None
    order = replace(ORDER, quantity=2, paid=9_700, codes=tuple(codes))
    await counter.ask_refund(first.ticket, lin, order, claim_id=second.claim.id)
    explain = counter.claims.explain

    with pytest.raises(RefundPending):
        await counter.floor.do(explain, first.ticket.id, lin, second.claim.id, Outcome.REJECT, "核实过了。")
    await counter.floor.do(explain, first.ticket.id, lin, first.claim.id, Outcome.REJECT, "核实过了。")

    assert [claim.outcome for claim in await counter.floor.all(Claim)] == ["reject", None]


async def both_ways(counter: Counter, vault: Vault) -> list[tuple[Order, list[CodeRef]]]:
    """Orders with a code of both batches each, every other one in the other order."""
    async with counter.floor.database.writing() as session:
        first = (await session.exec(select(Batch))).one()
        place = {"supplier_id": first.supplier_id, "product_id": first.product_id}
        second = Batch(**place, name="二", arrived_at=counter.floor.now)
        session.add(second)
        await session.flush()
        orders = []
        for number in range(6):
            batches = [first.id, second.id][:: (-1) ** number]
            codes = [counter.new_code(f"SOLD-{number}-{batch}", at) for at, batch in enumerate(batches, 1)]
            orders.append((replace(ORDER, order_no=f"ZZ98YX76WV54UT3{number}"), codes))
            for batch in batches:
                text = f"SOLD-{number}-{batch}"
                session.add(seal_code(vault, product_id=first.product_id, batch_id=batch, text=text, pool=Pool.STOCK))
    return orders


async def file_both_ways(counter: Counter, vault: Vault) -> list[str]:
    orders = await both_ways(counter, vault)
    filing = (counter.file_all(codes, order, reason=Reason.OTHER) for order, codes in orders)
    ends = await asyncio.gather(*filing, return_exceptions=True)  # none goes on, with its locks, into the next test
    if (failed := next((end for end in ends if isinstance(end, BaseException)), None)) is not None:
        raise failed
    return [one.kind for end in ends if not isinstance(end, BaseException) for one in end]


async def test_orders_whose_codes_share_their_batches_do_not_wait_for_each_other(
    counter: Counter, vault: Vault
) -> None:
    assert await file_both_ways(counter, vault) == ["ticket"] * 12


async def test_without_holding_the_batches_first_they_do(
    counter: Counter, vault: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The broken twin; SQLite has one writer, and nobody to wait for."""

    async def hold_none(session: AsyncSession, codes: Collection[CodeRef]) -> None:
        pass

    monkeypatch.setattr("tickets.filing.hold_batches", hold_none)

    with nullcontext() if counter.floor.database.is_sqlite else pytest.raises(DBAPIError, match="deadlock"):
        await file_both_ways(counter, vault)
