"""The XML of callbacks: flat, small, and without anything that an attacker could unfold."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.channels.weixin.xml import parse, write
from bot.errors import BadXml


def test_a_callback_is_read_with_its_nested_parts() -> None:
    content = "<xml><A><![CDATA[你好 <b>]]></A><ScanCodeInfo>\n <Type>qr</Type>\n</ScanCodeInfo><Empty/></xml>"

    found = parse(content.encode())

    assert found == {"A": "你好 <b>", "ScanCodeInfo.Type": "qr", "ScanCodeInfo": "", "Empty": ""}


BOMB = '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]><xml><A>&b;&b;&b;</A></xml>'


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{}",
        "<xml>",
        "<xml></xml><xml></xml>",
        BOMB,
        '<!DOCTYPE x SYSTEM "file:///etc/passwd"><xml/>',
        '<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><xml>&e;</xml>',
        "<xml>&unknown;</xml>",
        "<?xml-stylesheet href='x'?><xml/>",
        "<xml>" + "<a>" * 50 + "</a>" * 50 + "</xml>",
        "<xml>" + "<a/>" * 1000 + "</xml>",
    ],
)
def test_what_is_no_callback_is_refused(content: str) -> None:
    with pytest.raises(BadXml):
        parse(content.encode())


@given(st.binary(max_size=60))
def test_nothing_else_is_raised(content: bytes) -> None:
    with suppress(BadXml):
        parse(content)


@given(st.text(st.characters(exclude_categories=["C", "Z"]), max_size=40), st.text("\x00\x1f\ufffe\ud800", max_size=3))
def test_what_is_written_reads_the_same_without_what_xml_cannot_say(text: str, unprintable: str) -> None:
    written = write({"Content": text + unprintable, "Image": {"MediaId": "m1"}, "CreateTime": 5})

    assert parse(written.encode()) == {"Content": text, "Image.MediaId": "m1", "Image": "", "CreateTime": "5"}
