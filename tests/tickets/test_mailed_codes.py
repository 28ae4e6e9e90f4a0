"""Mailed one-time codes: what opens, once, how often one may guess, and how many are sent."""

import re
from datetime import datetime, timedelta

import pytest
from sqlmodel.ext.asyncio.session import AsyncSession

from audit.tables import AuditRow
from shop.vault import Vault
from tests.tickets.conftest import Floor
from tickets import mailed_codes
from tickets.letters import SEAL
from tickets.mailed_codes import MailedCodes, MailRules
from tickets.ownership import Ownership
from tickets.tables import Mail, MailedCode

MINUTE = timedelta(minutes=1)
ORDER_NO, ADDRESS = "AB12CD34EF56GH78", "chen@qq.example"


def say(language: str, key: str, /, **facts: object) -> str:
    return f"{language} {key} {facts.get('shop', '')} {facts.get('number', '')} [{facts.get('code', '')}]"


@pytest.fixture
def mails(vault: Vault) -> MailedCodes:
    return MailedCodes(vault, say, "Star Cards")


async def identity(floor: Floor, address: str = "buyer") -> int:
    return (await floor.meet(address)).identity_id


async def ask(
    floor: Floor, mails: MailedCodes, who: int, minute: float = 0, order_no: str = ORDER_NO, address: str = ADDRESS
) -> datetime | None:
    return await floor.do(mails.ask, who, order_no, address, "zh", at=floor.now + minute * MINUTE)


async def read(floor: Floor, vault: Vault) -> list[tuple[str, str]]:
    """Address and code of every letter, oldest first."""
    opened = [vault.open_text(SEAL, mail.seal_id, mail.sealed).split("\n", 1) for mail in await floor.all(Mail)]
    return [(address, re.findall(r"\[(\d{6})\]", text)[0]) for address, text in opened]


async def use(
    floor: Floor, mails: MailedCodes, who: int, typed: str, minute: float = 1, order_no: str = ORDER_NO
) -> bool:
    return await floor.do(mails.use, who, order_no, typed, at=floor.now + minute * MINUTE)


async def test_the_mailed_code_opens_however_it_is_typed(floor: Floor, mails: MailedCodes, vault: Vault) -> None:
    who = await identity(floor)
    await ask(floor, mails, who)
    ((address, code),) = await read(floor, vault)

    assert address == ADDRESS
    for typed in (
        f"验证码 {code[:3]} {code[3:]}",
        f"[{code}]",
        code.translate({48 + n: 0xFF10 + n for n in range(10)}),
    ):
        assert await floor.do(mails.fits, who, "ab12-cd34ef56gh78", typed)
    for typed in ("", f"{code}0", f"{code} {code}", "abcdef"):
        assert not await floor.do(mails.fits, who, ORDER_NO, typed)


@pytest.mark.parametrize("when", ["nine minutes", "ten minutes"])
async def test_a_code_lives_ten_minutes(floor: Floor, mails: MailedCodes, vault: Vault, when: str) -> None:
    who = await identity(floor)
    await ask(floor, mails, who)
    ((_, code),) = await read(floor, vault)

    assert await use(floor, mails, who, code, 9.9 if when == "nine minutes" else 10) == (when == "nine minutes")


async def test_a_code_is_for_one_identity_and_one_order(floor: Floor, mails: MailedCodes, vault: Vault) -> None:
    who, other = await identity(floor), await identity(floor, "other")
    await ask(floor, mails, who)
    await ask(floor, mails, other)
    await ask(floor, mails, who, order_no="ANOTHER1")
    codes = [code for _, code in await read(floor, vault)]

    assert not await use(floor, mails, other, codes[0])
    assert not await use(floor, mails, who, codes[0], order_no="ANOTHER1")
    assert await use(floor, mails, who, codes[0])


async def test_the_newest_code_alone_counts(floor: Floor, mails: MailedCodes, vault: Vault) -> None:
    who = await identity(floor)
    await ask(floor, mails, who)
    await ask(floor, mails, who, 0.9)
    await ask(floor, mails, who, 1)
    (_, old), (_, new) = await read(floor, vault)

    assert not await use(floor, mails, who, old, 2)
    assert await use(floor, mails, who, new, 2)


async def check_that_a_code_opens_once(floor: Floor, mails: MailedCodes, vault: Vault) -> None:
    who = await identity(floor)
    await ask(floor, mails, who)
    ((_, code),) = await read(floor, vault)

    assert [await use(floor, mails, who, code) for _ in range(2)] == [True, False]


async def test_a_code_opens_once(floor: Floor, mails: MailedCodes, vault: Vault) -> None:
    await check_that_a_code_opens_once(floor, mails, vault)


async def test_the_check_fails_when_codes_are_not_used_up(floor: Floor, mails: MailedCodes, vault: Vault) -> None:
    class Forgetful(MailedCodes):
        async def use(self, session: AsyncSession, now: datetime, identity_id: int, order_no: str, typed: str) -> bool:
            return await self.fits(session, now, identity_id, order_no, typed)

    with pytest.raises(AssertionError):
        await check_that_a_code_opens_once(floor, Forgetful(vault, say, "Star Cards"), vault)


async def check_that_a_code_bears_five_tries(floor: Floor, mails: MailedCodes, vault: Vault) -> None:
    ownership = Ownership(vault)
    who = await identity(floor)
    await floor.do(ownership.miss, who, ORDER_NO, at=floor.now - MINUTE)  # a password, before there was a code
    await ask(floor, mails, who)
    ((_, code),) = await read(floor, vault)

    fits = []
    for _ in range(5):
        fits.append(await floor.do(mails.fits, who, ORDER_NO, code))
        await floor.do(ownership.miss, who, ORDER_NO)
    assert fits == [True] * 5
    assert not await floor.do(mails.fits, who, ORDER_NO, code)


async def test_a_code_bears_five_tries(floor: Floor, mails: MailedCodes, vault: Vault) -> None:
    await check_that_a_code_bears_five_tries(floor, mails, vault)


async def test_the_check_fails_when_tries_are_not_counted(floor: Floor, vault: Vault) -> None:
    class Patient(MailedCodes):
        async def _count_tries(self, session: AsyncSession, code: MailedCode) -> int:
            return 0

    with pytest.raises(AssertionError):
        await check_that_a_code_bears_five_tries(floor, Patient(vault, say, "Star Cards"), vault)


@pytest.mark.parametrize("kind", ["identity", "order", "all"])
async def test_no_more_codes_than_the_limits_let_through(floor: Floor, vault: Vault, kind: str) -> None:
    limits = {"per_identity": 99, "per_order": 99, "per_hour": 99} | {
        {"identity": "per_identity", "order": "per_order", "all": "per_hour"}[kind]: 3
    }
    mails = MailedCodes(vault, say, "Star Cards", MailRules(**limits))
    people = [await identity(floor, f"buyer-{number if kind != 'identity' else 0}") for number in range(4)]
    orders = [ORDER_NO if kind == "order" else f"ORDER-{number}" for number in range(4)]

    asked = [
        await ask(floor, mails, who, minute, order_no)
        for minute, (who, order_no) in enumerate(zip(people, orders, strict=True))
    ]

    assert asked == [None, None, None, floor.now + 60 * MINUTE]
    assert await ask(floor, mails, people[3], 60, orders[3]) is None
    assert len(await floor.all(Mail)) == 4


async def test_an_address_gets_no_more_than_its_share_and_nobody_is_told(
    floor: Floor, mails: MailedCodes, vault: Vault
) -> None:
    for number in range(7):
        address = ADDRESS.upper() if number % 2 else ADDRESS
        assert await ask(floor, mails, await identity(floor, f"b{number}"), 0, f"ORDER-{number}", address) is None

    sent = [address.lower() for address, _ in await read(floor, vault)]
    assert sent == [ADDRESS] * 5 + ["", ""]


async def test_an_order_without_an_address_leaves_the_same_rows_and_no_code(
    floor: Floor, mails: MailedCodes, vault: Vault
) -> None:
    who = await identity(floor)

    await ask(floor, mails, who, order_no="NO SUCH ORDER", address="")

    row = await floor.one(MailedCode)
    ((address, code),) = await read(floor, vault)
    assert (row.code_hash, address, len(await floor.all(AuditRow, action="ownership.code_asked"))) == ("", "", 1)
    assert await floor.do(mails.is_awaited, who, "NO SUCH ORDER")
    assert not await use(floor, mails, who, code, order_no="NO SUCH ORDER")
    assert not await use(floor, mails, who, "", order_no="NO SUCH ORDER")


async def test_nothing_of_a_code_is_kept_in_clear(floor: Floor, mails: MailedCodes, vault: Vault) -> None:
    who = await identity(floor)
    await ask(floor, mails, who)
    ((_, code),) = await read(floor, vault)
    await use(floor, mails, who, code)

    kept = f"{await floor.all(MailedCode)} {await floor.all(Mail)} {await floor.all(AuditRow)}"

    assert not any(secret in kept for secret in (f"[{code}]", f"'{code}'", ADDRESS, ORDER_NO))


async def test_old_codes_are_forgotten(floor: Floor, mails: MailedCodes) -> None:
    who = await identity(floor)
    await ask(floor, mails, who)
    await ask(floor, mails, who, 2)

    async def forget(session: AsyncSession, now: datetime) -> None:
        await mailed_codes.forget(session, now)

    await floor.do(forget, at=floor.now + MINUTE)

    assert [row.sent_at for row in await floor.all(MailedCode)] == [floor.now + 2 * MINUTE]
