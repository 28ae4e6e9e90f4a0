"""Tags and the values of own fields: one form, few, audited, and none of them makes an open page old."""

import pytest

from audit.tables import AuditRow
from kadesk.database import Database
from tests.tickets.conftest import Floor, say
from tests.tickets.test_fields import BATCH, LOSS, REGION
from tickets.desk import Desk
from tickets.errors import BadTag, CodeInText, NotAChoice, NotAllowed, TooManyTags, UnknownField
from tickets.labels import TAGS, TagUse, all_tags, read_tag, read_tags, tags_of
from tickets.rules import DeskRules
from tickets.tables import Ticket


async def tags(floor: Floor, ticket: Ticket) -> list[str]:
    async with floor.database.reading() as session:
        assert ticket.id is not None
        return await tags_of(session, ticket.id)


@pytest.fixture
def desk() -> Desk:
    return Desk(say, DeskRules(fields=(BATCH, LOSS, REGION)))


@pytest.mark.parametrize(
    ("typed", "tag"),
    [
        pytest.param(" #Batch  7 ", "batch 7", id="case and blanks"),
        pytest.param("ＶＩＰ", "vip", id="full width"),
        pytest.param("供应商问题", "供应商问题", id="Chinese"),
        pytest.param("a/b:c.d+e-f", "a/b:c.d+e-f", id="marks in between"),
    ],
)
def test_a_tag_has_one_form(typed: str, tag: str) -> None:
    assert read_tag(typed) == tag


@pytest.mark.parametrize("typed", ["", "  #", "<b>", "-x", "x" * 41, "a,b", "a\u202eb"])
def test_what_is_no_word_is_no_tag(typed: str) -> None:
    with pytest.raises(BadTag):
        read_tag(typed)


def test_a_line_may_hold_several_tags() -> None:
    assert read_tags("Batch 7，供应商、 batch 7;#vip,,") == ["batch 7", "供应商", "vip"]
    assert read_tags(" , ") == []


async def test_tags_are_put_on_once_and_taken_off(floor: Floor, lin: int) -> None:
    ticket = await floor.open()

    first = await floor.do(floor.desk.tag, ticket.id, lin, ["VIP", "batch 7"])
    second = await floor.do(floor.desk.tag, ticket.id, lin, ["vip"])
    gone = await floor.do(floor.desk.untag, ticket.id, lin, "vip")
    again = await floor.do(floor.desk.untag, ticket.id, lin, "vip")

    assert (first, second, gone, again) == (["vip", "batch 7"], [], True, False)
    assert await tags(floor, ticket) == ["batch 7"]
    assert (await floor.actions(ticket))[-2:] == ["ticket.tagged", "ticket.untagged"]
    assert (await floor.fresh(ticket)).version == ticket.version


async def test_a_ticket_has_only_so_many_tags(floor: Floor, lin: int) -> None:
    ticket = await floor.open()
    await floor.do(floor.desk.tag, ticket.id, lin, [f"tag {number}" for number in range(TAGS)])

    with pytest.raises(TooManyTags):
        await floor.do(floor.desk.tag, ticket.id, lin, ["one more"])

    assert await floor.do(floor.desk.tag, ticket.id, lin, ["tag 1"]) == []


async def test_a_lead_renames_a_tag_everywhere_and_joins_it_to_another(
    floor: Floor, lin: int, chen: int, database: Database
) -> None:
    first, second, third = [await floor.open() for _ in range(3)]
    await floor.do(floor.desk.tag, first.id, lin, ["old"])
    await floor.do(floor.desk.tag, second.id, lin, ["old", "new"])
    await floor.do(floor.desk.tag, third.id, lin, ["other"])

    renamed = await floor.do(floor.desk.rename_tag, chen, "old", "New")
    async with database.reading() as session:
        used = await all_tags(session)
    removed = await floor.do(floor.desk.rename_tag, chen, "other", None)

    assert (renamed, removed) == (2, 1)
    assert used == [TagUse("new", 2), TagUse("other", 1)]
    assert await tags(floor, second) == ["new"]
    assert await tags(floor, third) == []
    assert [row.after for row in await floor.all(AuditRow, action="tag.renamed")] == [
        {"tag": "new", "tickets": 2},
        {"tag": None, "tickets": 1},
    ]


async def test_an_agent_renames_no_tag(floor: Floor, lin: int) -> None:
    ticket = await floor.open()
    await floor.do(floor.desk.tag, ticket.id, lin, ["old"])

    with pytest.raises(NotAllowed):
        await floor.do(floor.desk.rename_tag, lin, "old", "new")


async def test_a_tag_without_a_new_name_stays(floor: Floor, lin: int, chen: int) -> None:
    ticket = await floor.open()
    await floor.do(floor.desk.tag, ticket.id, lin, ["old"])

    with pytest.raises(BadTag):
        await floor.do(floor.desk.rename_tag, chen, "old", " ")

    assert await tags(floor, ticket) == ["old"]


async def test_fields_are_kept_changed_and_forgotten(floor: Floor, lin: int) -> None:
    ticket = await floor.open()

    await floor.do(floor.desk.set_fields, ticket.id, lin, {"loss": "12.50", "region": "国服"})
    kept = await floor.do(floor.desk.set_fields, ticket.id, lin, {"loss": "13", "region": "", "batch": "上海 7"})
    await floor.do(floor.desk.set_fields, ticket.id, lin, {"loss": "13"})

    assert kept == {"loss": 13, "batch": "上海 7"} == (await floor.fresh(ticket)).fields
    rows = await floor.all(AuditRow, action="ticket.fields_set")
    assert [(row.before, row.after) for row in rows] == [
        ({"loss": None, "region": None}, {"loss": 12.5, "region": "国服"}),
        ({"batch": None, "loss": 12.5, "region": "国服"}, {"batch": "上海 7", "loss": 13, "region": None}),
    ]
    assert (await floor.fresh(ticket)).version == ticket.version


async def test_one_bad_value_keeps_none_of_them(floor: Floor, lin: int) -> None:
    ticket = await floor.open()

    with pytest.raises(NotAChoice):
        await floor.do(floor.desk.set_fields, ticket.id, lin, {"loss": "1", "region": "日服"})
    with pytest.raises(UnknownField):
        await floor.do(floor.desk.set_fields, ticket.id, lin, {"colour": "red"})
    with pytest.raises(CodeInText):
        await floor.do(floor.desk.set_fields, ticket.id, lin, {"batch": "STEAM-8K2Q-9XWZ-77AB"})

    assert (await floor.fresh(ticket)).fields == {}


async def test_a_code_is_no_tag(floor: Floor, lin: int, chen: int) -> None:
    ticket = await floor.open()
    await floor.do(floor.desk.tag, ticket.id, lin, ["坏卡"])

    for code in ("STEAM-8K2Q-9XWZ-77AB", "steam-8k2q-9xwz-77ab"):
        with pytest.raises(CodeInText):
            await floor.do(floor.desk.tag, ticket.id, lin, ["坏卡", code])
        with pytest.raises(CodeInText):
            await floor.do(floor.desk.rename_tag, chen, "坏卡", code)

    assert await tags(floor, ticket) == ["坏卡"]
