from datetime import timedelta

import pytest

from shop import ledger, reveals
from shop.provenance import find_out, find_provenance, search
from shop.tables import Code
from tests.shop.conftest import Stall

OLD, OTHER = "OLD01-AAAAA-BBBBB", "OLD02-AAAAA-CCCCC"
RESERVE = ["NEW00-7K2Q9-XPLM4", "NEW01-7K2Q9-XPLM5"]
HOUR = timedelta(hours=1)


@pytest.fixture
async def replaced(stall: Stall) -> Stall:
    """A sold code, replaced twice; the second replacement was looked at."""
    await stall.add_product(reserve=RESERVE)
    await stall.sell(OLD, OTHER, delivered_at=stall.now)
    for claim_id, text in enumerate((OLD, RESERVE[0]), start=1):
        order = await stall.order()
        code = next(one for one in order.codes if one.fingerprint == stall.vault.fingerprint(text))
        async with stall.database.writing() as session:
            at = stall.now + claim_id * HOUR
            given = await ledger.issue_replacement(
                session, at, stall.vault, claim_id=claim_id, order=order, replaced=code, actor="bot"
            )
    async with stall.database.writing() as session:
        link = await reveals.make_link(session, at, stall.vault, given.code_id, HOUR)
        await reveals.open_link(session, at, stall.vault, reveals.read_token(stall.vault, link), "web")
    return stall


async def test_a_sold_code_shows_where_it_came_from_and_what_stood_in_for_it(replaced: Stall) -> None:
    async with replaced.database.reading() as session:
        found = await find_provenance(session, replaced.vault.fingerprint(OLD))

    assert found.supplier is not None
    assert found.batch is not None
    assert found.order is not None
    assert (found.supplier.name, found.batch.name) == ("supplier of STEAM-50", "STEAM-50")
    assert (found.order.order_no, found.position) == ("AB12CD34EF56GH78", 1)
    assert found.out is not None
    assert found.out.at == replaced.now
    assert [step.code.masked for step in found.chain if step.code] == ["****-BBBB", "****-PLM4", "****-PLM5"]


async def test_a_replacement_shows_its_links_and_the_same_chain(replaced: Stall) -> None:
    async with replaced.database.reading() as session:
        found = await find_provenance(session, replaced.vault.fingerprint(RESERVE[1]))
        out = await find_out(session, replaced.vault.fingerprint(RESERVE[0]))

    assert [link.opened_from for link in found.links] == ["web"]
    assert found.position is None  # the order did not sell it
    assert found.order is not None
    assert [step.given.chain for step in found.chain if step.given] == [1, 2]
    assert out is not None
    assert (out.at, out.shop) == (replaced.now + HOUR, "demo")


async def test_of_a_foreign_code_only_what_was_done_about_it_is_known(replaced: Stall) -> None:
    async with replaced.database.reading() as session:
        found = await find_provenance(session, "f" * 64, ("elsewhere", "1"))

    assert found.code is None
    assert [step.fingerprint for step in found.chain] == ["f" * 64]


@pytest.mark.parametrize(
    ("typed", "masks"),
    [
        pytest.param("ccCC", ["****-CCCC"], id="a tail"),
        pytest.param("****-CCCC", ["****-CCCC"], id="a mask"),
        pytest.param("old02 aaaaa ccccc", ["****-CCCC"], id="a whole code"),
        pytest.param("AAAAA-CCCCC", [], id="a part of one"),
        pytest.param(" - ", [], id="nothing"),
    ],
)
async def test_a_code_is_found_by_its_tail_or_as_a_whole(replaced: Stall, typed: str, masks: list[str]) -> None:
    async with replaced.database.reading() as session:
        found: list[Code] = list(await search(session, replaced.vault, typed))

    assert [code.masked for code in found] == masks
