"""Pictures: sealed with the message that they came with; those of buyers are evidence, compared with other claims'."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import bindparam, update
from sqlalchemy import select as select_columns
from sqlmodel import col, or_, select
from sqlmodel.ext.asyncio.session import AsyncSession

from audit import rows
from audit.tables import AuditRow
from audit.trail import record
from shop import rotation
from shop.vault import Vault
from tickets import attachments
from tickets.pixels import Pixels, distance
from tickets.tables import Claim, Conversation, Message, Picture, id_of

SEAL = "picture"
NEAR = 6  # of 64 fields that may differ between two pictures of one look
LOOKED_AT = 5_000  # earlier pictures, the newest: comparing so many takes some 10 ms
ONE_VIEW = timedelta(minutes=1)  # a page asks for a picture as often as it shows it
SEEN = "picture.seen"  # audit action
FRESH = timedelta(hours=2)  # a picture that came so long before a claim is its evidence


class Alike(NamedTuple):
    """Other claims with a picture of this claim, and who filed them."""

    same: int = 0
    like: int = 0
    buyers: frozenset[int] = frozenset()  # others, whose picture is the same


@dataclass(frozen=True, slots=True)
class Shown:
    """A picture without its pixels, for a page that names it."""

    id: int
    claim_id: int | None
    width: int
    height: int
    received_at: datetime


async def keep(
    session: AsyncSession,
    now: datetime,
    vault: Vault,
    message: Message,
    pixels: Pixels,
    *,
    agent_id: int | None = None,
) -> Picture:
    """Seal a picture with the message that it came with, and name it there; `agent_id` sends it to the buyer."""
    picture = Picture(
        conversation_id=message.conversation_id,
        message_id=id_of(message),
        **attachments.seal(vault, SEAL, pixels.jpeg),
        content_hash=vault.keyed_hash("picture", pixels.digest),
        look_hash=pixels.look,
        width=pixels.width,
        height=pixels.height,
        received_at=now,
        is_ours=agent_id is not None,
    )
    await attachments.attach(session, message, SEAL, picture, kind="photo")
    after = {"conversation": message.conversation_id, "message": message.id}
    actor = "bot" if agent_id is None else f"agent:{agent_id}"
    record(session, now, actor, "picture.kept", f"picture:{picture.id}", after=after)
    return picture


async def note_view(session: AsyncSession, now: datetime, picture_id: int, agent_id: int) -> None:
    """Write down that this agent sees the picture: it may show a code. A page that has it twice is one view."""
    actor, subject = f"agent:{agent_id}", f"picture:{picture_id}"
    seen = select(AuditRow.id).where(AuditRow.subject == subject, AuditRow.actor == actor)
    seen = seen.where(AuditRow.action == SEEN, col(AuditRow.at) > now - ONE_VIEW)
    if (await session.exec(seen.limit(1))).first() is None:
        record(session, now, actor, SEEN, subject)


def read(vault: Vault, picture: Picture) -> bytes:
    """The JPEG; `SealBroken` when its row was changed."""
    return attachments.read(vault, SEAL, picture)


_SENT = select_columns(col(Picture.id)).where(
    col(Picture.conversation_id) == bindparam("conversation"),
    col(Picture.is_ours).is_(False),
    or_(
        col(Picture.claim_id) == bindparam("claim"),
        col(Picture.claim_id).is_(None) & (col(Picture.received_at) > bindparam("fresh_since")),
    ),
)


async def attach_and_compare(session: AsyncSession, now: datetime, claim: Claim) -> Alike:
    """`attach`, then `find_alike`: one look where no picture was sent, as is usual."""
    about = {"conversation": claim.conversation_id, "claim": claim.id, "fresh_since": now - FRESH}
    if await rows.in_one_trip(session, lambda connection: rows.find(connection, _SENT, **about)) is None:
        return Alike()
    await attach(session, now, claim)
    return await find_alike(session, now, claim)


async def attach(session: AsyncSession, now: datetime, claim: Claim) -> int:
    """What this conversation sent lately and no claim has is evidence for this claim; how many pictures."""
    fresh = (
        update(Picture)
        .where(col(Picture.conversation_id) == claim.conversation_id, col(Picture.claim_id).is_(None))
        .where(col(Picture.received_at) > now - FRESH, col(Picture.is_ours).is_(False))
        .values(claim_id=claim.id)
    )
    count: int = (await session.exec(fresh)).rowcount
    if count:
        record(session, now, "bot", "claim.pictures_attached", f"claim:{claim.id}", after={"pictures": count})
    return count


async def find_alike(session: AsyncSession, now: datetime, claim: Claim) -> Alike:
    """Whose earlier claims had a picture of this one: the same, or one that looks nearly so."""
    mine = select(Picture.content_hash, Picture.look_hash).where(Picture.claim_id == claim.id)
    ours = (await session.exec(mine)).all()
    if not ours:
        return Alike()
    same = await _others(session, now, claim, [content for content, _ in ours])
    like = await _looking_like(session, now, claim, [look for _, look in ours if look]) - same.keys()
    buyers = frozenset(same.values()) - {claim.buyer_id}
    return Alike(len(same), len(like), buyers)


async def name(session: AsyncSession, now: datetime, picture_id: int, known_as: str) -> None:
    """The messenger that it goes out by has the file, under this name; "": it has it no more."""
    values = {"known_as": known_as or None, "handed_at": now if known_as else None}
    await session.exec(update(Picture).where(col(Picture.id) == picture_id).values(**values))


async def find_picture(session: AsyncSession, picture_id: int) -> Picture | None:
    return await session.get(Picture, picture_id)


async def find_own(session: AsyncSession, picture_id: int, channel: str, account: str, address: str) -> Picture | None:
    """The picture, if it was sent in the conversation with this address, by either side."""
    found = await session.exec(
        select(Picture)
        .join(Conversation, col(Conversation.id) == col(Picture.conversation_id))
        .where(Picture.id == picture_id, Conversation.channel == channel, Conversation.account == account)
        .where(Conversation.address == address)
    )
    return found.first()


async def of_claims(session: AsyncSession, claim_ids: Sequence[int]) -> list[Shown]:
    """The evidence of these claims, oldest first."""
    columns: Any = [getattr(Picture, name) for name in Shown.__slots__]
    found = await session.exec(select(*columns).where(col(Picture.claim_id).in_(claim_ids)).order_by(col(Picture.id)))
    return [Shown(*row) for row in found.all()]


async def _others(session: AsyncSession, now: datetime, claim: Claim, contents: list[str]) -> dict[int, int]:
    """Claim → buyer, of other claims with one of these pictures."""
    found = await session.exec(
        _of_other_claims(now, claim).where(col(Picture.content_hash).in_(contents)).limit(LOOKED_AT)
    )
    return {claim_id: buyer_id for claim_id, buyer_id, _ in found.all()}


async def _looking_like(session: AsyncSession, now: datetime, claim: Claim, looks: list[str]) -> set[int]:
    """Other claims with a picture of nearly the same look, among the newest pictures."""
    if not looks:
        return set()
    newest = _of_other_claims(now, claim).order_by(col(Picture.id).desc()).limit(LOOKED_AT)
    earlier = (await session.exec(newest)).all()
    return {claim_id for claim_id, _, look in earlier if any(distance(look, one) <= NEAR for one in looks)}


def _of_other_claims(now: datetime, claim: Claim) -> Any:
    """One picture may show several codes of an order: what the buyer files beside is not another claim."""
    beside = (col(Claim.conversation_id) == claim.conversation_id) & (col(Claim.order_no) == claim.order_no)
    return (
        select(Claim.id, Claim.buyer_id, Picture.look_hash)
        .join(Picture, col(Picture.claim_id) == col(Claim.id))
        .where(col(Claim.id) != claim.id, or_(~beside, col(Claim.created_at) < now - FRESH))
    )


SEALS = rotation.whole(Picture, lambda _: SEAL)
