"""Links in messages: what is stored, and what the buyer reads."""

from datetime import timedelta

from kadesk.tables import metadata
from shop import reveals
from shop.tables import RevealLink
from tests.tickets.conftest import Floor
from tests.tickets.counter import Counter
from tickets.links import MARK
from tickets.tables import Message


async def tell(counter: Counter, link: RevealLink, text: str = f"here: {MARK}.") -> Message:
    return await counter.floor.post(counter.conversation, text, link_id=link.id)


async def give(counter: Counter) -> tuple[RevealLink, str]:
    """A replacement: its link, and the token that only the buyer may have."""
    settled = await counter.file()
    assert settled.link is not None
    return settled.link, reveals.read_token(counter.claims.vault, settled.link)


async def read(counter: Counter, *messages: Message, after: timedelta = timedelta()) -> list[str]:
    now = counter.floor.now + after
    async with counter.floor.database.reading() as session:
        return await counter.claims.links.texts(session, now, messages)


async def stored(floor: Floor) -> str:
    """Everything that the database holds, as text."""
    rows = []
    async with floor.database.reading() as session:
        connection = await session.connection()
        for table in metadata.sorted_tables:
            rows += [repr(row) for row in (await connection.execute(table.select())).all()]
    return "\n".join(rows)


async def test_the_buyer_reads_the_address_where_the_mark_stands(counter: Counter) -> None:
    link, token = await give(counter)

    plain, marked = await tell(counter, link, "nothing here"), await tell(counter, link)

    assert await read(counter, plain, marked) == ["nothing here", f"here: https://help.example/r/{token}."]


async def test_no_table_holds_the_token_in_clear(counter: Counter, lin: int) -> None:
    link, token = await give(counter)
    await tell(counter, link)

    assert token not in await stored(counter.floor)


async def test_without_the_mark_a_table_holds_it(counter: Counter) -> None:
    """The broken twin: the address itself is posted."""
    link, token = await give(counter)

    await tell(counter, link, counter.claims.rules.reveal_url(token))

    assert token in await stored(counter.floor)


async def test_an_opened_link_and_one_that_ended_are_said_to_be_so(counter: Counter) -> None:
    link, _ = await give(counter)
    message = await tell(counter, link)

    (ended,) = await read(counter, message, after=counter.claims.rules.reveal_ttl)
    await counter.look(link)
    (opened,) = await read(counter, message)

    assert (ended, opened) == ("here: zh:link.expired.", "here: zh:link.opened.")


async def test_a_mark_that_somebody_typed_is_just_a_word(counter: Counter) -> None:
    await give(counter)

    message = await counter.floor.post(counter.conversation, MARK)

    assert await read(counter, message) == [MARK]
