import asyncio
from datetime import datetime, timedelta

import pytest
from sqlalchemy import update
from sqlmodel import col, select

from audit.tables import AuditRow
from shop.errors import LinkGone, SealBroken
from shop.invariants import check_invariants
from shop.ledger import issue_replacement
from shop.reveals import Revealed, close_links, find_link, make_link, open_link, read_token
from shop.tables import Code, CodeState, Pool, RevealLink
from tests.shop.conftest import Stall

HOUR = timedelta(hours=1)
NEW_CODE = "NEW01-7K2Q9-XPLM4"


@pytest.fixture
async def token(stall: Stall, now: datetime) -> str:
    """A link to a replacement that was just issued."""
    await stall.add_product(reserve=[NEW_CODE])
    order = await stall.sell("OLD01-AAAAA-BBBBB")
    async with stall.database.writing() as session:
        replacement = await issue_replacement(
            session, now, stall.vault, claim_id=1, order=order, replaced=order.codes[0], actor="bot"
        )
        return read_token(
            stall.vault, await make_link(session, now, stall.vault, replacement.code_id, HOUR, actor="bot")
        )


async def open_in_own_transaction(stall: Stall, now: datetime, token: str) -> Revealed:
    async with stall.database.writing() as session:
        return await open_link(session, now, stall.vault, token, "198.51.100.7")


async def test_a_link_shows_its_code_once(stall: Stall, now: datetime, token: str) -> None:
    revealed = await open_in_own_transaction(stall, now, token)

    assert (revealed.text, revealed.masked, revealed.product_name) == (NEW_CODE, "****-PLM4", "STEAM-50 充值卡")
    with pytest.raises(LinkGone):
        await open_in_own_transaction(stall, now, token)


async def test_a_revealed_code_does_not_show_itself(stall: Stall, now: datetime, token: str) -> None:
    revealed = await open_in_own_transaction(stall, now, token)

    assert NEW_CODE not in repr(revealed)


async def test_opening_leaves_evidence(stall: Stall, now: datetime, token: str) -> None:
    await open_in_own_transaction(stall, now + HOUR / 2, token)

    async with stall.database.reading() as session:
        link = (await session.exec(select(RevealLink))).one()
        actions = select(AuditRow).where(col(AuditRow.subject) == f"code:{link.code_id}").order_by(col(AuditRow.id))
        rows = (await session.exec(actions)).all()
    assert (link.opened_at, link.opened_from) == (now + HOUR / 2, "198.51.100.7")
    assert [row.action for row in rows] == ["code.issued", "code.link_made", "code.revealed"]
    assert rows[-1].actor == f"link:{link.id}"
    assert not any(token in str(row) or NEW_CODE in str(row) for row in rows)


async def test_looking_for_a_link_does_not_use_it_up(stall: Stall, now: datetime, token: str) -> None:
    async with stall.database.reading() as session:
        assert await find_link(session, now, token)
        assert await find_link(session, now, token)

    assert (await open_in_own_transaction(stall, now, token)).text == NEW_CODE
    async with stall.database.reading() as session:
        assert await find_link(session, now, token) is None


async def test_the_token_is_kept_sealed_until_it_is_used(stall: Stall, now: datetime, token: str) -> None:
    async with stall.database.reading() as session:
        link = (await session.exec(select(RevealLink))).one()

    await open_in_own_transaction(stall, now, token)

    async with stall.database.reading() as session:
        used = (await session.exec(select(RevealLink))).one()
    assert token not in str(link)
    assert len(token) >= 32
    assert read_token(stall.vault, link) == token
    assert used.sealed_token == ""


async def test_the_token_of_another_link_does_not_open_from_here(stall: Stall, token: str) -> None:
    async with stall.database.reading() as session:
        link = (await session.exec(select(RevealLink))).one()
    link.token_hash = "0" * 64

    with pytest.raises(SealBroken):
        read_token(stall.vault, link)


@pytest.mark.parametrize(
    ("after", "is_open"), [(HOUR - timedelta(seconds=1), True), (HOUR, False)], ids=["last second", "at the end"]
)
async def test_a_link_ends(stall: Stall, now: datetime, token: str, after: timedelta, is_open: bool) -> None:
    async with stall.database.reading() as session:
        assert bool(await find_link(session, now + after, token)) is is_open

    if is_open:
        await open_in_own_transaction(stall, now + after, token)
    else:
        with pytest.raises(LinkGone):
            await open_in_own_transaction(stall, now + after, token)


async def test_an_unknown_token_reads_like_a_used_one(stall: Stall, now: datetime, token: str) -> None:
    await open_in_own_transaction(stall, now, token)

    refusals = []
    for gone in (token, token[:-1], "", "' OR 1=1 --", "\0\ud800"):
        with pytest.raises(LinkGone) as refusal:
            await open_in_own_transaction(stall, now, gone)
        refusals.append(str(refusal.value))
    assert len(set(refusals)) == 1


async def test_a_code_called_back_is_not_shown(stall: Stall, now: datetime, token: str) -> None:
    async with stall.database.writing() as session:
        await session.exec(update(Code).where(col(Code.pool) == Pool.RESERVE).values(state=CodeState.VOID))

    with pytest.raises(LinkGone):
        await open_in_own_transaction(stall, now, token)


async def test_a_broken_seal_leaves_the_link_unused(stall: Stall, now: datetime, token: str) -> None:
    async with stall.database.writing() as session:
        code = (await session.exec(select(Code).where(col(Code.pool) == Pool.RESERVE))).one()
        whole, code.ciphertext = code.ciphertext, code.ciphertext[:-1] + b"?"
    with pytest.raises(SealBroken):
        await open_in_own_transaction(stall, now, token)

    async with stall.database.writing() as session:
        code = (await session.exec(select(Code).where(col(Code.pool) == Pool.RESERVE))).one()
        code.ciphertext = whole

    assert (await open_in_own_transaction(stall, now, token)).text == NEW_CODE


async def test_sixteen_at_once_open_a_link_once(stall: Stall, now: datetime, token: str) -> None:
    attempts = [open_in_own_transaction(stall, now, token) for _ in range(16)]

    results = await asyncio.gather(*attempts, return_exceptions=True)

    assert [result.text for result in results if isinstance(result, Revealed)] == [NEW_CODE]
    assert sum(isinstance(result, LinkGone) for result in results) == 15


async def test_without_the_guard_a_link_opens_often(stall: Stall, now: datetime, token: str) -> None:
    """The broken twin: look first, write later."""
    barrier = asyncio.Barrier(16)

    async def open_carelessly() -> bool:
        async with stall.database.reading() as session:
            link = await find_link(session, now, token)
        await barrier.wait()
        if link is None:
            return False
        async with stall.database.writing() as session:
            await session.exec(update(RevealLink).values(opened_at=now, opened_from="twin"))
        return True

    opened = await asyncio.gather(*(open_carelessly() for _ in range(16)))
    async with stall.database.writing() as session:
        broken = await check_invariants(session)
        await session.exec(update(RevealLink).values(opened_at=None))

    assert sum(opened) > 1
    assert broken == ["a code is revealed exactly when somebody opened its link: not so for 1"]


async def test_a_closed_link_does_not_open_for_a_clock_that_is_behind(stall: Stall, now: datetime, token: str) -> None:
    async with stall.database.writing() as session:
        link = (await session.exec(select(RevealLink))).one()
        await close_links(session, now + HOUR / 2, link.code_id, actor="agent:1")

    with pytest.raises(LinkGone):
        await open_in_own_transaction(stall, now + HOUR / 4, token)
