"""Any shop by a map of its columns: what a map may say, and what the rows are read as."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import event

from shop.adapters.column_map import read_map
from shop.adapters.mapped_rows import RowReader
from shop.adapters.sql import SqlShop
from shop.errors import BadColumns, SchemaMismatch
from shop.ledger import issue_replacement
from shop.port import Answer, OrderStatus, Power, ProofWay, Stock, Verdict
from shop.tables import Product
from shop.vault import Vault
from tests.shop.adapters import mapped
from tests.shop.adapters.conftest import ground
from tests.shop.conftest import Stall

ORDER_NO, CODES = "so-2026-0007a", ("7K2Q9-XPLM4-TRWE3", "AAAAA-BBBBB-CCCC1")
PLAIN = {"order_no": "orders.sn", "status": "orders.status", "status.delivered": "4, 5", "status.unpaid": "1"}
CARDS = {"codes": "cards.text", "code_id": "cards.id", "join.cards": "cards.order_id = orders.id"}


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        pytest.param({"oder_no": "orders.sn"}, "there is no 'oder_no'; choose from order_no, status", id="unknown key"),
        pytest.param({"order_no": None}, "'order_no' is missing", id="no number"),
        pytest.param({"paid": "amount"}, "'paid' must name a column like 'orders.paid', not 'amount'", id="no table"),
        pytest.param({"status.delivered": None}, "'status.delivered' is missing", id="nothing is delivered"),
        pytest.param({"status.unpaid": "4"}, "'4' stands in 'status.unpaid' and in 'status.delivered'", id="twice"),
        pytest.param({"status.lost": "9"}, "there is no 'status.lost'", id="unknown status"),
        pytest.param({"status.closed": " , "}, "'status.closed' is empty", id="no value"),
        pytest.param({"money": "cents"}, "'money' is 'yuan' or 'fen', not 'cents'", id="unknown unit"),
        pytest.param({"password.hash": "md5"}, "'password.hash' says something of 'password', and", id="no base"),
        pytest.param(
            {"codes": "cards.text"}, "'codes' is in 'cards': say how it is joined, 'join.cards'", id="unjoined"
        ),
        pytest.param(CARDS | {"join.cards": "cards.order_id"}, "must be like 'cards.order_id = orders.id'", id="half"),
        pytest.param(CARDS | {"join.cards": "a.b = c.d"}, "must be like 'cards.order_id = orders.id'", id="others"),
        pytest.param(
            CARDS | {"join.cards": "cards.id = sold.card"}, "hangs on 'sold', which is not joined", id="loose"
        ),
        pytest.param({"join.goods": "goods.id = orders.goods"}, "'join.goods' is for nothing", id="needless"),
        pytest.param(CARDS | {"code_id": None}, "'code_id' is missing: the key of the rows of 'cards'", id="no key"),
        pytest.param({"stock": "goods.left"}, "'stock_sku' is missing", id="stock of what"),
        pytest.param({"stock": "goods.left", "stock_sku": "a.b"}, "must be in the table of 'stock'", id="apart"),
        pytest.param({"item_id": "orders.id"}, "'item_id' is for nothing", id="no goods"),
        pytest.param({"codes": "orders.info", "codes.form": "row"}, "for codes in a table of their own", id="no rows"),
        pytest.param(CARDS | {"codes.separator": ","}, "'codes.separator' is for texts of several", id="one a row"),
    ],
)
def test_a_wrong_map_is_refused_in_one_sentence(changes: dict[str, str | None], sentence: str) -> None:
    columns = {key: text for key, text in {**PLAIN, **changes}.items() if text is not None}

    with pytest.raises(BadColumns) as refused:
        read_map("demo", columns)

    assert sentence in str(refused.value)
    assert "\n" not in str(refused.value)


def test_an_empty_map_leads_to_the_command_that_proposes_one() -> None:
    with pytest.raises(BadColumns, match="`kadesk shop map` proposes them"):
        read_map("demo", {})


def reader(vault: Vault, **columns: str) -> RowReader:
    return RowReader(ground(None, vault), read_map("demo", PLAIN | columns))  # type: ignore[arg-type]


def test_what_a_status_means_whatever_the_server_makes_of_it(vault: Vault) -> None:
    rows = reader(vault)

    meant = {
        repr(value): rows.map.status_of(value) for value in (4, "4 ", "5", True, b"\x01", b"4", 1, "refunded", None)
    }

    delivered, unpaid, abnormal = OrderStatus.DELIVERED, OrderStatus.UNPAID, OrderStatus.ABNORMAL
    assert list(meant.values()) == [*[delivered] * 3, unpaid, unpaid, delivered, unpaid, abnormal, abnormal]


@pytest.mark.parametrize(
    ("row", "status", "codes"),
    [
        pytest.param({"status": 4, "codes": "\n".join(CODES)}, OrderStatus.DELIVERED, CODES, id="delivered"),
        pytest.param({"status": 4, "codes": CODES[0]}, OrderStatus.PARTIAL, CODES[:1], id="one of two"),
        pytest.param({"status": 4, "codes": ""}, OrderStatus.PAID_UNDELIVERED, (), id="nothing came"),
        pytest.param({"status": 4, "codes": "有人抢走了商品"}, OrderStatus.ABNORMAL, (), id="a failure"),
        pytest.param({"status": 9, "codes": CODES[0]}, OrderStatus.ABNORMAL, (), id="nobody knows"),
        pytest.param({"status": 1, "codes": "QQ:12345678"}, OrderStatus.UNPAID, (), id="a form, not a code"),
        pytest.param({"status": 4, "codes": "QQ:12345678", "kind": 2}, OrderStatus.DELIVERED, (), id="by hand"),
    ],
)
def test_what_became_of_an_order(
    vault: Vault, row: dict[str, Any], status: OrderStatus, codes: tuple[str, ...]
) -> None:
    columns = {"codes": "orders.info", "quantity": "orders.n", "kind": "orders.type", "kind.automatic": "1"}

    sold = reader(vault, **columns).read([{"order_no": ORDER_NO, "quantity": 2, "kind": 1} | row])

    assert sold is not None
    assert (sold.order.status, sold.codes) == (status, codes)


def test_cards_are_taken_once_in_their_order_without_the_deleted_ones(vault: Vault) -> None:
    columns = CARDS | {"code_password": "cards.pw", "code_deleted": "cards.gone", "reusable": "cards.loop"}
    rows = reader(vault, **columns, **{"reusable.yes": "1"})
    order = {"order_no": ORDER_NO, "status": 4, "code_deleted": None, "code_password": None, "reusable": 0}
    cards: list[dict[str, Any]] = [
        {"code_id": 1, "codes": "NO-1", "code_password": "PW-1"},
        {"code_id": 2, "codes": "卡号 A\n密码 B", "reusable": 1},
        {"code_id": 3, "codes": "GONE-1", "code_deleted": "2026-02-01"},
    ]

    sold = rows.read([order | card for card in cards for _ in range(2)])

    assert sold is not None
    assert sold.codes == ("NO-1----PW-1", "卡号 A\n密码 B")
    assert sold.reusable == {vault.fingerprint("卡号 A\n密码 B")}


@pytest.mark.parametrize("value", [datetime(2026, 2, 27, 23, 40), 1_772_206_800, "1772206800000", "2026-02-27 23:40"])  # noqa: DTZ001
def test_a_time_is_read_however_it_is_kept(vault: Vault, value: object) -> None:
    sold = reader(vault, paid_at="orders.at").read([{"order_no": ORDER_NO, "status": 4, "paid_at": value}])

    assert sold is not None
    assert sold.order.paid_at == datetime(2026, 2, 27, 15, 40, tzinfo=UTC)


@pytest.mark.parametrize("gone", ["2026-02-27", 1, True])
def test_what_the_shop_deleted_is_not_there(vault: Vault, gone: object) -> None:
    rows = reader(vault, deleted="orders.gone")

    assert rows.read([{"order_no": ORDER_NO, "status": 4, "deleted": gone}]) is None
    assert rows.read([{"order_no": ORDER_NO, "status": 4, "deleted": 0}]) is not None


@pytest.mark.parametrize(("key", "what"), [("paid", "sums of money"), ("paid_at", "times"), ("quantity", "whole")])
def test_a_column_that_holds_something_else_is_named(vault: Vault, key: str, what: str) -> None:
    rows = reader(vault, **{key: "orders.note"})

    with pytest.raises(SchemaMismatch) as refused:
        rows.read([{"order_no": ORDER_NO, "status": 4, key: "七折"}])

    assert f"orders.note ({key}) does not hold {what}" in str(refused.value)
    assert "七折" not in str(refused.value)


MAKES = {"texts": mapped.with_texts, "links": mapped.with_links, "a link table": mapped.with_a_link_table}


@pytest.fixture(params=MAKES)
async def shop(request: pytest.FixtureRequest, stall: Stall) -> AsyncIterator[SqlShop]:
    make = MAKES[request.param](ORDER_NO, CODES, "SO-2026-0008", "OTHER-CODE-1", "chen@qq.com")
    url = await mapped.new_place("sqlite", request)
    await mapped.put_up(url, make)
    async with mapped.beside(url, make, stall) as shop:
        yield shop


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_one_statement_names_the_mapped_columns_and_neither_code_nor_password(shop: SqlShop) -> None:
    asked: list[tuple[str, object]] = []
    event.listen(
        shop.database.engine.sync_engine, "before_cursor_execute", lambda *seen: asked.append((seen[2], seen[3]))
    )

    order = await shop.find_order("SO-2026-0007A")
    await shop.prove_owner(ORDER_NO, "open sesame")
    await shop.check_code(ORDER_NO, CODES[0])

    mapped_names = {column.name for table in shop.tables for column in table.columns}
    assert order is not None
    assert (order.order_no, len(order.codes)) == (ORDER_NO, 2)
    assert len(asked) == 3
    for statement, values in asked:
        named = set(statement.replace("`", '"').split('"')[1::2]) - {table.name for table in shop.tables}
        assert named <= mapped_names
        assert not any(secret in f"{statement} {values}" for secret in (*CODES, "open sesame"))


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_a_hash_of_the_password_opens_only_to_who_knows_the_password(
    stall: Stall, request: pytest.FixtureRequest
) -> None:
    make = mapped.with_links(ORDER_NO, CODES, "SO-2026-0008", "OTHER-CODE-1", "chen@qq.com")
    url = await mapped.new_place("sqlite", request)
    await mapped.put_up(url, make)
    hashed = make.rows["order"][0]["key"]

    async with mapped.beside(url, make, stall) as shop:
        order = await shop.find_order(ORDER_NO)
        assert order is not None
        assert order.ways == {ProofWay.QUERY_PASSWORD}
        assert await shop.prove_owner(ORDER_NO, "open sesame") == ProofWay.QUERY_PASSWORD
        assert await shop.prove_owner(ORDER_NO, hashed) is None
        assert await shop.prove_owner(ORDER_NO, "") is None


@pytest.mark.parametrize(
    ("more", "powers"),
    [
        pytest.param({}, set(), id="nothing"),
        pytest.param({"contact": "orders.mail"}, {Power.CONTACT}, id="mail"),
        pytest.param({"payment_no": "orders.pay"}, {Power.PROVE_OWNER}, id="payment"),
        pytest.param({"stock": "g.left", "stock_sku": "g.id"}, {Power.STOCK}, id="stock"),
        pytest.param({"codes": "orders.info"}, {Power.LIST_CODES, Power.CHECK_CODE}, id="codes"),
    ],
)
def test_a_shop_can_do_what_its_map_gives(vault: Vault, more: dict[str, str], powers: set[Power]) -> None:
    assert SqlShop(ground(None, vault), "sqlite:///nowhere.db", PLAIN | more).powers == powers  # type: ignore[arg-type]


@pytest.mark.parametrize("server", ["mariadb", "postgresql"])
@pytest.mark.parametrize("name", MAKES)
async def test_every_way_of_keeping_codes_is_read_on_every_server(
    name: str, server: str, vault: Vault, request: pytest.FixtureRequest
) -> None:
    make = MAKES[name](ORDER_NO, CODES, "SO-2026-0008", "OTHER-CODE-1", "chen@qq.com")
    url = await mapped.new_place(server, request)
    await mapped.put_up(url, make)

    shop = SqlShop(ground(None, vault), url, make.columns)  # type: ignore[arg-type]
    sold, way = await shop.read(ORDER_NO.upper()), await shop.prove_owner(ORDER_NO, "open sesame")
    other = await shop.read("SO-2026-0008")
    await shop.close()

    assert sold is not None
    assert other is not None
    assert (sold.order.order_no, sold.order.status, sold.codes) == (ORDER_NO, OrderStatus.DELIVERED, CODES)
    assert (sold.order.paid, other.order.paid, other.codes) == (9_700, 4_850, ("OTHER-CODE-1",))
    assert way in sold.secrets


@pytest.mark.parametrize("server", ["sqlite", "mariadb", "postgresql"])
async def test_several_goods_with_a_number_of_a_machine_and_a_slow_hash(
    server: str, vault: Vault, request: pytest.FixtureRequest
) -> None:
    number = "0b9c2f4e-7d31-4a58-9c6e-2f4e7d314a58"
    make = mapped.with_items(number, CODES)
    url = await mapped.new_place(server, request)
    await mapped.put_up(url, make)

    shop = SqlShop(ground(None, vault), url, make.columns)  # type: ignore[arg-type]
    sold = [await shop.read(typed) for typed in (number, number.replace("-", "").upper(), number[:-1] + "9", "x")]
    ways = [await shop.prove_owner(number, proof) for proof in ("open sesame", "open", "")]
    left = [(await shop.stock(sku)).value for sku in ("7", "8", "9")]
    await shop.close()

    assert sold[0] is not None
    assert sold[0] == sold[1]
    assert sold[2:] == [None, None]
    order = sold[0].order
    assert (order.goods.name, order.goods.sku, order.goods.price) == ("Steam 50 + Xbox 30", "7", 4_850)
    assert (order.quantity, order.status, sold[0].codes) == (3, OrderStatus.PARTIAL, CODES)
    assert ways == [ProofWay.QUERY_PASSWORD, None, None]
    assert left == [Stock(2), Stock(0), Stock(0)]


async def test_a_number_that_the_shop_keeps_is_its_stock(vault: Vault, request: pytest.FixtureRequest) -> None:
    make = mapped.with_items("0b9c2f4e-7d31-4a58-9c6e-2f4e7d314a58", CODES)
    url = await mapped.new_place("sqlite", request)
    await mapped.put_up(url, make)
    columns = {key: text for key, text in make.columns.items() if not key.startswith("stock")}

    shop = SqlShop(ground(None, vault), url, columns | {"stock": "lines.n", "stock_sku": "lines.sku"})  # type: ignore[arg-type]
    left = [await shop.stock(sku) for sku in ("8", "9")]
    await shop.close()

    assert [(one.answer, one.value) for one in left] == [(Answer.DONE, Stock(2)), (Answer.REFUSED, None)]


async def test_our_terms_and_replacements_stand_with_what_the_shop_sold(
    stall: Stall, request: pytest.FixtureRequest, now: datetime
) -> None:
    make = mapped.with_texts(ORDER_NO, CODES, "SO-2026-0008", "OTHER-CODE-1", "chen@qq.com")
    url = await mapped.new_place("sqlite", request)
    await mapped.put_up(url, make)
    await stall.add_product("50", reserve=["NEW01-7K2Q9-XPLM4"])
    async with mapped.beside(url, make, stall) as shop:
        sold = await shop.find_order(ORDER_NO)
        assert sold is not None
        async with stall.database.writing() as session:
            terms = await session.get(Product, stall.product_id)
            assert terms is not None
            terms.warranty = timedelta(days=7)
            await issue_replacement(
                session, now, stall.vault, claim_id=1, order=sold, replaced=sold.codes[0], actor="bot"
            )

        order, check = await shop.find_order(ORDER_NO), await shop.check_code(ORDER_NO, "new017k2q9xplm4")

    assert order is not None
    assert [code.position for code in order.codes] == [1, 2, 3]
    assert (check.verdict, check.code) == (Verdict.EXACT, order.codes[2])
    assert (order.goods.name, order.goods.warranty) == ("Steam 充值卡", timedelta(days=7))
