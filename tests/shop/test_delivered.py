"""The text of an order: codes, one a line or on two, and sentences that are none; and what buyers type of them."""

import pytest

from shop.comparing import compare
from shop.delivered import read_delivered, refer
from shop.port import Verdict
from shop.vault import Vault


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        pytest.param("AAAAA-11111\r\n\r\n BBBBB-22222 \n", ("AAAAA-11111", "BBBBB-22222"), id="one a line"),
        pytest.param(
            "卡号：100200300\n密码：abcd-1234", ("卡号：100200300\n密码：abcd-1234",), id="a card on two lines"
        ),
        pytest.param(
            "卡号:1\n密码:2\n卡号:3\n密码:4\nFREE-5",
            ("卡号:1\n密码:2", "卡号:3\n密码:4", "FREE-5"),
            id="two cards and a code",
        ),
        pytest.param("卡号:1\n卡号:2\n密码:3", ("卡号:1", "卡号:2\n密码:3"), id="one without a password"),
        pytest.param("卡号:1", ("卡号:1",), id="nothing behind"),
        pytest.param("AAAAA-11111\n库存不足", (), id="a sentence"),
        pytest.param("AAAAA-11111\n使用中有问题请联系客服", ("AAAAA-11111",), id="advice"),
        pytest.param("出了点问题，请联系客服", (), id="advice alone"),
        pytest.param(None, (), id="nothing"),
        pytest.param("<p>AAAAA-11111</p><p class='x'>BBBBB&amp;2</p>", ("AAAAA-11111", "BBBBB&2"), id="paragraphs"),
        pytest.param("AAAAA-11111<br/><b>BBBBB-22222</b>&nbsp;", ("AAAAA-11111", "BBBBB-22222"), id="line breaks"),
        pytest.param("a<c>&amp;d", ("a<c>&amp;d",), id="signs of a code"),
        pytest.param("AAAAA-11111\u2028BBBBB-22222", ("AAAAA-11111", "BBBBB-22222"), id="lines of an editor"),
    ],
)
def test_codes_are_read_from_a_text(text: str | None, codes: tuple[str, ...]) -> None:
    assert read_delivered(text).codes == codes


@pytest.mark.parametrize("typed", ["100200300", "abcd1234", "卡号：100200300", "卡号：100200300 密码：ABCD-1234"])
def test_a_part_of_a_labelled_card_is_the_card(vault: Vault, typed: str) -> None:
    codes = read_delivered("卡号：100200300\n密码：abcd-1234").codes

    check = compare(typed, zip(refer(vault, codes), codes, strict=True))

    assert check.verdict == Verdict.EXACT


def test_a_label_alone_is_no_part(vault: Vault) -> None:
    codes = ("激活码：7K2Q9-XPLM4",)

    verdicts = [
        compare(typed, zip(refer(vault, codes), codes, strict=True)).verdict for typed in ("激活码", "激活码：")
    ]

    assert verdicts == [Verdict.OTHER, Verdict.OTHER]
