"""Tables that people keep: CSV in any encoding and with any separator, XLSX, or a plain list of codes. Pure reading."""

import codecs
import csv
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple
from zipfile import BadZipFile

from openpyxl import load_workbook
from openpyxl.utils.exceptions import InvalidFileException

from shop.errors import BadFile, BadLine

SEPARATORS = ",\t;|"
EXACT_DIGITS = 15  # a spreadsheet keeps no more of a number
ROUNDED = re.compile(r"\d(?:\.\d+)?E\+\d{2,}", re.IGNORECASE)  # how it writes a longer one into a text
UNREADABLE = re.compile("[\x00\ufffd]")

# Every column, and how else people head it.
HEADINGS: Mapping[str, tuple[str, ...]] = {
    "sku": ("商品编号", "商品编码", "货号"),
    "name": ("商品", "商品名", "商品名称", "product"),
    "price": ("价格", "单价", "售价"),
    "currency": ("币种",),
    "warranty": ("质保", "质保天数", "保修"),
    "warranty_from": ("质保起算",),
    "return_within": ("无理由退货", "退货天数"),
    "proof": ("凭证",),
    "code_pattern": ("卡密格式",),
    "code": ("卡密", "卡号", "激活码", "兑换码", "key", "secret"),
    "pool": ("库存类型",),
    "supplier": ("供应商", "货源", "渠道"),
    "batch": ("批次",),
    "cost": ("成本", "进价"),
    "order_no": ("订单号", "订单编号", "order"),
    "quantity": ("数量",),
    "status": ("状态", "订单状态"),
    "paid": ("实付", "支付金额", "金额"),
    "refunded": ("已退款", "退款金额"),
    "contact": ("联系方式", "邮箱", "email"),
    "bought_from": ("下单ip", "ip", "ip地址", "buy_ip"),
    "query_password": ("查询密码", "取卡密码"),
    "payment_no": ("支付单号", "流水号", "交易号"),
    "created_at": ("下单时间", "创建时间"),
    "paid_at": ("支付时间", "付款时间"),
    "delivered_at": ("发货时间",),
    "codes": ("发货内容", "卡密内容", "卡密", "codes"),
}


class Line(NamedTuple):
    """One row of a table."""

    number: int  # as the file's reader counts them, the heading included
    cells: Mapping[str, str]  # by column; empty ones are left out
    problem: str = ""  # why it cannot be read at all


def read_table(path: Path, columns: Sequence[str]) -> Iterator[Line]:
    """The rows of a file, under the names of `columns`; the first of these is what a list without a heading holds.

    Raises `BadFile` when it is no table that we know, or has none of the columns.
    """
    rows = _spreadsheet(path) if path.suffix.lower() in (".xlsx", ".xlsm") else _text(path)
    first = next(rows, None)
    if first is None:
        raise BadFile(path=path.name, problem="it is empty")
    names = [_column(heading, columns) for heading in first[1]]
    if not any(names):
        if len(first[1]) > 1 or columns[0] != "code":
            raise BadFile(path=path.name, problem=f"its first line names none of {', '.join(columns)}")
        names = ["code"]
        yield from _named([first], names)
    yield from _named(rows, names)


def _named(
    rows: Iterator[tuple[int, list[object]]] | list[tuple[int, list[object]]], names: list[str]
) -> Iterator[Line]:
    for number, cells in rows:
        try:
            texts = {name: text for name, cell in zip(names, cells, strict=False) if name and (text := _text_of(cell))}
        except BadLine as error:
            yield Line(number, {}, error.problem)
        else:
            if texts:
                yield Line(number, texts)


def _column(heading: object, columns: Sequence[str]) -> str:
    word = str(heading or "").strip().lower().replace(" ", "_")
    return next((name for name in columns if word == name or word in HEADINGS[name]), "")


def _text(path: Path) -> Iterator[tuple[int, list[object]]]:
    text = _decode(path.read_bytes())
    first = text.split("\n", 1)[0]
    # A card and its password stand in one cell: "卡号----密码". One column has no separator at all.
    separator = max(SEPARATORS, key=first.count)
    if path.suffix.lower() == ".txt" or separator not in first:
        for number, line in enumerate(text.splitlines(), 1):
            yield number, [line.strip()]
        return
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
    try:
        for cells in reader:
            yield reader.line_num, list(cells)
    except csv.Error as error:
        raise BadFile(path=path.name, problem=f"line {reader.line_num} cannot be read ({error})") from None


def _decode(content: bytes) -> str:
    """The text, with a mark in place of each character that cannot be read."""
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):  # "Unicode text" of Windows
        return content.decode("utf-16", errors="replace")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("gb18030", errors="replace")  # what Chinese spreadsheets write


def _spreadsheet(path: Path) -> Iterator[tuple[int, list[object]]]:
    try:
        book = load_workbook(path, read_only=True, data_only=True)
    except (InvalidFileException, BadZipFile, OSError, KeyError, ValueError) as error:
        raise BadFile(path=path.name, problem=f"it is no spreadsheet ({type(error).__name__})") from None
    try:
        for number, cells in enumerate(book.worksheets[0].iter_rows(values_only=True), 1):
            yield number, list(cells)
    finally:
        book.close()


def _text_of(cell: object) -> str:
    if isinstance(cell, bool) or cell is None:
        return "" if cell is None else str(cell)
    if isinstance(cell, int | float) and abs(cell) < 10**EXACT_DIGITS:
        return format(Decimal(str(cell)).normalize(), "f")
    if isinstance(cell, datetime | date):
        return cell.isoformat(" ") if isinstance(cell, datetime) else cell.isoformat()
    text = str(cell).strip()
    if isinstance(cell, int | float) or ROUNDED.fullmatch(text):
        raise BadLine(problem="the spreadsheet has rounded a long number: format the column as text and paste again")
    if UNREADABLE.search(text):
        raise BadLine(problem="a character in it cannot be read: save the file as UTF-8")
    return text
