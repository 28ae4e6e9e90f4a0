"""Updates of every shape: `take` and `read` bear whatever comes, and what is understood is understood right."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.channels.port import Business, Kind, Update
from bot.channels.telegram.reading import read, take

BOT = "123456789"
CHAT = {"id": 42, "type": "private"}
ANNA = {"id": 42, "first_name": "小", "last_name": "陈", "language_code": "zh-hans"}


def message(**content: Any) -> dict[str, Any]:
    return {"message_id": 7, "date": 1772424000, "chat": CHAT, "from": ANNA} | content


def update(**content: Any) -> Any:
    found = take("telegram", BOT, {"update_id": 1} | content)
    return read(found) if found else None


WORDS = """
message edited_message callback_query my_chat_member business_message deleted_business_messages business_connection
chat from id type text caption photo document voice contact location latitude date message_id message_ids user rights
reply_to_message media_group_id data new_chat_member status file_id file_name file_size phone_number update_id
"""
KEYS = st.sampled_from(WORDS.split())
VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=5),
    st.sampled_from(["private", "\ud800", "42"]),
)
SHAPES = st.recursive(
    VALUES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=6), max_leaves=40
)


@settings(max_examples=40, deadline=None)
@given(st.dictionaries(KEYS, SHAPES, max_size=5), st.dictionaries(KEYS, SHAPES, max_size=8))
def test_no_shape_breaks_what_reads_it(raw: dict[str, Any], body: dict[str, Any]) -> None:
    addressed = {"update_id": 1, "message": body | {"chat": CHAT}}
    for shape in (raw, {"update_id": 1} | raw, addressed, {"update_id": 1, "edited_message": body | {"chat": CHAT}}):
        found = take("telegram", BOT, shape)
        if found is not None:
            found.raw.encode()
            inbound = read(found)
            assert inbound.address == found.address
            json.dumps(inbound.attachments, allow_nan=False).encode()
            inbound.name.encode()


@pytest.mark.parametrize("raw", [None, 5, "text", [], {}, {"update_id": 1}, {"update_id": 1, "poll": {}}], ids=repr)
def test_what_nobody_said_is_not_stored(raw: object) -> None:
    assert take("telegram", BOT, raw) is None


@pytest.mark.parametrize(
    "content",
    [
        {"message": message(pinned_message={})},
        {"message": message(forum_topic_created={"name": "K-000001"})},
        {"message": message(text="in a group", chat={"id": -100, "type": "supergroup"})},
        {"message": message(migrate_to_chat_id=-1001, chat={"id": -100, "type": "group"})},
        {"message": message(text="our own", **{"from": {"id": int(BOT), "is_bot": True}})},
        {"edited_message": message(location={"latitude": 1, "longitude": 2})},
        {"business_message": message(text="we said it", sender_business_bot={"id": 1}, business_connection_id="b")},
        {"my_chat_member": {"chat": {"id": -100, "type": "group"}, "new_chat_member": {"status": "member"}}},
    ],
    ids=["pin", "topic", "group", "migration", "own words", "a walk", "own business words", "into a group"],
)
def test_what_is_not_a_buyer_speaking_in_private_is_left_out(content: dict[str, Any]) -> None:
    assert update(**content) is None


@pytest.mark.parametrize(
    ("content", "kind", "attachment"),
    [
        ({"sticker": {"file_id": "s", "emoji": "😭"}}, Kind.STICKER, {"file_id": "s", "emoji": "😭"}),
        ({"video": {"file_id": "v", "duration": 3}}, Kind.VIDEO, {"file_id": "v", "duration": 3}),
        ({"animation": {"file_id": "a"}, "document": {"file_id": "a"}}, Kind.VIDEO, {"file_id": "a"}),
        ({"location": {"latitude": 31.123456, "longitude": 2}}, Kind.LOCATION, {"latitude": 31.12346, "longitude": 2}),
        ({"contact": {"phone_number": "+86 138 0013 8000", "vcard": "…"}}, Kind.CONTACT, {"phone": "****8000"}),
        ({"audio": {"file_id": "a", "file_name": "K7Q2M-9XH4T-R3VNP.mp3"}}, Kind.VOICE, {"file_id": "a"}),
        ({"dice": {"emoji": "🎲", "value": 6}}, Kind.OTHER, {}),
        ({"text": 5}, Kind.OTHER, {}),
    ],
    ids=["sticker", "video", "gif", "location", "contact", "a code for a name", "dice", "malformed"],
)
def test_whatever_came_along_is_named(content: dict[str, Any], kind: Kind, attachment: dict[str, Any]) -> None:
    inbound = update(message=message(**content))

    (found,) = inbound.attachments
    assert inbound.kind == kind
    assert "K7Q2M" not in str(found)
    assert found.items() >= attachment.items()


def test_a_command_may_name_the_bot() -> None:
    start = update(message=message(text="/start@kadesk_bot order-77"))
    other = update(message=message(text="/human@kadesk_bot"))

    assert (start.kind, start.text) == (Kind.START, "order-77")
    assert (other.kind, other.text) == (Kind.TEXT, "/human")


def test_a_reply_names_what_it_answers() -> None:
    assert update(message=message(text="好", reply_to_message={"message_id": 5})).reply_to == "5"


def test_business_chats_have_addresses_of_their_own() -> None:
    said = message(text="在吗", business_connection_id="biz1")
    inbound = update(business_message=said)
    owner = update(
        business_message=said | {"from": {"id": 9, "first_name": "老板"}, "chat": CHAT | {"first_name": "小陈"}}
    )
    gone = update(deleted_business_messages={"business_connection_id": "biz1", "chat": CHAT, "message_ids": [7, "8"]})

    assert (inbound.address, inbound.connection, inbound.by_owner) == ("biz1/42", "biz1", False)
    assert (owner.address, owner.by_owner, owner.name) == ("biz1/42", True, "小陈")
    assert (gone.kind, gone.withdrawn, gone.address) == (Kind.WITHDRAWN, ("7", "8"), "biz1/42")


@pytest.mark.parametrize("rights", [{"can_reply": True}, {"rights": {"can_reply": True}}], ids=["before 9.0", "since"])
def test_a_business_says_whether_we_may_answer(rights: dict[str, Any]) -> None:
    raw = {"id": "biz1", "user": {"id": 9}, "user_chat_id": 9, "date": 1, "is_enabled": True} | rights

    assert update(business_connection=raw).business == Business("biz1", "9", True, True)


def test_leaving_and_coming_back() -> None:
    change = {"chat": CHAT, "from": ANNA, "date": 1, "new_chat_member": {"status": "kicked"}}

    assert update(my_chat_member=change).kind == Kind.LEFT
    assert update(my_chat_member=change | {"new_chat_member": {"status": "member"}}).kind == Kind.BACK


def test_parts_of_an_album_share_a_word() -> None:
    found = take("telegram", BOT, {"update_id": 1, "message": message(photo=[{"file_id": "p"}], media_group_id="77")})

    assert found is not None
    assert found.album == "77"
    assert isinstance(found, Update)


def test_a_group_of_no_type_is_no_buyer() -> None:
    message = {"message_id": 1, "date": 1, "text": "x"}

    assert take("telegram", "1", {"update_id": 1, "message": message | {"chat": {"id": "-100"}}}) is None
    assert take("telegram", "1", {"update_id": 1, "message": message | {"chat": {"id": "100"}}})
