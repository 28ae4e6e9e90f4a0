"""What a buyer typed and the thread hides is shown once, to those who may, with a reason."""

from tests.console.conftest import Stage, Visitor, text_of
from tickets import conversations
from tickets.hidden_words import keep_typed
from tickets.tables import id_of

CODE = "ABCDE-12345-FGHIJ"


async def paste(stage: Stage) -> tuple[str, int]:
    """A buyer pastes a code on a ticket; its number, and the message."""
    conversation = await stage.meet()
    ticket = await stage.open(conversation)
    async with stage.database.writing() as session:
        message = await conversations.add_message(session, stage.clock(), conversation, "卡密 ****-GHIJ", ticket=ticket)
        keep_typed(stage.vault, message, f"卡密 {CODE}")
        return ticket.number, id_of(message)


async def test_the_words_are_shown_once_and_in_no_address(stage: Stage, signed_in: Visitor) -> None:
    number, message = await paste(stage)
    page = await signed_in.get(f"/console/tickets/{number}")

    shown = await signed_in.submit(f"/console/typed/{number}/{message}", reason="和平台核对")

    assert CODE not in page.text
    assert f"/console/typed/{number}/{message}" in page.text
    assert CODE in text_of(shown)
    assert shown.headers["cache-control"] == "no-store"
    again = await signed_in.get(f"/console/typed/{number}/{message}")
    assert CODE not in again.text


async def test_without_a_reason_the_ticket_page_says_so(stage: Stage, signed_in: Visitor) -> None:
    number, message = await paste(stage)

    refused = await signed_in.submit(f"/console/typed/{number}/{message}", reason=" ")

    assert refused.status_code == 303
    assert "请写明为什么要看。" in text_of(await signed_in.get(f"/console/tickets/{number}"))
