"""What is said on an incident reaches nobody, counts as delivered, and asks nobody what they thought of it."""

from bot.channels.incident import IncidentChannel
from tests.bot.conftest import House
from tickets.conversations import find_or_create
from tickets.tables import Clock, Level, Metric, Outcome, Outgoing, Rating
from tickets.words import INCIDENT


async def test_an_answer_on_an_incident_is_delivered_at_once_and_unrated(house: House) -> None:
    now, agent = house.clock(), await house.hire()
    async with house.database.writing() as session:
        conversation = await find_or_create(session, now, INCIDENT, INCIDENT, "1", "批次", "zh")
        ticket = await house.desk.open(session, now, conversation, "claim", "批次", level=Level.HUMAN_QUEUE)
        await house.desk.resolve(session, now, ticket.id or 0, agent, Outcome.INSTRUCT, "都补发了")

    await house.settle(IncidentChannel())()

    assert {row.state for row in await house.all(Outgoing, channel=INCIDENT)} == {"sent"}
    assert (await house.one(Clock, metric=Metric.HANDLING)).met_at is not None
    assert await house.all(Rating) == []
