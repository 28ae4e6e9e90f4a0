"""Documents and voices on the ticket page: saved by staff who signed in, shown to nobody, on record."""

from sqlmodel import select

from audit.tables import AuditRow
from tests.console.conftest import Stage, Visitor
from tickets import files
from tickets.conversations import add_message
from tickets.file_kinds import recognise
from tickets.tables import Category, Level

HTML = b"%PDF-1.4 <script>alert(1)</script>"


async def test_only_staff_save_a_file_and_no_browser_shows_it(
    stage: Stage, visitor: Visitor, signed_in: Visitor
) -> None:
    conversation, now = await stage.meet(), stage.clock()
    async with stage.database.writing() as session:
        ticket = await stage.desk.open(session, now, conversation, Category.CLAIM, "x", level=Level.HUMAN_QUEUE)
        message = await add_message(session, now, conversation, "", ticket=ticket)
        file = recognise(HTML, {"kind": "document", "file_name": '收据".html'})
        assert file is not None
        kept = await files.keep(session, now, stage.vault, message, file)

    page = await signed_in.get(f"/console/tickets/{ticket.number}")
    answer = await signed_in.get(f"/console/files/{kept.id}")
    stranger = await visitor.get(f"/console/files/{kept.id}")
    unknown = [(await signed_in.get(f"/console/files/{name}")).status_code for name in ("99", "x", "9" * 30)]

    assert f'href="/console/files/{kept.id}" download' in page.text
    assert (answer.status_code, answer.content, stranger.status_code, unknown) == (200, HTML, 303, [404, 404, 404])
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["content-disposition"] == "attachment; filename*=UTF-8''%E6%94%B6%E6%8D%AE.pdf"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "sandbox" in answer.headers["content-security-policy"]
    async with stage.database.reading() as session:
        seen = select(AuditRow.subject).where(AuditRow.action == "file.saved")
        assert (await session.exec(seen)).all() == [f"file:{kept.id}"]
