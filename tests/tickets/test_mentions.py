"""Mentions: who is told of a note, and what stays text."""

import pytest

from tests.tickets.conftest import Floor
from tickets.mentions import find_mentioned
from tickets.tables import Notice

LOGINS = ("lin", "linda", "o.chen")


@pytest.mark.parametrize(
    ("text", "logins"),
    [
        pytest.param("@lin 看一下", ["lin"], id="at the start"),
        pytest.param("请@Lin帮我看看", ["lin"], id="between Chinese words"),
        pytest.param("ask @linda and @lin, then @linda.", ["linda", "lin"], id="the longer login first, each once"),
        pytest.param("@o.chen!", ["o.chen"], id="a login with a dot"),
        pytest.param("mail lin@lin.example or x@lin", [], id="a mail address"),
        pytest.param("@linus @lin_ @lin-x @lin.example", [], id="longer words"),
        pytest.param("@nobody @ lin", [], id="unknown, or apart"),
    ],
)
def test_a_mention_is_an_at_and_a_login(text: str, logins: list[str]) -> None:
    assert find_mentioned(text, LOGINS) == logins


def test_nobody_can_be_mentioned_where_nobody_is() -> None:
    assert find_mentioned("@lin", ()) == []


async def test_a_mentioned_colleague_gets_one_notice_with_the_ticket(floor: Floor, lin: int, ming: int) -> None:
    gone = await floor.hire("gone", is_active=False)
    ticket = await floor.open()

    await floor.do(floor.desk.note, ticket.id, lin, "@ming 这个批次 @MING 你熟，@lin @gone @nobody")

    (notice,) = await floor.all(Notice)
    assert (notice.agent_id, notice.ticket_id) == (ming, ticket.id)
    assert "notice.mentioned" in notice.text
    assert "agent=Lin" in notice.text
    assert gone not in {row.agent_id for row in await floor.all(Notice)}
