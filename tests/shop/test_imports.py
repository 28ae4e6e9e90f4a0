"""Tables of products, codes and orders on their way in."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from openpyxl import Workbook
from sqlmodel import col, select

from audit.tables import AuditRow
from kadesk.database import Database
from shop import imports
from shop.adapters.local import LocalShop
from shop.codes import read_code
from shop.errors import AlreadyImported, BadFile
from shop.import_kinds import Codes, Orders, Products
from shop.import_rows import Defaults
from shop.imports import Importer, Report
from shop.invariants import check_invariants
from shop.port import OrderStatus, ProofWay, Verdict
from shop.tables import Batch, Code, CodeState, ImportFile, Pool, Product, ShopOrder
from shop.vault import Vault

PRODUCTS = (
    "商品编号,商品名,价格,质保,质保起算\nSTEAM-50,Steam 50元充值卡,48.50,30天,reveal\nQQ-1M,QQ会员月卡,11.5,7 d,\n"
)
CODES = [f"AAAAA-{number:05d}" for number in range(6)]


class Desk:
    """Imports into one shop."""

    def __init__(self, database: Database, vault: Vault, folder: Path, now: datetime) -> None:
        self.database, self.vault, self.folder, self.now = database, vault, folder, now
        self.kinds: dict[str, Callable[[], Any]] = {
            "products": lambda: Products("demo"),
            "codes": lambda: Codes("demo", vault),
            "orders": lambda: Orders("demo", vault),
        }

    def importer(self, kind: str, defaults: Defaults) -> Importer[Any]:
        return Importer(self.database, lambda: self.now, self.vault, self.kinds[kind](), "demo", defaults)

    def file(self, content: str | bytes, name: str) -> Path:
        path = self.folder / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    async def bring(
        self, kind: str, content: str | bytes, name: str = "t.csv", *, dry: bool = False, **defaults: Any
    ) -> Report:
        importer = self.importer(kind, Defaults(**defaults))
        return await (importer.try_out if dry else importer.run)(self.file(content, name), lambda lines: None)

    async def all(self, table: type[Any]) -> list[Any]:
        async with self.database.reading() as session:
            return list((await session.exec(select(table).order_by(table.id))).all())


@pytest.fixture
async def desk(database: Database, vault: Vault, tmp_path: Path, now: datetime) -> Any:
    desk = Desk(database, vault, tmp_path, now)
    await desk.bring("products", PRODUCTS, "products.csv")
    yield desk
    async with database.reading() as session:
        assert await check_invariants(session) == []


def reasons(report: Report) -> list[tuple[int, str]]:
    return [(refusal.line, refusal.problem) for refusal in report.refused]


async def test_products_come_under_chinese_headings(desk: Desk) -> None:
    first, second = await desk.all(Product)

    assert (first.sku, first.name, first.price, first.warranty) == ("STEAM-50", "Steam 50元充值卡", 4850, timedelta(30))
    assert (first.warranty_from, second.price, second.warranty) == ("reveal", 1150, timedelta(days=7))


async def test_a_product_that_is_there_is_changed_in_what_the_file_says(desk: Desk) -> None:
    report = await desk.bring("products", "sku;name;price\nSTEAM-50;Steam 50;49\nNEW;new;1\n")

    first, _, third = await desk.all(Product)
    assert (report.added, report.changed, third.sku) == (1, 1, "NEW")
    assert (first.name, first.price, first.warranty) == ("Steam 50", 4900, timedelta(30))
    changed = [row for row in await desk.all(AuditRow) if row.action == "product.changed"]
    assert changed[0].after == {"name": "Steam 50", "price": "4900", "currency": "CNY"}


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        (",name,1", "sku is missing"),
        ("A,,1", "name is missing"),
        ("A,name,x", "'x' is no sum in CNY"),
        ("A,name,-1", "'-1' is no sum in CNY"),
        ("A,name,1,soon", "'soon' is no time: write 30 d or 24 h"),
        ("A,name,1,1d,never", "warranty_from is 'never'; choose from delivery, reveal"),
        ("A,name,1,1d,delivery,[", "code_pattern is no regular expression"),
    ],
)
async def test_a_bad_product_is_left_out_with_its_reason(desk: Desk, line: str, problem: str) -> None:
    report = await desk.bring("products", f"sku,name,price,warranty,warranty_from,code_pattern\n{line}\nB,b,1\n")

    assert (report.added, report.refused[0].line) == (1, 2)
    assert report.refused[0].problem.startswith(problem)


async def test_a_plain_list_of_codes_is_sealed_into_one_batch(desk: Desk) -> None:
    report = await desk.bring("codes", "\n".join(CODES), "codes.txt", sku="STEAM-50", supplier="星河", cost="40")

    codes, (batch,) = await desk.all(Code), await desk.all(Batch)
    assert (report.added, batch.imported, batch.cost, batch.name) == (6, 6, 4000, "20260302-STEAM-50")
    assert [read_code(desk.vault, code) for code in codes] == CODES
    assert {(code.pool, code.state, code.batch_id) for code in codes} == {(Pool.RESERVE, CodeState.FREE, batch.id)}
    assert not any(
        code.encode() in (row.ciphertext + row.masked.encode()) for code, row in zip(CODES, codes, strict=True)
    )


async def test_a_table_says_where_each_code_belongs(desk: Desk) -> None:
    table = "卡密\t商品编号\t供应商\t批次\tpool\nA1B2C3D4\tSTEAM-50\t甲\t1\tstock\nE5F6G7H8\tQQ-1M\t乙\t2\treserve\n"

    await desk.bring("codes", table.encode("gb18030"))

    codes, batches = await desk.all(Code), await desk.all(Batch)
    assert [code.pool for code in codes] == ["stock", "reserve"]
    assert [batch.name for batch in batches] == ["1", "2"]


async def test_a_card_and_its_password_stay_together(desk: Desk) -> None:
    await desk.bring("codes", "123456789012----87654321\n", "codes.txt", sku="QQ-1M")

    (code,) = await desk.all(Code)
    assert read_code(desk.vault, code) == "123456789012----87654321"
    assert "4321" not in code.masked


async def test_a_code_that_is_known_stands_twice_or_looks_wrong_is_left_out(desk: Desk) -> None:
    await desk.bring("products", "sku,name,price,code_pattern\nSTEAM-50,s,1,AAAAA-[0-9]+\n")
    await desk.bring("codes", f"{CODES[0]}\n", "first.txt", sku="STEAM-50")

    typed = [CODES[0].lower(), CODES[1], CODES[1].replace("-", " "), "BBBBB-00001", "----"]
    report = await desk.bring("codes", "\n".join(typed), "second.txt", sku="STEAM-50")

    assert report.added == 1
    assert reasons(report) == [
        (5, "there is no letter or digit in this code"),
        (1, "this code is known already"),
        (3, "this code stands in line 2 already"),
        (4, "it does not look like a code of STEAM-50"),
    ]


async def test_a_spreadsheet_that_has_rounded_a_code_is_told(desk: Desk, tmp_path: Path) -> None:
    book = Workbook()
    for cells in (["code", "sku"], [1234567890123456789, "QQ-1M"], [123456789012, "QQ-1M"], ["A1B2C3D4", "QQ-1M"]):
        book.active.append(cells)
    book.save(tmp_path / "codes.xlsx")

    report = await desk.bring("codes", (tmp_path / "codes.xlsx").read_bytes(), "t.xlsx")

    assert [read_code(desk.vault, code) for code in await desk.all(Code)] == ["123456789012", "A1B2C3D4"]
    assert reasons(report)[0][0] == 2
    assert "has rounded a long number" in reasons(report)[0][1]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"code,sku\n1.23457E+15,QQ-1M\nA1B2C3D4,QQ-1M\n", "has rounded a long number"),
        (b"code,sku\nA1B2C3D4\xff,QQ-1M\nA1B2C3D4,QQ-1M\n", "cannot be read: save the file as UTF-8"),
        (b"code,sku\nA\0B2,QQ-1M\nA1B2C3D4,QQ-1M\n", "cannot be read"),
    ],
    ids=["rounded", "no encoding", "zeros"],
)
async def test_what_is_left_of_a_code_is_not_sold_as_one(desk: Desk, content: bytes, problem: str) -> None:
    report = await desk.bring("codes", content)

    assert [read_code(desk.vault, code) for code in await desk.all(Code)] == ["A1B2C3D4"]
    assert reasons(report)[0][0] == 2
    assert problem in reasons(report)[0][1]


async def test_the_unicode_text_of_windows_is_read(desk: Desk) -> None:
    await desk.bring("codes", "卡密,商品编号\r\nA1B2C3D4,QQ-1M\r\n".encode("utf-16"))

    assert [read_code(desk.vault, code) for code in await desk.all(Code)] == ["A1B2C3D4"]


async def test_orders_come_with_their_codes_and_their_proofs(desk: Desk, now: datetime) -> None:
    await desk.bring("codes", f"code,sku,pool\n{CODES[0]},STEAM-50,stock\n")
    table = (
        "订单号,商品编号,数量,实付,邮箱,下单IP,查询密码,支付单号,下单时间,发货时间,发货内容\n"
        "ab12-cd34,STEAM-50,2,97.00,a@qq.com,101.6.6.6,open sesame,4200001234567890,2026/03/01 12:00,2026-03-01 12:01,"
        f'"{CODES[0]}\n{CODES[1]}"\n'
    )

    report = await desk.bring("orders", table)

    assert reasons(report) == []
    shop = LocalShop(desk.database, desk.vault)
    order = await shop.find_order("AB12CD34")
    assert order is not None
    assert (order.status, order.quantity, order.paid, len(order.codes)) == (OrderStatus.DELIVERED, 2, 9700, 2)
    assert order.delivered_at == datetime(2026, 3, 1, 4, 1, tzinfo=UTC)
    assert (order.contact, order.bought_from) == ("a@qq.com", "101.6.6.6")
    assert "101.6.6.6" not in repr(order)
    assert await shop.prove_owner("AB12CD34", "open sesame") == ProofWay.QUERY_PASSWORD
    assert await shop.prove_owner("AB12CD34", "567890") == ProofWay.PAYMENT_TAIL
    assert (await shop.check_code("AB12CD34", CODES[1])).verdict == Verdict.EXACT


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("A1,NONE,1,5,", "there is no product NONE"),
        ("A1,QQ-1M,0,5,", "quantity is '0'"),
        ("A1,QQ-1M,1,5,X1Y2Z3W4|X5Y6Z7W8", "it has 2 codes, but a quantity of 1"),
        ("A1,QQ-1M,2,5,X1Y2Z3W4|x1y2-z3w4", "it has the same code twice"),
        (f"A1,QQ-1M,1,5,{CODES[0]}", "its code ****-000 is not free in the stock of this product"),
        ("OLD-1,QQ-1M,1,5,", "this order is known already"),
    ],
)
async def test_a_bad_order_is_left_out_with_its_reason(desk: Desk, line: str, problem: str) -> None:
    await desk.bring("codes", CODES[0], "codes.txt", sku="STEAM-50")
    await desk.bring("orders", "order_no,sku,paid\nOLD1,QQ-1M,5\n", "old.csv")

    report = await desk.bring("orders", f"order_no,sku,quantity,paid,codes\n{line}\nB2,QQ-1M,1,5,\n")

    assert report.added == 1
    assert [refusal.line for refusal in report.refused] == [2]
    assert report.refused[0].problem.startswith(problem)


async def test_a_dry_run_says_the_same_and_keeps_nothing(desk: Desk) -> None:
    words = "\n".join([*CODES, CODES[0], ""])

    tried = await desk.bring("codes", words, "codes.txt", dry=True, sku="STEAM-50")
    left = await desk.all(Code), await desk.all(Batch)
    done = await desk.bring("codes", words, "codes.txt", sku="STEAM-50")

    assert left == ([], [])
    assert (
        (tried.added, tried.refused) == (done.added, done.refused) == (6, [(7, "this code stands in line 1 already")])
    )


async def test_a_file_that_was_interrupted_goes_on_where_it_stood(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(imports, "PAGE", 2)
    path, pages = desk.file("\n".join(CODES), "codes.txt"), []

    def stop(lines: int) -> None:
        pages.append(lines)
        if len(pages) == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        await desk.importer("codes", Defaults(sku="STEAM-50")).run(path, stop)
    report = await desk.importer("codes", Defaults(sku="STEAM-50")).run(path, lambda lines: None)

    assert (report.skipped, report.added) == (4, 2)
    assert [read_code(desk.vault, code) for code in await desk.all(Code)] == CODES
    (_, file) = await desk.all(ImportFile)
    assert (file.lines_done, file.added, file.finished_at) == (6, 6, desk.now)
    assert [batch.imported for batch in await desk.all(Batch)] == [6]


async def test_a_file_is_not_read_twice(desk: Desk) -> None:
    await desk.bring("codes", CODES[0], "codes.txt", sku="STEAM-50")

    with pytest.raises(AlreadyImported, match=r"codes\.txt was imported on 2026-03-02 04:00 UTC"):
        await desk.bring("codes", CODES[0], "codes.txt", sku="STEAM-50")


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("a.csv", b"", "it is empty"),
        ("a.csv", b"a,b\n1,2\n", "its first line names none of sku, name"),
        ("a.xlsx", b"no spreadsheet", "it is no spreadsheet"),
    ],
)
async def test_a_file_that_is_no_table_is_refused_in_one_sentence(
    desk: Desk, name: str, content: bytes, sentence: str
) -> None:
    with pytest.raises(BadFile, match=sentence):
        await desk.bring("products", content, name)


async def test_an_import_is_on_record_without_a_code(desk: Desk) -> None:
    await desk.bring("codes", "\n".join(CODES), "codes.txt", sku="STEAM-50")

    row = (await desk.all(AuditRow))[-1]
    assert (row.action, row.after) == ("codes.imported", {"file": "codes.txt", "added": 6, "refused": 0})
    orders = await desk.all(ShopOrder)
    assert orders == []


async def test_a_code_that_vanished_from_its_batch_is_told(
    database: Database, vault: Vault, tmp_path: Path, now: datetime
) -> None:
    desk = Desk(database, vault, tmp_path, now)
    await desk.bring("products", PRODUCTS, "products.csv")
    await desk.bring("codes", "\n".join(CODES), "codes.txt", sku="STEAM-50")

    async with database.reading() as session:  # nothing written in it survives
        await session.delete((await session.exec(select(Code).order_by(col(Code.id)))).first())
        await session.flush()

        assert await check_invariants(session) == ["an imported batch still has all its codes: not so for 1"]
