import csv
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from faq.entry_files import COLUMNS, guard, read, to_csv, unguard, write
from faq.errors import BadKnowledge
from faq.knowledge import load
from faq.phrasing import Entry, Phrasing, Text

FIND = Entry(
    key="find_order",
    flow="order",
    related=("resend", "refund"),
    texts={"zh": Text("怎么查订单", "发给我，\n马上查。"), "en": Text('Find "my" order', "Send it, please.")},
    phrasings=(Phrasing("订单在哪看", "zh"), Phrasing("查单", "zh"), Phrasing("where is my order", "en")),
    theme="orders",
)
PLAIN = Entry("退款", texts={"zh": Text("怎么退", "可以。")})
DRAFT = Entry("new_1", texts={"zh": Text("家庭共享", "")}, phrasings=(Phrasing("家庭共享怎么弄", "zh"),))
ODD = Entry(
    key="odd",
    texts={"zh": Text("=1+1", "'=已经有引号")},
    phrasings=tuple(Phrasing(text, "zh") for text in ("@SUM(A1)", "-1", "''+x", "＝全角", "yes", "123", "a;b,c\td")),
)


@pytest.mark.parametrize("suffix", [".yaml", ".yml", ".csv", ".CSV"])
def test_entries_come_back_as_they_went_out(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"entries{suffix}"

    write(path, [FIND, PLAIN, DRAFT, ODD])

    assert read(path) == (FIND, PLAIN, DRAFT, ODD)


@pytest.mark.parametrize("suffix", [".yaml", ".csv"])
def test_the_seed_entries_come_back_as_they_went_out(tmp_path: Path, suffix: str) -> None:
    path, seed = tmp_path / f"seed{suffix}", load()

    write(path, seed)

    assert read(path) == seed
    if suffix == ".yaml":
        assert load(path) == seed


@pytest.mark.parametrize("suffix", [".yaml", ".csv"])
def test_nothing_comes_back_as_nothing(tmp_path: Path, suffix: str) -> None:
    write(tmp_path / f"empty{suffix}", [])

    assert read(tmp_path / f"empty{suffix}") == ()


@pytest.mark.parametrize("suffix", [".yaml", ".csv"])
def test_phrasings_in_a_language_without_text_are_not_lost(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"entries{suffix}"
    write(path, [Entry("a", texts={"zh": Text("问", "答")}, phrasings=(Phrasing("where", "en"),))])

    (entry,) = read(path)

    assert entry.phrasings == (Phrasing("where", "en"),)
    assert entry.texts["en"] == Text("", "")


def test_csv_has_one_phrasing_a_row_and_says_the_rest_once() -> None:
    rows = list(csv.reader(to_csv([FIND]).splitlines(keepends=True)))

    assert rows == [
        list(COLUMNS),
        ["find_order", "orders", "order", "resend refund", "zh", "怎么查订单", "发给我，\n马上查。", "订单在哪看"],
        ["find_order", "", "", "", "zh", "", "", "查单"],
        ["find_order", "", "", "", "en", 'Find "my" order', "Send it, please.", "where is my order"],
    ]


def test_no_cell_is_a_formula() -> None:
    cells = [cell for row in csv.reader(to_csv([ODD]).splitlines(keepends=True)) for cell in row]

    assert "'=1+1" in cells
    assert "''=已经有引号" in cells
    assert [cell for cell in cells if cell.lstrip()[:1] and cell.lstrip()[0] in "=+-@＝＋－＠|%"] == []


@given(st.text(alphabet="'=+-@ \t\r\n＝a|%", max_size=6))
def test_a_guarded_cell_is_no_formula_and_comes_back(cell: str) -> None:
    assert unguard(guard(cell)) == cell
    assert guard(cell).lstrip()[:1] not in tuple("=+-@＝＋－＠|%")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "utf-16"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_csv_is_read_as_spreadsheets_save_it(tmp_path: Path, encoding: str, delimiter: str) -> None:
    path = tmp_path / "sheet.csv"
    lines = [
        ["language", "key", "answer", "question", "phrasing"],
        ["zh", "退款", "可以", "怎么退", "退钱"],
        [""] * 5,
        ["zh", "退款"],
    ]
    path.write_bytes("\r\n".join(delimiter.join(line) for line in lines).encode(encoding))

    (entry,) = read(path)

    assert entry == Entry("退款", texts={"zh": Text("怎么退", "可以")}, phrasings=(Phrasing("退钱", "zh"),))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.txt", "", r"^a\.txt: the name must end in \.yaml or \.csv\.$"),
        ("a.yaml", "key: x", r"^a\.yaml: must be a list of entries\.$"),
        ("a.yaml", "- key: a\n  zh: ]\n", r"^a\.yaml line 2: not YAML: "),
        ("a.yaml", "- key: a\x01", r"^a\.yaml line 1: not YAML: "),
        ("a.yaml", b"\xff\xfe\xfa", r"^a\.yaml: must be UTF-8 text\.$"),
        ("a.yaml", "\n- zh: {}\n", r"^a\.yaml line 2: an entry needs a key\.$"),
        (
            "a.yaml",
            "- key: a\n  zh: {question: q, answer: a}\n- key: b\n  price: 3",
            r"^a\.yaml line 3: .*unknown field price",
        ),
        (
            "a.yaml",
            "- {key: a, zh: {question: q, answer: a}}\n- {key: a, zh: {question: q, answer: a}}",
            r"^a\.yaml line 2: entry a stands on line 1 already\.$",
        ),
        ("a.yaml", "- {key: a b, zh: {question: q, answer: a}}", r"^a\.yaml line 1: the key 'a b' must be one word"),
        ("a.csv", "key,price\n", r"^a\.csv line 1: the columns must be key, theme, "),
        ("a.csv", "key,theme\n", r"^a\.csv line 1: the columns must be"),
        ("a.csv", "key,language,key\n", r"^a\.csv line 1: the columns must be"),
        ("a.csv", "key,language\n\n,zh\n", r"^a\.csv line 3: the row has no key\.$"),
        ("a.csv", "key,language\na,fr\n", r"^a\.csv line 2: the language must be one of zh, en, not fr\.$"),
        ("a.csv", "key,language\na\n", r"^a\.csv line 2: the language must be one of zh, en, not empty\.$"),
        ("a.csv", "key,language\na,zh,x\n", r"^a\.csv line 2: there are 3 columns, the first line has 2\.$"),
        (
            "a.csv",
            'key,language,answer\na,zh,"one\ntwo"\na,en,one\na,zh,three\n',
            r"^a\.csv line 5: entry a has another answer here than above\.$",
        ),
        ("a.csv", 'key,language\na,"zh\n', r"^a\.csv line 2: not CSV: "),
        ("a.csv", b"key,language\n\xff\xff,zh\n", r"^a\.csv: must be UTF-8 or GB 18030 text\.$"),
    ],
)
def test_a_bad_file_is_refused_in_one_sentence(tmp_path: Path, name: str, content: str | bytes, message: str) -> None:
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())

    with pytest.raises(BadKnowledge, match=message):
        read(path)


def test_an_empty_sheet_has_no_entries(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("")

    assert read(tmp_path / "a.csv") == ()


@pytest.mark.parametrize("suffix", [".yaml", ".csv"])
def test_a_file_that_cannot_be_used_is_named(tmp_path: Path, suffix: str) -> None:
    with pytest.raises(BadKnowledge, match=rf"^none{suffix}: No such file or directory\.$"):
        read(tmp_path / f"none{suffix}")
    with pytest.raises(BadKnowledge, match=rf"^entries{suffix}: No such file or directory\.$"):
        write(tmp_path / "none" / f"entries{suffix}", [FIND])
