"""Evidence pictures: sealed, attached to the claim that they came for, and recognised when they come again."""

from datetime import timedelta
from random import Random

import pytest
from sqlmodel import select, update
from sqlmodel.ext.asyncio.session import AsyncSession

from shop.errors import SealBroken
from shop.rotation import renew_page
from shop.vault import Keys, Vault
from tests.tickets.conftest import KEYS, Floor
from tickets import conversations, pictures
from tickets.pictures import Alike
from tickets.pixels import Pixels
from tickets.tables import Claim, Conversation, Picture, Reason, id_of

DAY = timedelta(days=1)


def pixels(seed: int = 1, *, bits: int = 0) -> Pixels:
    """A picture; with `bits` of its look turned over it is another one that looks nearly so."""
    look = Random(seed).getrandbits(64) ^ ((1 << bits) - 1)
    return Pixels(f"jpeg {seed}".encode() * 10, 540, 960, f"digest {seed} {bits}", f"{look:016x}")


async def send(floor: Floor, vault: Vault, conversation: Conversation, sent: Pixels) -> Picture:
    async with floor.database.writing() as session:
        message = await conversations.add_message(session, floor.now, conversation, "")
        return await pictures.keep(session, floor.now, vault, message, sent)


async def file(floor: Floor, conversation: Conversation, number: int, order_no: str = "") -> Claim:
    """A claim about a code of its own, with the pictures sent before it."""
    async with floor.database.writing() as session:
        claim = Claim(
            conversation_id=id_of(conversation),
            buyer_id=conversation.buyer_id,
            shop="demo",
            order_no=order_no or f"ORDER{number}",
            fingerprint=f"print {number}",
            masked="****-0001",
            position=1,
            sku="STEAM-50",
            product_name="Steam",
            price=4_850,
            currency="CNY",
            reason=Reason.ALREADY_USED,
            created_at=floor.now,
        )
        session.add(claim)
        await session.flush()
        await pictures.attach(session, floor.now, claim)
        return claim


async def alike(floor: Floor, claim: Claim) -> Alike:
    async with floor.database.reading() as session:
        return await pictures.find_alike(session, floor.now, claim)


async def test_a_picture_is_sealed_and_named_by_its_message(floor: Floor, vault: Vault) -> None:
    picture = await send(floor, vault, await floor.meet(), pixels())

    (kept,) = await floor.all(Picture)
    assert pictures.read(vault, kept) == pixels().jpeg
    assert b"jpeg" not in kept.ciphertext
    assert pixels().digest not in kept.content_hash
    assert picture.message_id is not None
    with pytest.raises(SealBroken):
        pictures.read(vault, Picture(**kept.model_dump() | {"seal_id": "another"}))


async def test_a_rotated_key_seals_pictures_anew(floor: Floor, vault: Vault) -> None:
    await send(floor, vault, await floor.meet(), pixels())
    newer = Keys("new", {**KEYS.encryption, "new": b"n" * 32}, KEYS.fingerprint)

    async with floor.database.writing() as session:
        page = await renew_page(session, Vault(newer), pictures.SEALS, None, 10)

    (kept,) = await floor.all(Picture)
    assert (page.renewed, kept.key_id) == (1, "new")
    assert pictures.read(Vault(newer), kept) == pixels().jpeg


async def test_what_was_sent_lately_is_evidence_for_the_claim_that_follows(floor: Floor, vault: Vault) -> None:
    conversation, stranger = await floor.meet(), await floor.meet("buyer-2")
    old = await send(floor, vault, conversation, pixels(1))
    async with floor.database.writing() as session:
        await session.exec(update(Picture).values(received_at=floor.now - DAY))
    fresh = await send(floor, vault, conversation, pixels(2))
    await send(floor, vault, stranger, pixels(3))

    claim = await file(floor, conversation, 1)
    later = await file(floor, conversation, 2)

    async with floor.database.reading() as session:
        found = await pictures.of_claims(session, [id_of(claim), id_of(later)])
    assert [(one.id, one.claim_id) for one in found] == [(fresh.id, claim.id)]
    assert old.claim_id is None


async def test_a_picture_that_comes_again_is_known_whoever_sends_it(floor: Floor, vault: Vault) -> None:
    first, second = await floor.meet(), await floor.meet("buyer-2")
    for number, conversation in enumerate((first, first, second)):
        await send(floor, vault, conversation, pixels(1))
        claim = await file(floor, conversation, number)

    found = await alike(floor, claim)

    assert found == Alike(same=2, like=0, buyers=frozenset({first.buyer_id}))


@pytest.mark.parametrize(("bits", "like"), [(1, 1), (6, 1), (7, 0), (30, 0)])
async def test_a_picture_that_looks_nearly_so_is_known_up_to_six_of_64(
    floor: Floor, vault: Vault, bits: int, like: int
) -> None:
    first, second = await floor.meet(), await floor.meet("buyer-2")
    await send(floor, vault, first, pixels(1))
    await file(floor, first, 1)
    await send(floor, vault, second, pixels(1, bits=bits))
    claim = await file(floor, second, 2)

    assert await alike(floor, claim) == Alike(0, like)


async def test_one_picture_for_several_codes_of_an_order_is_no_repeat(floor: Floor, vault: Vault) -> None:
    conversation = await floor.meet()
    for number in (1, 2):
        await send(floor, vault, conversation, pixels(1))
        claim = await file(floor, conversation, number, order_no="ORDER")

    assert await alike(floor, claim) == Alike()


async def test_a_claim_without_a_picture_is_like_none(floor: Floor, vault: Vault) -> None:
    conversation = await floor.meet()
    await send(floor, vault, conversation, pixels(1))
    await file(floor, conversation, 1)

    assert await alike(floor, await file(floor, await floor.meet("buyer-2"), 2)) == Alike()


async def test_a_buyer_finds_their_own_picture_and_no_other(floor: Floor, vault: Vault) -> None:
    mine, theirs = await floor.meet("mine"), await floor.meet("theirs")
    picture = await send(floor, vault, mine, pixels())

    async def find(session: AsyncSession, address: str) -> Picture | None:
        return await pictures.find_own(session, id_of(picture), "web", "main", address)

    async with floor.database.reading() as session:
        assert await find(session, mine.address) is not None
        assert await find(session, theirs.address) is None
        assert (await session.exec(select(Picture.id))).all() == [picture.id]
