"""Pictures in a ticket's topic go to the buyer as words do: all of them, within limits, or none and a reason."""

from typing import Any

import pytest

from bot.fakes.calls import Upload
from bot.fakes.refusal import Refusal
from tests.bot.staff.conftest import ANNA, STRANGER
from tests.bot.staff.office import Office
from tests.tickets.test_pixels import file_of, screenshot
from tickets import pictures
from tickets.tables import Message, Outgoing, Picture, Ticket

PNG = file_of(screenshot(size=(90, 160)))


@pytest.fixture
async def ticket(office: Office) -> Ticket:
    ticket = await office.open()
    await office.settle(2)
    return ticket


async def show(office: Office, ticket: Ticket, caption: str = "", *files: bytes, sender: int = ANNA) -> None:
    """In the ticket's topic; several come as an album."""
    place: dict[str, Any] = {"bot": office.account, "sender": sender, "thread_id": await office.thread(ticket)}
    if len(files) > 1:
        office.fake.album(office.group, files, caption, **place)
    else:
        office.fake.photo(office.group, files[0] if files else PNG, caption, **place)
    await office.settle(4)


async def test_a_photo_with_words_goes_to_the_buyer_and_is_not_shown_twice(office: Office, ticket: Ticket) -> None:
    thread = await office.thread(ticket)

    await show(office, ticket, "看红圈")

    (said,) = await office.sent_by_staff()
    (picture,) = await office.house.all(Picture)
    assert (said.text, said.attachments) == ("看红圈", [{"kind": "photo", "picture": picture.id}])
    assert (picture.width, picture.height, picture.is_ours) == (90, 160, True)
    assert pictures.read(office.house.vault, picture)[:2] == b"\xff\xd8"
    assert (await office.house.one(Outgoing, message_id=said.id)).handles
    assert not [sent for sent in office.fake.sent if sent.thread_id == thread and sent.method == "sendPhoto"]
    assert "✋" not in "".join(office.texts(thread))


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("kind", ["poll", "venue", "voice"])
async def test_what_goes_to_no_buyer_is_told_whatever_it_is(office: Office, ticket: Ticket, kind: str) -> None:
    thread = await office.thread(ticket)

    office.fake.send(office.group, {kind: {"id": "1"}}, bot=office.account, sender=ANNA, thread_id=thread)
    await office.settle()

    assert office.texts(thread)[-1].startswith("✋ 机器人只能把文字和图片")


async def test_an_album_is_one_message_and_a_later_edit_corrects_its_words(office: Office, ticket: Ticket) -> None:
    await show(office, ticket, "看红圈", PNG, file_of(screenshot(2)))
    (said,) = await office.sent_by_staff()
    number = next(n for n, one in office.fake.groups[office.group].messages.items() if one.get("caption") == "看红圈")

    office.fake.edit(office.group, number, "看蓝圈", bot=office.account)
    await office.settle(3)

    assert len(said.attachments) == 2
    assert [one.text for one in await office.sent_by_staff()] == ["看红圈", "更正：看蓝圈"]


@pytest.mark.parametrize(
    ("caption", "files", "sentence"),
    [
        ("/note 看红圈", [PNG], "命令不能带图片"),
        ("K7Q2M-9XH4T-R3VNP", [PNG], "像卡密"),
        ("", [b"no picture"], "打不开"),
        ("", [PNG, b"no picture"], "打不开"),
        ("", [PNG] * 5, "最多发 4 张"),
    ],
    ids=["a command", "a code", "no picture", "one of two is none", "too many"],
)
async def test_what_cannot_go_out_goes_out_in_no_part(
    office: Office, ticket: Ticket, caption: str, files: list[bytes], sentence: str
) -> None:
    await show(office, ticket, caption, *files)

    assert (await office.sent_by_staff(), await office.house.all(Picture)) == ([], [])
    assert sentence in office.texts(await office.thread(ticket))[-1]


async def test_other_files_stay_in_the_group(office: Office, ticket: Ticket) -> None:
    place = {"bot": office.account, "sender": ANNA, "thread_id": await office.thread(ticket)}
    office.fake.file(office.group, "document", Upload("a.pdf", "application/pdf", b"%PDF"), "看这个", **place)
    await office.settle(3)

    assert await office.sent_by_staff() == []
    assert "放链接" in office.texts(await office.thread(ticket))[-1]


async def test_nobody_whom_we_do_not_know_sends_buyers_pictures(office: Office, ticket: Ticket) -> None:
    await show(office, ticket, "看红圈", sender=STRANGER)

    assert (await office.house.all(Message, author="agent"), await office.house.all(Picture)) == ([], [])


@pytest.mark.parametrize(("faults", "sent"), [(1, 1), (4, 0)])
async def test_while_files_are_away_it_is_tried_again_and_then_said(
    office: Office, ticket: Ticket, faults: int, sent: int
) -> None:
    for _ in range(faults):
        office.fake.next_fault("getFile", Refusal(502, "Bad Gateway"))

    await show(office, ticket, "看红圈")
    await office.later(minutes=1)

    assert len(await office.sent_by_staff()) == sent
    assert ("没能从 Telegram 取到" in "".join(office.texts(await office.thread(ticket)))) == (not sent)
