import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.dialogue import reading
from bot.dialogue.acts import Act
from tickets.tables import Reason


@pytest.mark.parametrize(
    ("text", "act"),
    [
        ("转人工", Act.HUMAN),
        ("转人工！！！", Act.HUMAN),
        ("我要转人工", Act.HUMAN),
        ("人工", Act.HUMAN),
        ("請轉人工", Act.HUMAN),
        ("你好，我想找真人客服", Act.HUMAN),
        ("客服", Act.HUMAN),
        ("human", Act.HUMAN),
        ("Human, please!", Act.HUMAN),
        ("talk to a person", Act.HUMAN),
        ("I want to speak to a real person", Act.HUMAN),
        ("AGENT", Act.HUMAN),
        ("/human", Act.HUMAN),
        ("取消", Act.CANCEL),
        ("cancel", Act.CANCEL),
        ("算了", Act.CANCEL),
        ("我的工单", Act.TICKETS),
        ("查一下我的工单", Act.TICKETS),
        ("my tickets", Act.TICKETS),
        ("催单", Act.HURRY),
        ("Hurry!", Act.HURRY),
        ("快点啊", Act.HURRY),
        ("能快点吗", Act.HURRY),
        ("快递多久到", None),
        ("菜单", Act.MENU),
        ("help", Act.MENU),
        ("客服几点上班", None),
        ("人工智能会员多少钱", None),
        ("cancel my subscription to Netflix", None),
        ("human resources card", None),
        ("", None),
    ],
)
def test_commands_are_whole_messages(text: str, act: Act | None) -> None:
    assert reading.find_command(text) == act


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("AB12CD34EF56GH78", "AB12CD34EF56GH78"),
        ("ab12cd34ef56gh78", "ab12cd34ef56gh78"),
        ("ＡＢ１２ＣＤ３４ＥＦ５６ＧＨ７８", "AB12CD34EF56GH78"),
        ("AB12 CD34 EF56 GH78", "AB12 CD34 EF56 GH78"),
        (" ab12 cdef ef56 gh78", "ab12 cdef ef56 gh78"),
        ("订单号 ab12 cdef ef56 gh78 没到", "ab12 cdef ef56 gh78"),
        ("have code that work", None),
        ("order from your shop came 3days late", None),
        ("订单号：AB12-CD34-EF56-GH78", "AB12-CD34-EF56-GH78"),
        ("订单 AB12 CD34 EF56 GH78 付了没到", "AB12 CD34 EF56 GH78"),
        ("my order number is AB12CD34EF56GH78, nothing arrived", "AB12CD34EF56GH78"),
        ("order #202403010001", "202403010001"),
        ("DJ20240301000112345678", "DJ20240301000112345678"),
        ("帮我看看 20240301123456789012", "20240301123456789012"),
        ("QWKTYZIOPXSRLFTH", "QWKTYZIOPXSRLFTH"),  # chance gives some without a digit
        ("MY CODE DOES NOT WORK", None),
        ("订单怎么查", None),
        ("K7Q2M-9XH4T-R3VNP", None),
        ("我买了 2 张 50 元的", None),
        ("order something for my friend", None),
        ("13800138000", None),
    ],
)
def test_order_numbers_are_found_in_free_words(text: str, number: str | None) -> None:
    assert reading.find_order_no(text) == number


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("K7Q2M-9XH4T-R3VNP", "K7Q2M-9XH4T-R3VNP"),
        ("kfk12ab34cd56ef78", "kfk12ab34cd56ef78"),
        ("ABCDEFGHIJKLMNOP", "ABCDEFGHIJKLMNOP"),
        ("是 2024-778899", "2024-778899"),
        ("I forgot it", None),
        ("不知道", None),
        ("好的", None),
    ],
)
def test_asked_for_an_order_number_more_is_taken_for_one(text: str, number: str | None) -> None:
    assert reading.find_given_order_no(text) == number


@pytest.mark.parametrize(
    ("text", "proof"),
    [
        ("hunter2", "hunter2"),
        ("ｈｕｎｔｅｒ２", "hunter2"),
        ("查询密码是 hunter2", "hunter2"),
        ("密码：a", None),
        ("password: correct-horse", "correct-horse"),
        ("是890123吧", "890123"),
        ("2024030122001412345678901234", "2024030122001412345678901234"),
        ("password is wrong", None),
        ("my password is not working", None),
        ("forgot my password help me", None),
        ("我忘了", None),
        ("I do not know it", None),
        ("", None),
    ],
)
def test_proofs_are_told_from_other_words(text: str, proof: str | None) -> None:
    assert reading.find_typed_proof(text) == proof


@pytest.mark.parametrize(
    ("text", "proof"),
    [
        ("订单号 AB12CD34EF56GH78 查询密码 hunter2", "hunter2"),
        ("AB12CD34EF56GH78 hunter2", "hunter2"),
        ("order AB12CD34EF56GH78 password hunter2", "hunter2"),
        ("order AB12CD34EF56GH78, password: hunter2.", "hunter2"),
        ("AB12CD34EF56GH78", None),
        ("AB12CD34EF56GH78 please", None),
        ("AB12CD34EF56GH78 hunter2 提示已被使用", "hunter2"),
        ("AB12CD34EF56GH78 2024-03-01 买的", None),
        ("AB12CD34EF56GH78\nhunter2", "hunter2"),
    ],
)
def test_a_proof_may_come_with_its_order(text: str, proof: str | None) -> None:
    number = reading.find_order_no(text)

    assert number == "AB12CD34EF56GH78"
    assert reading.find_proof(text, number) == proof


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ("K7Q2M-9XH4T-R3VNP", ("K7Q2M-9XH4T-R3VNP",)),
        ("卡密：K7Q2M-9XH4T-R3VNP", ("K7Q2M-9XH4T-R3VNP",)),
        ("123456789012----87654321", ("123456789012----87654321", "123456789012", "87654321")),
        ("这张 K7Q2M-9XH4T-R3VNP 用不了", ("K7Q2M-9XH4T-R3VNP",)),
        ("K7Q2M 9XH4T R3VNP", ("K7Q2M 9XH4T R3VNP",)),
        ("ABCDEFGHIJ", ("ABCDEFGHIJ",)),
        ("哪张都不行", ()),
        ("none of them works", ()),
    ],
)
def test_codes_are_told_from_other_words(text: str, codes: tuple[str, ...]) -> None:
    assert tuple(one for ways in reading.find_typed_codes(text) for one in ways) == codes


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("提示已被使用", Reason.ALREADY_USED),
        ("it says already redeemed", Reason.ALREADY_USED),
        ("卡密不存在", Reason.DOES_NOT_EXIST),
        ("显示未激活", Reason.NOT_ACTIVATED),
        ("卡密过期了", Reason.EXPIRED),
        ("过了质保一天", None),
        ("买100面值不对", Reason.WRONG_VALUE),
        ("提示地区不支持", Reason.WRONG_REGION),
        ("发错商品了", Reason.WRONG_PRODUCT),
        ("账号登不上", Reason.ACCOUNT_PROBLEM),
        ("用不了", None),
    ],
)
def test_reasons_are_heard(text: str, reason: Reason | None) -> None:
    assert reading.find_reason(text) == reason


@pytest.mark.parametrize(
    ("text", "current", "language"),
    [
        ("能退款吗", "en", "zh"),
        ("can I get a refund", "zh", "en"),
        ("refund", "zh", "en"),
        ("code 用不了", "en", "zh"),
        ("AB12CD34EF56GH78", "zh", "zh"),
        ("AB12CD34EF56GH78", "en", "en"),
        ("???", "en", "en"),
        ("ab12 cdef ef56 gh78", "zh", "zh"),
        ("ok", "zh", "zh"),
        ("Thank you!", "zh", "zh"),
        ("ok谢谢", "en", "zh"),
        ("kami yong bu liao", "en", "zh"),
    ],
)
def test_the_language_is_that_of_the_words(text: str, current: str, language: str) -> None:
    assert reading.find_language(text, current) == language


@pytest.mark.parametrize(
    ("text", "is_call"), [("亲，在吗？", True), ("在么", True), ("在吗 卡用不了", False), ("在", False)]
)
def test_whether_anybody_is_there_is_no_wish_for_a_person(text: str, is_call: bool) -> None:
    assert reading.calls(text) is is_call


@given(st.text(max_size=300))
def test_any_text_can_be_read(text: str) -> None:
    plain = reading.clean(text)

    reading.find_command(plain)
    reading.find_reason(plain)
    reading.find_typed_codes(plain)
    reading.find_typed_proof(plain)
    assert reading.find_language(plain, "en") in ("zh", "en")
    number = reading.find_order_no(plain) or reading.find_given_order_no(plain)
    if number:
        reading.find_proof(plain, number)
