"""What staff say and press: replies, notes, commands, buttons; who may, who may not, and what is told to whom."""

import shutil
from pathlib import Path

import pytest

from audit.tables import AuditRow
from bot.fakes.telegram import Refusal
from bot.staff import deeds
from bot.staff.tables import StaffPost
from shop.tables import Refund
from tests.bot.conftest import CODE, ORDER
from tests.bot.staff.conftest import ANNA, BEN, CHEN, STRANGER
from tests.bot.staff.office import Office
from tickets import staff, staff_links
from tickets.link_tables import StaffLink
from tickets.tables import Macro, Message, Outcome, Phase, Ticket


@pytest.fixture
def database_url(sqlite_template: Path, tmp_path: Path) -> str:
    """What a database is asked here is asked in `test_topics` on both."""
    shutil.copy(sqlite_template, tmp_path / "kadesk.db")
    return f"sqlite:///{tmp_path / 'kadesk.db'}"


@pytest.fixture
async def ticket(office: Office) -> Ticket:
    ticket = await office.open()
    await office.settle()
    return ticket


@pytest.fixture
async def thread(office: Office, ticket: Ticket) -> int:
    return await office.thread(ticket)


async def test_words_in_a_topic_are_the_reply_and_a_note_is_none(office: Office, ticket: Ticket, thread: int) -> None:
    await office.write(ANNA, "您好，马上处理", thread)
    await office.write(BEN, "/note 买家是老客户 @anna", thread)
    await office.write(BEN, "/备注 再看看", thread)

    assert [one.text for one in await office.sent_by_staff()] == ["您好，马上处理"]
    notes = [one.text for one in await office.house.all(Message, is_note=True)]
    assert notes == ["买家是老客户 @anna", "再看看"]
    fresh = await office.fresh(ticket)
    assert (fresh.phase, fresh.assignee_id) == (Phase.WAITING, await office.agent("anna"))
    assert "💬" not in "".join(office.texts(thread))  # what was written there is not shown again


async def test_a_code_in_a_reply_is_refused_as_in_the_console(office: Office, ticket: Ticket, thread: int) -> None:
    await office.write(ANNA, "新卡密：ABCDE-12345-FGHIJ", thread)
    await office.write(ANNA, "/note ABCDE-12345-FGHIJ", thread)

    assert await office.house.all(Message, author="agent") == []
    assert all("✋" in text and "卡密" in text for text in office.texts(thread)[-2:])
    assert not any("12345" in post.text for post in await office.house.all(StaffPost))


async def test_who_is_not_linked_reaches_nobody_and_is_told_once(office: Office, ticket: Ticket, thread: int) -> None:
    for text in ("您好", "/note 您好", "/take", "/resolve"):
        await office.write(STRANGER, text, thread)

    assert await office.house.all(Message, author="agent") == []
    assert (await office.fresh(ticket)).version == ticket.version
    assert sum("还没有绑定账号" in one for one in office.texts(thread)) == 1


async def test_an_anonymous_admin_and_another_bot_are_nobody(office: Office, ticket: Ticket, thread: int) -> None:
    await office.write(ANNA, "我是匿名的", thread, sender_chat={"id": office.group, "type": "supergroup"})
    office.enter(6, "另一个机器人")
    office.fake.people[6]["is_bot"] = True
    await office.write(6, "我是机器人", thread)

    assert await office.house.all(Message, author="agent") == []
    assert any("匿名" in text for text in office.texts(thread))


async def test_a_switched_off_account_has_no_hands_from_that_moment(
    office: Office, ticket: Ticket, thread: int
) -> None:
    handle = office.find_button("接手", thread)
    await office.do(staff.disable, "anna")

    popped = await office.press_handle(handle, ANNA)
    await office.write(ANNA, "我还在", thread)

    assert "还没有绑定账号" in popped
    assert await office.house.all(Message, author="agent") == []
    assert (await office.fresh(ticket)).assignee_id is None


async def test_a_press_is_answered_and_has_one_effect(office: Office, ticket: Ticket, thread: int) -> None:
    handle = office.find_button("接手", thread)

    popped = await office.press_handle(handle, ANNA, BEN, ANNA)

    assert popped.splitlines()[0] == "✅ 安娜 接手"
    assert popped.count("用过或过期") == 2
    assert len(office.account.pressed) == 3
    taken = [row for row in await office.house.all(AuditRow) if row.action == "ticket.taken"]
    assert len(taken) == 1
    assert len(handle) == 22


async def test_a_refusal_is_a_private_alert(office: Office, ticket: Ticket, thread: int) -> None:
    await office.do(office.house.desk.take, ticket.id, await office.agent("anna"))
    await office.later(seconds=5)

    popped = await office.press("升级", BEN, thread=thread)

    assert popped.startswith("✋ ")
    assert "安娜" in popped
    assert (await office.fresh(ticket)).level == 1


async def test_a_refusal_that_cannot_pop_up_any_more_is_told_in_private(
    office: Office, ticket: Ticket, thread: int
) -> None:
    await office.do(office.house.desk.take, ticket.id, await office.agent("anna"))
    await office.later(seconds=5)
    office.fake.next_fault("answerCallbackQuery", Refusal(400, "Bad Request: query is too old"))

    await office.press("升级", BEN, thread=thread)
    await office.later(seconds=5)

    assert any("安娜" in text and text.startswith("✋") for text in office.texts(chat=BEN))


@pytest.mark.parametrize(
    ("refusal", "is_answered"),
    [
        pytest.param(Refusal(429, "Too Many Requests: retry after 1", retry_after=1), True, id="it was too early"),
        pytest.param(Refusal(502, "Bad Gateway"), True, id="nobody knows"),
        pytest.param(Refusal(400, "Bad Request: query is too old"), False, id="it will never be answered"),
    ],
)
async def test_a_press_that_telegram_took_no_answer_to_is_answered_with_what_is_said_next(
    office: Office, refusal: Refusal, is_answered: bool
) -> None:
    press = office.fake.press(office.group, "handle", bot=office.account, sender=ANNA)["callback_query"]["id"]
    presses = office.staff._presses
    office.fake.next_fault("answerCallbackQuery", refusal)

    assert not await presses.answer(press, "✅", is_alert=False)
    assert await presses.answer(press, "", is_alert=False) == is_answered


async def test_what_changed_since_the_topic_showed_it_is_not_resolved(
    office: Office, ticket: Ticket, thread: int
) -> None:
    await office.press("解决", CHEN, thread=thread)
    sure = office.find_button("确定", thread)
    await office.do(office.house.desk.reply, ticket.id, await office.agent("ben"), "在控制台回复")

    popped = await office.press_handle(sure, CHEN)
    await office.later(seconds=10)
    again = await office.press_handle(sure, CHEN)

    assert popped.startswith("✋")
    assert again.startswith("✅ 已解决")
    assert "💬 小本: 在控制台回复" in office.texts(thread)
    assert (await office.fresh(ticket)).phase == Phase.RESOLVED


async def test_bad_input_gets_one_clear_sentence(office: Office, ticket: Ticket, thread: int) -> None:
    usage = "没看懂，请这样写"
    bad = {
        "/snooze soon": usage,
        "/snooze 0h": usage,
        "/assign nobody": "没有这个",
        "/merge abc": usage,
        "/merge K-000001": "合并",
        "/merge 99": "没有",
        "/refund lots": "订单",
        "/instruct": "/instruct 要告诉买家的话",
        "/reject": "/reject 告诉买家的理由",
        "/macro 没有的": "快捷回复不存在",
        "/replace": "没有待处理的卡密",
        "/fly": "没有命令 /fly",
        "/note": "先写点内容",
        "/": "没有命令",
    }
    for text in bad:
        await office.write(ANNA, text, thread)

    told = office.texts(thread)[-len(bad) :]
    assert all(one.startswith("✋") and "\n" not in one for one in told)
    missing = [(text, one) for (text, words), one in zip(bad.items(), told, strict=True) if words not in one]
    assert missing == []
    assert (await office.fresh(ticket)).version == ticket.version


async def test_commands_work_in_chinese_and_english(office: Office, ticket: Ticket, thread: int) -> None:
    second = await office.open("小陈", "另一件事")
    await office.later(seconds=5)

    await office.write(ANNA, "/take", thread)
    await office.write(ANNA, "/转给 小本", thread)
    assigned = await office.fresh(ticket)
    await office.write(BEN, "/稍后 2小时", thread)
    await office.write(BEN, "/wake@kadesk_staff_bot", thread)
    await office.write(BEN, "/escalate 要退差价，我定不了", thread)
    raised = await office.fresh(ticket)
    await office.later(seconds=5)
    await office.write(CHEN, f"/合并 {second.number.lower()}", thread)

    assert assigned.assignee_id == await office.agent("ben")
    assert raised.level == 2
    merged = await office.fresh(ticket)
    assert (merged.phase, merged.merged_into_id) == (Phase.CLOSED, second.id)
    told = office.texts(thread)
    assert "✅ 休眠到 03-02 14:00；买家说话或到期会提前醒" in told
    assert "✅ 已并入 K-000002，请到那边继续" in told


async def test_a_refund_asks_the_shop_first_and_then_whoever_may(office: Office, ticket: Ticket, thread: int) -> None:
    async with office.house.database.writing() as session:
        kept = await session.get_one(Ticket, ticket.id)
        kept.order_ref = f"demo/{ORDER}"
    await office.later(seconds=5)

    await office.write(CHEN, "/refund 12.50", thread)
    asked = await office.house.all(Refund)
    await office.write(CHEN, "/退款 9999", thread)
    await office.write(ANNA, "/refund abc", thread)

    assert [(one.amount, one.order_no) for one in asked] == [(1250, ORDER)]
    first, second, third = (text for text in office.texts(thread) if text.startswith(("✅", "✋")))
    assert first == "✅ 已申请退款，进展会告诉买家"
    assert second.startswith("✋")
    assert "没看懂" in third
    assert len(await office.house.all(Refund)) == 1


async def test_a_macro_is_shown_before_it_is_sent(office: Office, ticket: Ticket, thread: int) -> None:
    await office.house.add(Macro(name="稍等", reply="{buyer}您好，{number}", tags=[], created_at=office.house.clock()))

    await office.press("快捷回复", ANNA, thread=thread)
    await office.press("稍等", ANNA, thread=thread)
    shown = office.texts(thread)[-1]
    sent_before = await office.sent_by_staff()
    await office.press("发送", ANNA, thread=thread)

    assert "小陈您好，K-000001" in shown
    assert sent_before == []
    assert [one.text for one in await office.sent_by_staff()] == ["小陈您好，K-000001"]


async def test_choice_preview_and_what_came_of_it_are_one_message(office: Office, ticket: Ticket, thread: int) -> None:
    await office.house.add(Macro(name="记一笔", reply="", tags=["vip"], created_at=office.house.clock()))
    before = len(office.texts(thread))

    await office.press("快捷回复", ANNA, thread=thread)
    choice = office.texts(thread)[before:]
    await office.press("记一笔", ANNA, thread=thread)
    preview = office.texts(thread)[before:]
    await office.press("确定", BEN, thread=thread)
    done = office.texts(thread)[before:]

    assert choice == ["选一个快捷回复："]
    assert preview == ["K-000001 用快捷回复“记一笔”？它不给买家发消息，只改状态、标签或处理人。"]
    assert done == ["✅ 已用快捷回复“记一笔” · 小本"]
    with pytest.raises(AssertionError, match="no button"):
        office.find_button("确定", thread)


async def test_a_preview_that_was_deleted_goes_on_in_a_new_message(office: Office, ticket: Ticket, thread: int) -> None:
    await office.press("解决", ANNA, thread=thread)
    handle = office.find_button("确定", thread)
    office.fake.next_fault("editMessageText", Refusal(400, "Bad Request: message to edit not found"))
    await office.press_handle(handle, ANNA)
    await office.later(seconds=5)

    assert "✅ 已解决（说明），买家会收到通知 · 安娜" in office.texts(thread)


async def test_what_the_buyer_said_meanwhile_is_read_before_the_matter_ends(
    office: Office, ticket: Ticket, thread: int
) -> None:
    await office.press("解决", ANNA, thread=thread)
    await office.hear(ticket, "等等，还是不行")

    await office.press("确定", ANNA, thread=thread)
    refused, phase = [one.text for one in await office.house.all(StaffPost)][-1], (await office.fresh(ticket)).phase
    shown = office.texts(thread)[-1]
    await office.press("确定", ANNA, thread=thread)

    assert refused == "✋ K-000001 刚有变化：请先看话题里的新内容，再操作一次。"
    assert "还是不行" in shown
    assert (phase, (await office.fresh(ticket)).phase) == (Phase.OPEN, Phase.RESOLVED)


async def test_without_that_look_it_would_end_unread(
    office: Office, ticket: Ticket, thread: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def careless(asked: object) -> bool:
        return True

    monkeypatch.setattr(deeds, "_is_heard_out", careless)
    await office.press("解决", ANNA, thread=thread)
    await office.hear(ticket, "等等，还是不行")

    await office.press("确定", ANNA, thread=thread)

    assert (await office.fresh(ticket)).phase == Phase.RESOLVED


@pytest.mark.parametrize(
    ("typed", "answer"),
    [
        pytest.param("/refund", "✋ K-000002 没有关联订单，不能在这里退款", id="a refund of no order"),
        pytest.param("/assign", "✋ 没看懂，请这样写：/assign 同事的名字", id="to nobody"),
        pytest.param("/snooze soon", "✋ 没看懂，请这样写：/snooze 4h · 30分钟", id="no time"),
        pytest.param("/merge x", "✋ 没看懂，请这样写：/merge K-000123", id="no number"),
        pytest.param("ABCDE-12345-FGHIJ-67890", "✋ 文字里有像卡密的内容（****-7890），没有发给买家", id="a code"),
    ],
)
async def test_what_cannot_be_done_is_said_so_that_it_can_be_done_right(
    office: Office, ticket: Ticket, thread: int, typed: str, answer: str
) -> None:
    plain = await office.open("阿强", "怎么还没有人理我")
    await office.settle()

    await office.write(ANNA, typed, await office.thread(plain))

    assert office.texts(await office.thread(plain))[-1].startswith(answer)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize(("said", "edited"), [(f"卡密是 {CODE}", "卡密发您了"), ("/tak", "/take")])
async def test_an_edit_of_what_was_not_sent_is_not_silently_lost(
    office: Office, thread: int, said: str, edited: str
) -> None:
    message = await office.write(ANNA, said, thread)

    office.fake.edit(office.group, message["message_id"], edited, bot=office.account)
    await office.settle()

    assert await office.sent_by_staff() == []
    assert office.texts(thread)[-1] == "✋ 这次编辑不会发给买家，命令也不会因编辑而执行；请另发一条。"


async def test_an_edit_is_sent_on_as_a_correction_while_it_is_young(
    office: Office, ticket: Ticket, thread: int
) -> None:
    said = await office.write(ANNA, "明天到账", thread)
    office.fake.edit(office.group, said["message_id"], "明天到账", bot=office.account)
    office.fake.edit(office.group, said["message_id"], "今天到账", bot=office.account)
    await office.settle()
    office.house.clock.advance(minutes=16)
    office.fake.edit(office.group, said["message_id"], "后天到账", bot=office.account)
    await office.settle()

    assert [one.text for one in await office.sent_by_staff()] == ["明天到账", "更正：今天到账"]
    assert "编辑不会发给买家" in office.texts(thread)[-1]


async def test_linking_and_unlinking_in_private(office: Office) -> None:
    dora = await office.hire("dora", "多拉")
    code = await office.do(staff_links.offer_code, office.house.vault, dora.id)

    strange = await office.whisper(555, "你好")
    welcome = await office.whisper(555, "/start")
    wrong = await office.whisper(555, "/link ABCDEFGHJK")
    linked = await office.whisper(555, f"/link {code}")
    again = await office.whisper(556, f"/link {code}")
    mine = await office.whisper(555, "/mine")
    await office.whisper(555, "/unlink")

    assert "还没有绑定" in strange
    assert "/link 码" in welcome
    assert "绑定码不对" in wrong
    assert "已绑定到 多拉" in linked
    assert "绑定码不对" in again
    assert mine == "您手上没有工单。"
    assert dora.id not in [link.agent_id for link in await office.house.all(StaffLink)]


async def test_lists_in_the_general_topic_and_in_private(office: Office, ticket: Ticket, thread: int) -> None:
    await office.write(ANNA, "/next")
    taken = await office.fresh(ticket)
    queue = await office.whisper(ANNA, "/queue")
    mine = await office.whisper(ANNA, "/mine")
    found = await office.whisper(ANNA, "/find 小陈")
    by_number = await office.whisper(ANNA, "/查 k-1")
    nothing = await office.whisper(ANNA, "/find 不存在的人")
    sla = await office.whisper(ANNA, "/sla")
    await office.write(ANNA, "/take")

    assert taken.assignee_id == await office.agent("anna")
    assert queue == "队列是空的 🎉"
    assert "K-000001" in mine
    assert f"https://t.me/c/{str(office.group)[4:]}/{thread}" in found
    assert "K-000001" in by_number
    assert nothing == "没有找到。"
    assert "近 24 小时没有到期的工单。" in sla
    assert "要在工单的话题里用" in office.texts()[-1]


async def test_chatter_and_strange_groups_are_left_alone(office: Office) -> None:
    other = office.fake.group("别的群", people=[ANNA], admins=[office.account.id], bots=[office.account])
    before = len(office.fake.sent)

    await office.write(ANNA, "中午吃什么")
    office.fake.send(other, {"text": "hello"}, bot=office.account, sender=ANNA)
    await office.settle()
    silent = len(office.fake.sent) == before
    office.fake.send(other, {"text": "/start"}, bot=office.account, sender=ANNA)
    await office.settle()

    assert silent
    assert str(other) in office.texts(chat=other)[0]


async def test_resolving_says_how_and_closes(office: Office, ticket: Ticket, thread: int) -> None:
    await office.write(ANNA, "/resolve 说明 已经为您开通", thread)
    await office.later(seconds=5)

    fresh = await office.fresh(ticket)
    sent = [one.text for one in await office.sent_by_staff()]
    assert fresh.phase == Phase.RESOLVED
    assert sent[0].startswith("已经为您开通\n\n")
    assert (await office.topic(ticket)).is_closed
    cycle = [row.after for row in await office.house.all(AuditRow) if row.action == "ticket.resolved"]
    assert cycle[0]["outcome"] == Outcome.INSTRUCT


async def test_an_update_that_comes_twice_takes_effect_once(office: Office, ticket: Ticket, thread: int) -> None:
    update = office.fake.send(office.group, {"text": "您好"}, bot=office.account, sender=ANNA, thread_id=thread)
    await office.receive(update, update)
    await office.settle()
    await office.receive(update)
    await office.settle()

    assert len(await office.sent_by_staff()) == 1


async def test_odd_updates_hold_nothing_up(office: Office, ticket: Ticket, thread: int) -> None:
    person = {"chat": {"id": "-5", "type": "supergroup"}, "from": {"id": "7"}}
    odd: list[dict[str, object]] = [
        {},
        {"message": None},
        {"message": []},
        {"message": {"chat": {"id": "x"}}},
        {"message": person | {"text": 3}},
        {"callback_query": {"id": 1}},
        {"later_kind": {"x": 1}},
        {"message": person | {"text": "hi", "date": "soon"}},
    ]
    for one in odd:
        office.fake.push(one, bot=office.account)

    await office.write(ANNA, "您好", thread)

    assert len(await office.sent_by_staff()) == 1


async def test_string_ids_are_read_as_numbers(office: Office, ticket: Ticket, thread: int) -> None:
    message = {
        "message_id": "900",
        "date": "1772424000",
        "chat": {"id": str(office.group), "type": "supergroup"},
        "from": {"id": str(ANNA), "first_name": "安娜"},
        "message_thread_id": str(thread),
        "is_topic_message": True,
        "text": "您好",
    }
    office.fake.push({"message": message}, bot=office.account)
    await office.settle()

    assert [one.text for one in await office.sent_by_staff()] == ["您好"]
