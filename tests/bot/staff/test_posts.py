"""What the bot has to say to somebody: said until Telegram confirms it, and whole."""

import shutil
from pathlib import Path

import pytest

from bot.channels.botapi.lengths import TEXT_LIMIT, width
from bot.staff.posts import DOUBTED
from bot.staff.tables import PostState, StaffPost
from tests.bot.conftest import CODE
from tests.bot.staff.conftest import ANNA
from tests.bot.staff.office import Office


@pytest.fixture
def database_url(sqlite_template: Path, tmp_path: Path) -> str:
    shutil.copy(sqlite_template, tmp_path / "kadesk.db")
    return f"sqlite:///{tmp_path / 'kadesk.db'}"


@pytest.mark.parametrize("fault", ["lost", "cut", "garbage"])
async def test_that_a_reply_was_refused_is_read_though_telegram_does_not_confirm(office: Office, fault: str) -> None:
    ticket = await office.open()
    await office.settle(2)
    thread = await office.thread(ticket)
    office.fake.next_fault("sendMessage", fault)

    await office.write(ANNA, f"卡密是 {CODE}", thread)
    await office.later(seconds=10)

    told = [text for text in office.texts(thread) if text.startswith("✋")]
    assert 1 <= len(told) <= 2
    assert len(set(told)) == 1
    assert {post.state for post in await office.house.all(StaffPost)} == {PostState.SENT}


async def test_what_is_never_confirmed_is_given_up(office: Office) -> None:
    for _ in range(DOUBTED + 3):
        office.fake.next_fault("sendMessage", "lost")

    await office.whisper(ANNA, "/queue")
    await office.later(minutes=5)

    assert len(office.texts(chat=ANNA)) == DOUBTED + 1
    assert [post.state for post in await office.house.all(StaffPost)] == [PostState.UNKNOWN]


async def posts_for(office: Office, *texts: str) -> None:
    now = office.house.clock()
    common = {"bot": str(office.account.id), "chat_id": str(ANNA), "created_at": now, "not_before": now}
    for number, text in enumerate(texts):
        await office.house.add(StaffPost(text=text, cause=f"test:{number}", **common))


async def test_of_many_posts_the_newest_are_told_in_full(office: Office) -> None:
    texts = [f"🔔 {number} {'🃏' * 100}" for number in range(40)]
    await posts_for(office, *texts)

    await office.settle()
    (text,) = office.texts(chat=ANNA)

    assert width(text) <= TEXT_LIMIT
    assert text.startswith("… +")
    assert text.endswith(texts[-1])


async def test_a_very_long_newest_post_is_not_left_out_of_what_is_joined(office: Office) -> None:
    await posts_for(office, "a", "b", "x" * (TEXT_LIMIT - 10))

    await office.settle()

    assert "xxx" in office.texts(chat=ANNA)[0]
