"""Tags and own fields in the console: put on, counted, renamed by leads."""

import pytest

from tests.console.conftest import Stage, Visitor, text_of
from tests.tickets.test_fields import LOSS, REGION
from tickets.desk import Desk
from tickets.rules import DeskRules
from tickets.tables import Role


@pytest.fixture
def stage(stage: Stage) -> Stage:
    # The pages read the rules of the desk when they are asked.
    object.__setattr__(stage.desk, "rules", DeskRules(fields=(LOSS, REGION)))
    assert isinstance(stage.desk, Desk)
    return stage


async def test_tags_are_put_on_and_taken_off(stage: Stage, signed_in: Visitor) -> None:
    ticket = await stage.open(await stage.meet())
    page = f"/console/tickets/{ticket.number}"

    await signed_in.submit(f"{page}/tag", tags="VIP，批次 7")
    tagged = await signed_in.get(page)
    await signed_in.submit(f"{page}/untag", tag="vip")
    left = await signed_in.get(page)
    refused = await signed_in.submit(f"{page}/tag", tags="<b>")

    assert "#vip" in text_of(tagged)
    assert "#批次 7" in text_of(tagged)
    assert "#vip" not in text_of(left)
    assert refused.status_code == 422
    assert "标签是 1 到 40 个字母" in text_of(refused)
    assert 'value="&lt;b&gt;"' in refused.text


async def test_own_fields_are_kept_and_a_bad_value_is_named(stage: Stage, signed_in: Visitor) -> None:
    ticket = await stage.open(await stage.meet())
    page = f"/console/tickets/{ticket.number}"

    await signed_in.submit(f"{page}/fields", **{"field-loss": "12.5", "field-region": "美服"})
    kept = (await signed_in.get(page)).text
    refused = await signed_in.submit(f"{page}/fields", **{"field-loss": "很多"})

    assert 'name="field-loss" value="12.5"' in kept
    assert "<option selected>美服</option>" in kept
    assert refused.status_code == 422
    assert "“损失”要填数字，例如 12 或 3.5。" in text_of(refused)


async def test_a_tag_leads_to_its_tickets_and_a_lead_renames_it(
    stage: Stage, signed_in: Visitor, visitor: Visitor
) -> None:
    ticket = await stage.open(await stage.meet(), "充值没到")
    await signed_in.submit(f"/console/tickets/{ticket.number}/tag", tags="old")
    await stage.add_agent("chen", Role.LEAD)
    await visitor.sign_in("chen")

    listed = text_of(await signed_in.get("/console/tags?tag=old"))
    await signed_in.submit("/console/tags/rename", tag="old", name="mine")
    await visitor.submit("/console/tags/rename", tag="old", name="新的")
    renamed = text_of(await visitor.get("/console/tags"))
    await visitor.submit("/console/tags/rename", tag="新的", remove="yes", name="")
    removed = text_of(await visitor.get("/console/tags"))

    assert "充值没到" in listed
    assert "已改 1 张工单。" in renamed
    assert "#新的" in renamed
    assert "还没有标签。" in removed
