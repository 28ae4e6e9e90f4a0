"""Maps proposed for shops that the proposing was not made for, on three servers, and for those of this trade."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import pytest
from sqlalchemy import event

from kadesk.database import Database
from shop.adapters.column_map import read_map
from shop.adapters.column_words import status_of, statuses_in
from shop.adapters.connection import ShopDatabase
from shop.adapters.dujiaoka import CARMIS, ORDERS
from shop.adapters.evidence import Evidence, Value
from shop.adapters.live_schema import Holds, LiveColumn, LiveTable
from shop.adapters.map_values import complete
from shop.adapters.proposal import draft
from shop.adapters.proposing import newest_numbers, propose
from shop.adapters.sql import SqlShop
from shop.errors import NoOrdersFound
from shop.port import OrderStatus, ProofWay
from shop.vault import Vault
from tests.shop.adapters import dujiaoka, mapped, strangers
from tests.shop.adapters.conftest import ground, make_reader


class Stranger(NamedTuple):
    """What it is put up with, on which server, and what is true of one order."""

    statements: Callable[[], Sequence[str]]
    server: str
    number: str
    password: str
    codes: tuple[str, ...]
    goods: str
    paid: int
    contact: str


STRANGERS = {
    "english": Stranger(
        *(strangers.english, "postgresql", "PX-00002-AZ", "open 2"),
        *((strangers.code(2),), "Steam 50", 250, strangers.ADDRESS.format(n=2)),
    ),
    "pinyin": Stranger(
        *(strangers.pinyin, "mariadb", "20260227230002", "查2"),
        *((strangers.code(2), strangers.code(2, 2)), "网易点卡", 280, strangers.ADDRESS.format(n=2)),
    ),
    "camel": Stranger(
        *(strangers.camel, "sqlite", "A0000007", "open 7"),
        *((strangers.code(7),), "Office", 700, strangers.ADDRESS.format(n=7)),
    ),
}


@pytest.mark.parametrize("name", STRANGERS)
async def test_the_orders_of_a_stranger_are_read_by_the_map_proposed_for_it(
    name: str, request: pytest.FixtureRequest, vault: Vault, tmp_path: Path
) -> None:
    stranger = STRANGERS[name]
    url = await mapped.new_place(stranger.server, request)
    await strangers.install(url, stranger.statements())
    database, seen = ShopDatabase("demo", url), list[str]()
    event.listen(database.engine.sync_engine, "before_cursor_execute", lambda *asked: seen.append(asked[2]))

    proposal = await propose(database)
    numbers = await newest_numbers(database, proposal.columns)
    await database.close()
    shop = SqlShop(ground(Database(f"sqlite:///{tmp_path / 'own.db'}"), vault), url, proposal.columns)
    sold = await shop.read(stranger.number)
    ways = [await shop.prove_owner(stranger.number, proof) for proof in (stranger.password, "open sesame")]
    others = [await shop.read(one) for one in numbers]
    await shop.close()

    assert sold is not None
    assert (sold.order.status, sold.codes) == (OrderStatus.DELIVERED, stranger.codes)
    facts = sold.order.goods.name, sold.order.paid, sold.order.contact
    assert facts == (stranger.goods, stranger.paid, stranger.contact)
    assert ways == [ProofWay.QUERY_PASSWORD, None]
    assert {one.order.status for one in others if one} >= {OrderStatus.DELIVERED, OrderStatus.UNPAID}
    assert not any(code in statement for statement in seen for code in stranger.codes)


def table(name: str, columns: str, **kinds: Holds) -> LiveTable:
    named = [LiveColumn(one, kinds.get(one, Holds.TEXT)) for one in columns.split()]
    return LiveTable(name, [LiveColumn("id", Holds.WHOLE), *named], "id")


W, D = Holds.WHOLE, Holds.DECIMAL
LOOSE = table("carmis", "goods_id status is_loop carmi", goods_id=W, status=W, is_loop=W)
TRADE: dict[str, tuple[Sequence[LiveTable], dict[str, str]]] = {
    "dujiaoka": (
        [
            table("order_log", "order_sn status"),
            LOOSE,
            table(
                *(
                    "orders",
                    "order_sn goods_id title type buy_amount actual_price search_pwd email info trade_no status",
                ),
                **{"goods_id": W, "type": W, "buy_amount": W, "actual_price": D, "status": W},
            ),
        ],
        {
            **{"order_no": "orders.order_sn", "codes": "orders.info", "kind.automatic": "1"},
            **{"password": "orders.search_pwd", "payment_no": "orders.trade_no", "status.delivered": "4"},
        },
    ),
    "dujiaoka of 2020": (
        [
            table("cards", "product_id card_info card_status", product_id=W, card_status=W),
            table("products", "pd_name actual_price pd_type", actual_price=D, pd_type=W),
            table(
                *(
                    "orders",
                    "order_id product_id coupon_id ord_class product_price ord_price buy_amount ord_title search_pwd"
                    " account ord_info pay_ord pay_way buy_ip ord_status",
                ),
                **{"product_id": W, "coupon_id": W, "ord_class": W, "product_price": D, "ord_price": D},
                **{"buy_amount": W, "pay_way": W, "ord_status": W},
            ),
        ],
        {
            **{"order_no": "orders.order_id", "codes": "orders.ord_info", "paid": "orders.ord_price"},
            **{"contact": "orders.account", "payment_no": "orders.pay_ord", "password": "orders.search_pwd"},
            **{"status.delivered": "2, 3", "price": "orders.product_price"},
        },
    ),
    "acg-faka": (
        [
            table("acg_card", "secret order_id status", order_id=W, status=W),
            table(
                *("acg_order", "trade_no amount commodity_id card_num password contact secret status delivery_status"),
                **{"amount": D, "commodity_id": W, "card_num": W, "status": W, "delivery_status": W},
            ),
        ],
        {
            **{"order_no": "acg_order.trade_no", "codes": "acg_order.secret", "quantity": "acg_order.card_num"},
            **{"sku": "acg_order.commodity_id"},
            **{"status.delivered": "1", "status.unpaid": "0", "password": "acg_order.password"},
        },
    ),
    "card-system": (
        [
            table("cards", "product_id card type status", product_id=W, type=W, status=W),
            table("card_order", "order_id card_id", order_id=W, card_id=W),
            table(
                *("orders", "order_no product_id product_name count contact query_password status frozen_reason paid"),
                **{"product_id": W, "count": W, "status": W, "paid": W},
            ),
        ],
        {
            **{"order_no": "orders.order_no", "codes": "cards.card", "join.cards": "cards.id = card_order.card_id"},
            **{"join.card_order": "card_order.order_id = orders.id", "money": "fen", "quantity": "orders.count"},
        },
    ),
    "zfaka": (
        [
            table("t_products_card", "pid card active", pid=W, active=W),
            table(
                *("t_order", "orderid email pid productname price number money chapwd status tradeid kami"),
                **{"pid": W, "price": D, "number": W, "money": D, "status": W},
            ),
        ],
        {
            **{"order_no": "t_order.orderid", "codes": "t_order.kami", "password": "t_order.chapwd"},
            **{"paid": "t_order.money", "quantity": "t_order.number", "status.abnormal": "3"},
        },
    ),
    "kamiFaka": (
        [
            table("card", "prod_name card reuse isused", reuse=W, isused=W),
            table(
                *("order", "out_order_id name payment contact contact_txt price num total_price card status"),
                **{"price": D, "num": W, "total_price": D, "status": W},
            ),
        ],
        {
            **{
                "order_no": "order.out_order_id",
                "codes": "order.card",
                "codes.separator": ",",
                "paid": "order.total_price",
            },
            **{"status.delivered": "1", "product": "order.name", "quantity": "order.num"},
        },
    ),
}


@pytest.mark.parametrize("make", TRADE)
def test_the_shops_of_this_trade_are_recognised(make: str) -> None:
    schema, expected = TRADE[make]
    known = draft(schema)
    assert known is not None

    columns = complete(known, Evidence(rows=10, texts=0 if make == "card-system" else 9)).columns

    assert {key: columns.get(key) for key in expected} == expected
    read_map("demo", columns)


def test_what_numbers_mean_is_guessed_from_what_their_orders_have_and_said() -> None:
    schema = [table("orders", "order_no status paid_at kami", status=W, paid_at=W)]
    known = draft(schema)
    assert known is not None

    values = [Value("1", 5, 0, 0), Value("7", 90, 90, 88), Value("8", 4, 4, 0)]
    proposal = complete(known, Evidence(rows=99, texts=88, values=values))

    assert [proposal.columns[f"status.{one}"] for one in ("unpaid", "delivered", "paid_undelivered")] == ["1", "7", "8"]
    assert len([doubt for doubt in proposal.doubts if "is taken for" in doubt]) == 3


def test_cards_that_many_orders_may_have_are_known_as_such() -> None:
    cards = table("keys", "order_id secret is_reusable deleted_at", order_id=W, is_reusable=W)
    known = draft([table("orders", "order_no status", status=W), cards])
    assert known is not None

    columns = complete(known, Evidence()).columns

    assert {columns["reusable"], columns["reusable.yes"]} == {"keys.is_reusable", "1"}
    assert read_map("demo", columns).has_rows


def test_an_order_without_another_number_has_that_of_its_row() -> None:
    orders = LiveTable("orders", [LiveColumn("id", Holds.UUID), LiveColumn("kami", Holds.TEXT)], "id")

    known = draft([orders])

    assert known is not None
    assert (known.columns["order_no"], known.columns["order_no.type"]) == ("orders.id", "uuid")


def test_hashes_of_php_are_known() -> None:
    known = draft([table("orders", "order_no status kami password", status=W)])
    assert known is not None

    proposal = complete(known, Evidence(rows=9, texts=9, passwords=9, lengths=(60, 60), bcrypt=9))

    assert proposal.columns["password.hash"] == "bcrypt"


@pytest.mark.parametrize(
    ("text", "status"),
    [
        *(
            ("等待支付", "unpaid"),
            ("pending_payment", "unpaid"),
            ("已付款", "paid_undelivered"),
            ("待发货", "paid_undelivered"),
        ),
        *(
            ("partially_refunded", "partial"),
            ("completed", "delivered"),
            ("已发货", "delivered"),
            ("canceled", "closed"),
        ),
        *(("已退款", "refunded"), ("处理失败", "abnormal"), ("冻结", "frozen"), ("blue", None)),
    ],
)
def test_a_word_for_a_status_is_understood(text: str, status: str | None) -> None:
    assert status_of(text) == status


def test_a_remark_says_what_numbers_mean() -> None:
    assert statuses_in("订单状态：0=未付款,1-已付款；2:已发货 3关闭") == {
        **{"0": OrderStatus.UNPAID, "1": OrderStatus.PAID_UNDELIVERED},
        **{"2": OrderStatus.DELIVERED, "3": OrderStatus.CLOSED},
    }


async def test_a_database_without_orders_is_said_to_have_none(request: pytest.FixtureRequest) -> None:
    url = await mapped.new_place("sqlite", request)
    await strangers.install(url, ["CREATE TABLE users (id integer PRIMARY KEY, email text)"])
    database = ShopDatabase("demo", url)

    with pytest.raises(NoOrdersFound, match="name the columns by hand"):
        await propose(database)
    await database.close()


@pytest.mark.mariadb
async def test_the_map_proposed_for_dujiaoka_reads_what_is_true(
    empty_mariadb: str, vault: Vault, tmp_path: Path
) -> None:
    sales = dujiaoka.sell(64, seed=7)
    await dujiaoka.open_original(empty_mariadb, sales)
    reader = await make_reader(empty_mariadb, (ORDERS, CARMIS))
    database = ShopDatabase("demo", reader)

    proposal = await propose(database)
    await database.close()
    own = Database(f"sqlite:///{tmp_path / 'own.db'}")
    shop = SqlShop(ground(own, vault), reader, proposal.columns)
    seen = [await shop.read(sale.order_no) for sale in sales]
    await shop.close()

    read = [sold and (sold.order.status, sold.codes, sold.order.goods.sku) for sold in seen]
    assert read == [None if sale.deleted else (sale.truth, sale.codes, str(sale.goods_id)) for sale in sales]
    assert any("looks like dujiaoka" in doubt for doubt in proposal.doubts)
