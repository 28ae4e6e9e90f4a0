"""Macros: kept by leads, used by everybody, carried out whole or not at all, and audited as one."""

import pytest

from audit.tables import AuditRow
from tests.tickets.conftest import Floor, say
from tickets.desk import Desk
from tickets.errors import (
    BadTag,
    CodeInText,
    EmptyMacro,
    HeldByColleague,
    MacroNameTaken,
    NotAllowed,
    StaleTicket,
    TicketError,
    UnfilledPlaceholder,
    UnknownAgent,
    UnknownMacro,
    UnknownPlaceholder,
    UnknownStatus,
)
from tickets.labels import TAGS, tags_of
from tickets.lifecycle import Phase
from tickets.macros import Macros, Recipe, active_macros, fill
from tickets.rules import DeskRules
from tickets.staff import disable
from tickets.statuses import Status, statuses
from tickets.tables import Cycle, Macro, Message, Outcome

SUPPLIER = Status("at_supplier", Phase.OPEN, {"zh": "等供应商", "en": "at the supplier"})


@pytest.fixture
def desk() -> Desk:
    return Desk(say, DeskRules(statuses=statuses([SUPPLIER])))


@pytest.fixture
def macros(desk: Desk) -> Macros:
    return Macros(desk)


async def keep(floor: Floor, macros: Macros, lead: int, **recipe: object) -> int:
    macro = await floor.do(macros.keep, lead, Recipe(**{"name": "换绑"} | recipe))  # type: ignore[arg-type]
    assert macro.id is not None
    return macro.id


async def test_a_macro_does_all_of_it_with_one_audit_row(
    floor: Floor, macros: Macros, lin: int, ming: int, chen: int
) -> None:
    ticket = await floor.open(order_ref="demo/A100", product="STEAM-50")
    reply = "{buyer} 您好，{ number } 的订单 {order}（{product}）已转专员。"
    macro = await keep(floor, macros, chen, reply=reply, tags=["换绑", "VIP"], assign_to_id=ming)
    await floor.do(floor.desk.tag, ticket.id, lin, ["vip"])
    before = len(await floor.actions(ticket))

    await floor.do(macros.use, ticket.id, macro, lin, version=ticket.version)

    said = (await floor.all(Message))[-1]
    assert said.text == f"name of buyer-1 您好，{ticket.number} 的订单 A100（STEAM-50）已转专员。"
    fresh = await floor.fresh(ticket)
    assert (fresh.phase, fresh.assignee_id, fresh.version) == (Phase.WAITING, ming, ticket.version + 1)
    async with floor.database.reading() as session:
        assert await tags_of(session, ticket.id or 0) == ["vip", "换绑"]
    assert (await floor.actions(ticket))[before:] == ["ticket.macro_used"]
    (row,) = await floor.all(AuditRow, action="ticket.macro_used")
    assert row.actor == f"agent:{lin}"
    assert row.after["macro"] == "换绑"
    assert row.after["tags"] == ["换绑"]
    assert (row.after["phase"], row.after["assignee"]) == ("waiting", ming)


async def test_a_macro_may_end_the_cycle_with_the_outcome_that_the_agent_chose(
    floor: Floor, macros: Macros, lin: int, chen: int
) -> None:
    ticket = await floor.open()
    macro = await keep(floor, macros, chen, reply="不能退。", status="resolved")

    await floor.do(macros.use, ticket.id, macro, lin, "这款不能退。", Outcome.REJECT)

    assert (await floor.one(Cycle)).outcome == Outcome.REJECT
    assert (await floor.all(Message))[-1].text.startswith("这款不能退。\n\n")
    assert (await floor.actions(ticket))[-1] == "ticket.macro_used"


async def test_a_macro_may_give_a_status_of_the_owners_own(floor: Floor, macros: Macros, lin: int, chen: int) -> None:
    ticket = await floor.open()
    macro = await keep(floor, macros, chen, reply="已联系供应商。", status="at_supplier")

    await floor.do(macros.use, ticket.id, macro, lin)

    fresh = await floor.fresh(ticket)
    assert (fresh.status, fresh.phase) == ("at_supplier", Phase.OPEN)
    assert (await floor.actions(ticket))[-1] == "ticket.macro_used"


async def test_when_one_action_is_refused_nothing_is_done(floor: Floor, macros: Macros, lin: int, chen: int) -> None:
    ticket = await floor.open()
    gone = await floor.hire("gone")
    macro = await keep(floor, macros, chen, reply="好的", tags=["a"], assign_to_id=gone)
    full = await keep(floor, macros, chen, name="full", reply="好的", tags=["b"])
    await floor.do(floor.desk.tag, ticket.id, lin, [str(number) for number in range(TAGS - 1)])
    async with floor.database.writing() as session:
        await disable(session, floor.now, "gone")
    before = await floor.actions(ticket)

    with pytest.raises(UnknownAgent):
        await floor.do(macros.use, ticket.id, macro, lin)
    await floor.do(floor.desk.tag, ticket.id, lin, ["last"])
    with pytest.raises(TicketError):
        await floor.do(macros.use, ticket.id, full, lin)

    assert await floor.all(Message) == []
    assert await floor.actions(ticket) == [*before, "ticket.tagged"]
    assert (await floor.fresh(ticket)).phase == Phase.OPEN


async def test_a_preview_shows_the_reply_and_what_it_lacks_and_changes_nothing(
    floor: Floor, macros: Macros, ming: int, chen: int
) -> None:
    ticket = await floor.open()
    macro = await keep(floor, macros, chen, reply="{buyer}：订单 {order}", status="resolved", assign_to_id=ming)

    preview = await floor.do(macros.preview, ticket.id, macro)

    assert preview.reply == "name of buyer-1：订单 {order}"
    assert preview.missing == ("{order}",)
    assert preview.needs_outcome
    assert preview.assignee is not None
    assert preview.assignee.id == ming
    assert (await floor.fresh(ticket)).version == ticket.version


async def test_a_reply_with_a_gap_is_not_sent(floor: Floor, macros: Macros, lin: int, chen: int) -> None:
    ticket = await floor.open()
    macro = await keep(floor, macros, chen, reply="订单 {order}", tags=["a"])

    with pytest.raises(UnfilledPlaceholder, match=r"\{order\}"):
        await floor.do(macros.use, ticket.id, macro, lin)

    await floor.do(macros.use, ticket.id, macro, lin, "订单 A7")
    assert (await floor.one(Message)).text == "订单 A7"


@pytest.mark.parametrize(
    ("recipe", "refusal"),
    [
        pytest.param({"name": " ", "reply": "x"}, EmptyMacro, id="no name"),
        pytest.param({"reply": " "}, EmptyMacro, id="does nothing"),
        pytest.param({"reply": "新卡 7K2Q9-XPLM4-TRWE3"}, CodeInText, id="a code"),
        pytest.param({"tags": ["7K2Q9-XPLM4-TRWE3"]}, CodeInText, id="a code as a tag"),
        pytest.param({"reply": "{price}"}, UnknownPlaceholder, id="unknown placeholder"),
        pytest.param({"reply": "{}"}, UnknownPlaceholder, id="empty placeholder"),
        pytest.param({"status": "asleep"}, UnknownStatus, id="unknown status"),
        pytest.param({"tags": ["<b>"]}, BadTag, id="bad tag"),
        pytest.param({"assign_to_id": 99}, UnknownAgent, id="nobody"),
    ],
)
async def test_what_could_not_be_carried_out_is_not_kept(
    floor: Floor, macros: Macros, chen: int, recipe: dict[str, object], refusal: type[TicketError]
) -> None:
    with pytest.raises(refusal):
        await keep(floor, macros, chen, **recipe)

    assert await floor.all(Macro) == []


async def test_leads_keep_macros_and_agents_do_not(floor: Floor, macros: Macros, lin: int, chen: int) -> None:
    macro = await keep(floor, macros, chen, reply="一")

    for verb in (
        lambda: keep(floor, macros, lin, name="other", reply="x"),
        lambda: floor.do(macros.keep, lin, Recipe("换绑", "x"), macro),
        lambda: floor.do(macros.switch, lin, macro, is_active=False),
    ):
        with pytest.raises(NotAllowed):
            await verb()
    with pytest.raises(MacroNameTaken):
        await keep(floor, macros, chen, reply="二")
    await floor.do(macros.keep, chen, Recipe("换绑", "二"), macro)

    assert (await floor.one(Macro)).reply == "二"
    changed = await floor.one(AuditRow, action="macro.changed")
    assert (changed.before["reply"], changed.after["reply"]) == ("一", "二")


async def test_a_macro_that_is_switched_off_is_neither_offered_nor_used(
    floor: Floor, macros: Macros, lin: int, chen: int
) -> None:
    ticket = await floor.open()
    macro = await keep(floor, macros, chen, reply="一")
    await floor.do(macros.switch, chen, macro, is_active=False)

    with pytest.raises(UnknownMacro):
        await floor.do(macros.use, ticket.id, macro, lin)
    async with floor.database.reading() as session:
        assert await active_macros(session) == []
    await floor.do(macros.switch, chen, macro, is_active=True)

    await floor.do(macros.use, ticket.id, macro, lin)


async def test_a_colleagues_ticket_and_an_old_page_are_left_alone(
    floor: Floor, macros: Macros, lin: int, ming: int, chen: int
) -> None:
    ticket = await floor.open()
    macro = await keep(floor, macros, chen, reply="一")
    await floor.do(floor.desk.take, ticket.id, ming)

    with pytest.raises(HeldByColleague):
        await floor.do(macros.use, ticket.id, macro, lin)
    with pytest.raises(StaleTicket):
        await floor.do(macros.use, ticket.id, macro, ming, version=ticket.version)


def test_what_looks_like_a_placeholder_in_a_name_is_a_name() -> None:
    assert fill("{buyer} {number}", {"buyer": "{number}", "number": "K-1"}) == "{number} K-1"
