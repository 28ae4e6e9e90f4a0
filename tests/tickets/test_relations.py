"""Links between tickets, and incidents of several."""

from datetime import timedelta

import pytest

from audit.errors import KadeskError
from tests.tickets.conftest import Floor
from tickets.errors import InvalidTransition, Nested, NotLinked, SameTicket
from tickets.relations import children_of, relations_of
from tickets.tables import LinkKind, Message, Outcome, Phase, Ticket, TicketLink

HOUR = timedelta(hours=1)


async def test_a_link_names_the_earlier_ticket_and_is_made_once(floor: Floor, lin: int) -> None:
    earlier, later = await floor.open(), await floor.open(await floor.meet("another buyer"))

    first = await floor.do(floor.desk.link, earlier.id, later.id, lin)
    again = await floor.do(floor.desk.link, later.id, earlier.id, lin)

    assert (first, again) == (True, False)
    link = await floor.one(TicketLink)
    assert (link.ticket_id, link.other_id, link.kind) == (later.id, earlier.id, LinkKind.RELATED)
    assert (await floor.actions(earlier))[-1] == (await floor.actions(later))[-1] == "ticket.linked"
    async with floor.database.reading() as session:
        (seen,) = await relations_of(session, later.id or 0)
    assert (seen.ticket.id, seen.is_earlier) == (earlier.id, True)


async def test_a_link_can_be_taken_back_and_a_fact_cannot(floor: Floor, lin: int) -> None:
    one, other = await floor.open(), await floor.open()
    await floor.do(floor.desk.link, one.id, other.id, lin)

    await floor.do(floor.desk.unlink, one.id, other.id, lin)

    assert await floor.all(TicketLink) == []
    assert (await floor.actions(one))[-1] == "ticket.unlinked"
    async with floor.database.writing() as session:
        session.add(TicketLink(ticket_id=other.id, other_id=one.id, kind=LinkKind.FOLLOWS))
    with pytest.raises(NotLinked):
        await floor.do(floor.desk.unlink, one.id, other.id, lin)


async def test_a_ticket_is_not_linked_with_itself(floor: Floor, lin: int) -> None:
    ticket = await floor.open()

    with pytest.raises(SameTicket):
        await floor.do(floor.desk.link, ticket.id, ticket.id, lin)


# Incidents


async def incident(floor: Floor, agent: int, parts: int = 2) -> tuple[Ticket, list[Ticket]]:
    """A ticket, and those of other buyers that are part of it."""
    parent = await floor.open()
    children = [await floor.open(await floor.meet(f"buyer-{number}")) for number in range(2, parts + 2)]
    for child in children:
        await floor.do(floor.desk.set_parent, child.id, parent.id, agent)
    return parent, children


async def test_a_part_knows_its_incident_and_leaves_it_again(floor: Floor, lin: int) -> None:
    parent, (first, second) = await incident(floor, lin)

    await floor.do(floor.desk.set_parent, first.id, None, lin)

    async with floor.database.reading() as session:
        assert [child.id for child in await children_of(session, parent.id or 0)] == [second.id]
    assert (await floor.actions(first)).count("ticket.parent_set") == 2


@pytest.mark.parametrize(
    ("case", "error"),
    [
        ("itself", SameTicket),
        ("a part of a part", Nested),
        ("an incident as a part", Nested),
        ("round in a circle", Nested),
        ("closed", InvalidTransition),
    ],
)
async def test_an_incident_is_one_level_deep(floor: Floor, lin: int, case: str, error: type[KadeskError]) -> None:
    parent, (child, _) = await incident(floor, lin)
    other = await floor.open()
    if case == "closed":
        await floor.do(floor.desk.mark_spam, other.id, lin)
    ticket, above = {
        "itself": (parent, parent),
        "a part of a part": (other, child),
        "an incident as a part": (parent, other),
        "round in a circle": (parent, child),
        "closed": (other, parent),
    }[case]

    with pytest.raises(error):
        await floor.do(floor.desk.set_parent, ticket.id, above.id, lin)


async def test_a_reply_to_all_answers_every_buyer_where_they_are(floor: Floor, lin: int) -> None:
    parent, (first, second) = await incident(floor, lin)
    await floor.do(floor.desk.resolve, second.id, lin, Outcome.INSTRUCT)
    await floor.deliver()

    await floor.do(floor.desk.reply_to_all, parent.id, lin, "上家正在修，请稍等")

    said = await floor.all(Message, text="上家正在修，请稍等")
    assert [(one.ticket_id, one.conversation_id) for one in said] == [
        (parent.id, parent.conversation_id),
        (first.id, first.conversation_id),
    ]
    assert (await floor.fresh(first)).phase == Phase.WAITING


async def test_resolving_an_incident_can_resolve_its_parts(floor: Floor, lin: int) -> None:
    parent, children = await incident(floor, lin)

    await floor.do(floor.desk.resolve_all, parent.id, lin, Outcome.INSTRUCT, "修好了")

    assert {(await floor.fresh(one)).phase for one in (parent, *children)} == {Phase.RESOLVED}
    assert len([text for text in await floor.queued() if text.startswith("修好了")]) == 3


async def test_when_one_part_refuses_nothing_is_resolved(floor: Floor, lin: int, ming: int) -> None:
    parent, (first, second) = await incident(floor, lin)
    await floor.do(floor.desk.take, second.id, ming)

    with pytest.raises(KadeskError, match="Ming"):
        await floor.do(floor.desk.resolve_all, parent.id, lin, Outcome.INSTRUCT)

    assert {(await floor.fresh(one)).phase for one in (parent, first, second)} == {Phase.OPEN}
    assert await floor.queued() == []


async def test_an_incident_resolved_alone_leaves_its_parts(floor: Floor, lin: int) -> None:
    parent, (first, _) = await incident(floor, lin)

    await floor.do(floor.desk.resolve, parent.id, lin, Outcome.INSTRUCT)

    assert (await floor.fresh(first)).phase == Phase.OPEN
