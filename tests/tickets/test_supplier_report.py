"""The figures of suppliers are those of their codes and questions, each code counted once."""

from dataclasses import dataclass
from datetime import datetime, timedelta

import pytest

from shop.vault import Vault
from tests.tickets.conftest import Floor
from tests.tickets.counter import DAY, HOUR, sell, stock
from tickets.supplier_report import SupplierFigures, batch_figures, codes_out, supplier_figures
from tickets.tables import Claim, Outcome, SupplierCheck, id_of


@dataclass
class Books:
    """Codes that went out on a day each, and what was said of them."""

    floor: Floor
    vault: Vault

    async def sell(self, number: int, days_ago: int) -> str:
        """One code; its fingerprint."""
        at = self.floor.now - days_ago * DAY
        async with self.floor.database.writing() as session:
            text, order_no = f"SOLD-{number:04}-AAAA-BBBB", f"ORDER-{number:04}"
            return (await sell(session, self.vault, text, order_no, at)).fingerprint

    async def claim(
        self, fingerprint: str, outcome: Outcome | None, *, currency: str = "CNY", at: timedelta = timedelta()
    ) -> Claim:
        conversation = await self.floor.meet()
        filed_at = self.floor.now + at
        claim = Claim(
            conversation_id=id_of(conversation),
            buyer_id=conversation.buyer_id,
            shop="demo",
            order_no=fingerprint[:8],
            fingerprint=fingerprint,
            masked="****-BBBB",
            position=1,
            sku="STEAM-50",
            product_name="Steam",
            price=4_850,
            currency=currency,
            reason="other",
            outcome=outcome,
            supplier_id=1,
            batch_id=1,
            created_at=filed_at,
            decided_at=filed_at,
        )
        async with self.floor.database.writing() as session:
            session.add(claim)
        return claim

    async def ask(self, claim: Claim, answer: str | None, *, took: timedelta = HOUR, owed: int = 0) -> None:
        async with self.floor.database.writing() as session:
            session.add(
                SupplierCheck(
                    claim_id=id_of(claim),
                    supplier_id=1,
                    text="",
                    asked_at=claim.created_at,
                    due_at=claim.created_at + DAY,
                    answered_at=claim.created_at + took if answer else None,
                    answer=answer,
                    owed=owed,
                )
            )

    async def figures(self, days: int = 7) -> SupplierFigures:
        start, end = self.floor.now - days * DAY, self.floor.now + DAY
        async with self.floor.database.reading() as session:
            (one,) = await supplier_figures(session, start, end)
        return one


@pytest.fixture
async def books(floor: Floor, vault: Vault) -> Books:
    await stock(floor, vault, ())
    return Books(floor, vault)


async def test_the_rate_is_of_the_codes_that_went_out_in_the_span(books: Books) -> None:
    prints = [await books.sell(number, days_ago=2) for number in range(4)]
    old = await books.sell(9, days_ago=20)
    for outcome in (Outcome.REJECT, Outcome.REPLACE):  # the first claim was refused, the second found true
        await books.claim(prints[0], outcome)
    await books.claim(prints[1], Outcome.INSTRUCT)
    await books.claim(prints[2], None)
    await books.claim(old, Outcome.REFUND)

    week, month = await books.figures(7), await books.figures(30)

    assert (week.defects.out, week.defects.claimed_codes, week.defects.bad_codes) == (4, 3, 1)
    assert week.defects.rate == 1 / 4
    assert (month.defects.out, month.defects.bad_codes) == (5, 2)


async def test_of_nothing_there_is_no_rate(books: Books) -> None:
    one = await books.figures()

    assert (one.defects.out, one.defects.rate, one.defects.first_bad, one.median_answer, one.owed) == (
        0,
        None,
        None,
        None,
        {},
    )


async def test_the_first_bad_claim_is_the_first_that_was_true(books: Books) -> None:
    prints = [await books.sell(number, days_ago=1) for number in range(3)]
    await books.claim(prints[0], Outcome.REJECT, at=HOUR)
    later = await books.claim(prints[1], Outcome.REPLACE, at=3 * HOUR)
    first = await books.claim(prints[2], Outcome.PARTIAL_REFUND, at=2 * HOUR)

    found = (await books.figures()).defects.first_bad

    assert found is not None
    assert (found.claim.id, found.claim.id == later.id) == (first.id, False)


async def test_answers_are_timed_and_debts_are_summed_by_currency(books: Books) -> None:
    prints = [await books.sell(number, days_ago=1) for number in range(6)]
    for index, (answer, hours, owed, currency) in enumerate(
        [
            ("bad", 1, 4_000, "CNY"),
            ("good", 3, 0, "CNY"),
            ("bad", 8, 500, "USD"),
            ("bad", 5, 100, "CNY"),
            ("silent", 24, 0, "CNY"),
            (None, 0, 0, "CNY"),
        ]
    ):
        claim = await books.claim(prints[index], None, currency=currency)
        await books.ask(claim, answer, took=hours * HOUR, owed=owed)

    one = await books.figures()

    assert (len(one.asked), len(one.answered), len(one.silent), len(one.open)) == (6, 4, 1, 1)
    assert one.median_answer == 4 * HOUR
    assert one.owed == {"CNY": 4_100, "USD": 500}
    assert len(one.owing) == 3


async def test_a_question_belongs_to_the_span_in_which_it_was_asked(books: Books, now: datetime) -> None:
    claim = await books.claim(await books.sell(1, days_ago=30), None)
    await books.ask(claim, "bad", owed=100)

    one = await books.figures(7)

    assert (one.defects.out, one.owed) == (0, {"CNY": 100})


async def test_a_batch_is_counted_as_a_whole(books: Books) -> None:
    for number in range(3):
        fingerprint = await books.sell(number, days_ago=400 * number)
    await books.claim(fingerprint, Outcome.REFUND)

    async with books.floor.database.reading() as session:
        (one,) = await batch_figures(session)
        assert await batch_figures(session, supplier_id=99) == []

    assert (one.defects.out, one.defects.bad_codes, one.left, one.incident) == (3, 1, 0, None)


async def test_the_codes_behind_a_figure_are_the_figure(books: Books, now: datetime) -> None:
    for number in range(5):
        await books.sell(number, days_ago=number)

    async with books.floor.database.reading() as session:
        gone = await codes_out(session, now - 3 * DAY, now + DAY, 1, limit=10)

    assert len(gone) == (await books.figures(3)).defects.out == 4
    assert [row.at for row in gone] == sorted((row.at for row in gone), reverse=True)
