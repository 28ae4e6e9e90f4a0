"""Suppliers, batches and the story of a code, as leads and agents see them."""

import csv
import io
import re
from datetime import timedelta

import pytest
from sqlmodel import select

from audit.tables import AuditRow
from console.sign_in import begin
from shop.demo import DemoOrder
from shop.tables import Batch, Code, Supplier
from tests.console.conftest import Stage, Visitor, text_of
from tickets.claims import Reason, Settled
from tickets.tables import Agent, Claim, Role, SupplierCheck, Ticket

HOUR = timedelta(hours=1)


@pytest.fixture
async def orders(stage: Stage) -> list[DemoOrder]:
    """The demo shop; every supplier answers within a day, and a code costs 40.00."""
    orders = await stage.open_shop()
    async with stage.database.writing() as session:
        for supplier in (await session.exec(select(Supplier))).all():
            supplier.answers_within = 24 * HOUR
        for batch in (await session.exec(select(Batch))).all():
            batch.cost = 4_000
    return [order for order in orders if order.status == "delivered" and len(order.codes) == 1]


@pytest.fixture
async def claimed(stage: Stage, orders: list[DemoOrder]) -> Settled:
    """A claim that a person has to decide."""
    return await stage.claim(await stage.meet(), orders[0], Reason.OTHER)


@pytest.fixture
async def sent(stage: Stage, claimed: Settled) -> Settled:
    """The same, and its complaint was sent."""
    assert claimed.ticket is not None
    sender = await stage.add_agent("sender", Role.AGENT)
    async with stage.database.writing() as session:
        await stage.desk.ask_supplier(
            session, stage.clock(), claimed.ticket.id or 0, sender.id or 0, claimed.claim.id or 0
        )
    return claimed


@pytest.fixture
async def lead(stage: Stage, visitor: Visitor) -> Visitor:
    chen = await stage.add_agent("chen", Role.LEAD)
    async with stage.database.writing() as session:
        visitor.cookies.set(
            "kadesk_console", await begin(session, stage.clock(), 12 * HOUR, chen.id or 0), domain="kadesk.test"
        )
    await visitor.get("/console/")
    return visitor


async def one(stage: Stage, table: type) -> object:
    async with stage.database.reading() as session:
        return (await session.exec(select(table))).one()


async def code_of(stage: Stage, order: DemoOrder) -> Code:
    async with stage.database.reading() as session:
        print_ = stage.vault.fingerprint(order.codes[0])
        return (await session.exec(select(Code).where(Code.fingerprint == print_))).one()


def version_on(page: str) -> str:
    found = re.search(r'name="version"[^>]* value="(\d+)"', page)
    assert found is not None
    return found[1]


async def looks(stage: Stage) -> list[tuple[str, str]]:
    async with stage.database.reading() as session:
        rows = await session.exec(select(AuditRow).where(AuditRow.action == "code.looked_up"))
        return [(row.actor, row.subject) for row in rows.all()]


async def test_the_claim_card_has_the_complaint_and_takes_the_answer(
    stage: Stage, claimed: Settled, agent: Agent, signed_in: Visitor, orders: list[DemoOrder]
) -> None:
    assert claimed.ticket is not None
    page = f"/console/tickets/{claimed.ticket.number}"
    await signed_in.submit(f"{page}/take")

    ready = await signed_in.get(page)
    claim_of = {"claim": str(claimed.claim.id)}
    sent = await signed_in.submit(f"{page}/supplier-ask", version=version_on(ready.text), **claim_of)
    shown = await signed_in.get(page)

    assert sent.status_code == 303
    assert "投诉待发送" in text_of(ready)
    for one_page in (ready, shown):
        assert "主题：卡密投诉" in one_page.text
        assert orders[0].codes[0] not in one_page.text
    form = {
        "version": version_on(shown.text),
        "claim": str(claimed.claim.id),
        "answer": "bad",
        "owed": "38.5",
        "reference": "T-9",
    }
    answered = await signed_in.submit(f"{page}/supplier-answer", **form, replace="yes")
    assert answered.status_code == 303
    check, claim = await one(stage, SupplierCheck), await one(stage, Claim)
    assert isinstance(check, SupplierCheck)
    assert isinstance(claim, Claim)
    assert (check.answer, check.owed, check.reference, claim.outcome) == ("bad", 3_850, "T-9", "replace")


@pytest.mark.parametrize(
    ("field", "value", "sentence"),
    [
        pytest.param("owed", "a lot", "金额", id="no sum"),
        pytest.param("reference", "THE CODE", "像卡密", id="a code as their number"),
    ],
)
async def test_a_refused_answer_keeps_what_was_typed(
    stage: Stage,
    sent: Settled,
    signed_in: Visitor,
    orders: list[DemoOrder],
    field: str,
    value: str,
    sentence: str,
) -> None:
    assert sent.ticket is not None
    page = f"/console/tickets/{sent.ticket.number}"
    version = version_on((await signed_in.get(page)).text)
    form = {"version": version, "claim": str(sent.claim.id), "answer": "bad", "remark": "已核实"}
    form[field] = orders[0].codes[0] if value == "THE CODE" else value

    refused = await signed_in.submit(f"{page}/supplier-answer", **form)

    assert (refused.status_code, sentence in text_of(refused)) == (422, True)
    assert 'value="已核实"' in refused.text
    assert (await one(stage, SupplierCheck)).answer is None  # type: ignore[attr-defined]


async def test_a_lead_finds_a_code_by_pasting_it_and_nothing_of_it_is_kept(
    stage: Stage, claimed: Settled, lead: Visitor, orders: list[DemoOrder]
) -> None:
    text, code = orders[0].codes[0], await code_of(stage, orders[0])

    found = await lead.submit("/console/codes/find", code=f" {text.lower()} ")

    assert found.headers["location"] == f"/console/code/{code.id}"
    shown = await lead.get(found.headers["location"])
    assert claimed.ticket is not None
    for fact in (code.masked, orders[0].order_no, claimed.ticket.number, "供货商"):
        assert fact in text_of(shown)
    assert text not in shown.text
    assert [subject for _, subject in await looks(stage)] == [f"code:{code.id}"]
    async with stage.database.reading() as session:
        rows = (await session.exec(select(AuditRow))).all()
    assert not any(text in f"{row.subject}{row.before}{row.after}" for row in rows)


async def test_a_tail_finds_all_that_end_like_it(stage: Stage, lead: Visitor, orders: list[DemoOrder]) -> None:
    code = await code_of(stage, orders[0])

    found = await lead.submit("/console/codes/find", code=code.masked[-4:])
    missed = await lead.submit("/console/codes/find", code="NO-SUCH-CODE-AT-ALL")

    assert found.headers["location"] == f"/console/code/{code.id}"
    assert (missed.status_code, "没有这样的卡密" in missed.text) == (200, True)
    assert "NO-SUCH-CODE" not in missed.text


async def test_an_agent_sees_the_codes_of_their_own_tickets_alone(
    stage: Stage, claimed: Settled, signed_in: Visitor, orders: list[DemoOrder]
) -> None:
    assert claimed.ticket is not None
    mine, other = f"/console/code/claim/{claimed.claim.id}", await code_of(stage, orders[1])
    assert (await signed_in.get(mine)).status_code == 403
    await signed_in.submit(f"/console/tickets/{claimed.ticket.number}/take")

    assert (await signed_in.get(mine)).status_code == 200

    for page in (f"/console/code/{other.id}", "/console/code/999999", "/console/code/claim/999", "/console/codes"):
        assert (await signed_in.get(page)).status_code == 403
    assert (await signed_in.submit("/console/codes/find", code=orders[1].codes[0])).status_code == 403
    assert len(await looks(stage)) == 1


async def test_the_report_counts_by_supplier_and_leads_to_its_rows(
    stage: Stage, sent: Settled, lead: Visitor, orders: list[DemoOrder]
) -> None:
    supplier = (await one(stage, SupplierCheck)).supplier_id  # type: ignore[attr-defined]
    granted = await stage.claim(await stage.meet("买家乙", "b"), orders[1])
    assert granted.kind == "replaced"

    page = await lead.get("/console/suppliers?period=30d")

    assert f"period=30d&amp;supplier={supplier}&amp;rows=open#rows" in page.text
    rows = await lead.get(f"/console/suppliers?period=30d&supplier={supplier}&rows=open")
    assert sent.ticket is not None
    assert sent.ticket.number in text_of(rows).partition("等待答复的询问")[2]
    for kind in ("out", "claimed", "accepted", "asked", "answered", "silent", "owing", "unsent", "nonsense"):
        shown = await lead.get(f"/console/suppliers?period=30d&supplier={supplier}&rows={kind}")
        assert shown.status_code == 200
        assert not any(order.codes[0] in shown.text for order in orders)


async def test_the_export_has_masked_codes_and_no_formulas(
    stage: Stage, sent: Settled, lead: Visitor, orders: list[DemoOrder]
) -> None:
    async with stage.database.writing() as session:
        (await session.exec(select(SupplierCheck))).one().reference = "=1+1"

    taken = await lead.get("/console/suppliers/export?period=30d")

    assert taken.headers["content-type"].startswith("text/csv")
    (row,) = csv.DictReader(io.StringIO(taken.text.removeprefix("\ufeff")))
    assert row["卡密（掩码）"] == sent.claim.masked
    assert row["对方单号"] == "'=1+1"
    assert orders[0].codes[0] not in taken.text


async def test_a_lead_takes_a_batch_off_sale_and_back(stage: Stage, claimed: Settled, lead: Visitor) -> None:
    batch = claimed.claim.batch_id

    await lead.submit(f"/console/batches/{batch}/quarantine", why="供货商来电")

    shown = await lead.get(f"/console/batches?batch={batch}")
    assert "已停售" in text_of(shown)
    async with stage.database.reading() as session:
        incident = (await session.exec(select(Ticket).where(Ticket.level == 2))).one()
    assert incident.number in shown.text
    again = await lead.submit(f"/console/batches/{batch}/quarantine", why="供货商来电")
    assert "刚被别人处理过" in (await lead.get(again.headers["location"])).text
    await lead.submit(f"/console/batches/{batch}/release", why="没问题")
    assert "批次已恢复销售" in (await lead.get("/console/batches")).text


@pytest.mark.parametrize(("hours", "within"), [("12", 12 * HOUR), ("", None), ("99999", 720 * HOUR)])
async def test_a_lead_says_how_long_a_supplier_may_take(
    stage: Stage, orders: list[DemoOrder], lead: Visitor, hours: str, within: timedelta | None
) -> None:
    done = await lead.submit("/console/suppliers/1/terms", hours=hours, contact=" QQ 10001 ")

    assert "供货商已更新" in (await lead.get(done.headers["location"])).text
    async with stage.database.reading() as session:
        supplier = await session.get_one(Supplier, 1)
        (row,) = (await session.exec(select(AuditRow).where(AuditRow.action == "supplier.terms_set"))).all()
    assert (supplier.answers_within, supplier.contact) == (within, "QQ 10001")
    assert (row.subject, (row.before or {})["answers_within"]) == ("supplier:1", 24)
    assert (await lead.submit("/console/suppliers/1/terms", hours="a week")).status_code == 422


async def test_an_agent_sees_neither_suppliers_nor_batches(signed_in: Visitor, claimed: Settled) -> None:
    for page in ("/console/suppliers", "/console/suppliers/export", "/console/batches"):
        assert (await signed_in.get(page)).status_code == 403
    assert (await signed_in.submit("/console/suppliers/1/terms", hours="1")).status_code == 403
    assert (await signed_in.submit("/console/batches/1/quarantine", why="x")).status_code == 403
    assert "/console/suppliers" not in (await signed_in.get("/console/")).text
