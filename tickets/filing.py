"""Claims as rows: found, written once per code, moved along the table, set aside where another buyer's is open."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, bindparam, update
from sqlalchemy import select as select_columns
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import aliased
from sqlmodel import and_, col, or_, select
from sqlmodel.ext.asyncio.session import AsyncSession
from sqlmodel.sql.expression import SelectOfScalar

from audit import rows
from audit.trail import record, record_now
from shop import ledger
from shop.port import CodeRef, Goods, Order, OrderStatus
from shop.provenance import Source
from shop.tables import Batch, Code, Replacement
from tickets.cases import Case
from tickets.changes import lock_tickets
from tickets.claim_states import ClaimState, can_move
from tickets.contested import find_rivals
from tickets.errors import ClaimStands, Contested, NoOpenClaim
from tickets.lifecycle import is_active
from tickets.pictures import FRESH
from tickets.tables import Approval, Claim, Conversation, Outcome, Phase, Picture, Reason, Ticket, id_of

Facts = Mapping[str, object]
PROOF_LATE = timedelta(days=7)  # after a claim was closed for want of a screenshot, one that comes opens it again
WORDS_LIMIT = 300  # characters of the buyer's own words
_ID = col(Claim.id)


def move(session: AsyncSession, now: datetime, claim: Claim, state: ClaimState, actor: str, **facts: object) -> None:
    """Bring a claim to a state, with effect from `now`; raises `ClaimStands` where the table has no such step."""
    _step(session, now, claim, state, actor, "claim.moved", facts)


def note(claim: Claim, words: str, source: Source | None = None) -> None:
    """Keep what the buyer said of an undecided claim, and where a code that is not ours came from; the first stays."""
    if claim.outcome is not None:
        return
    claim.error_text = claim.error_text or words[:WORDS_LIMIT]
    if claim.supplier_id is None and source is not None:
        claim.supplier_id, claim.batch_id = source


def _step(
    session: AsyncSession, now: datetime, claim: Claim, state: ClaimState, actor: str, action: str, facts: Facts
) -> None:
    if not can_move(claim.state, state):
        raise ClaimStands(state=claim.state, wanted=state)
    before = {"state": claim.state}
    claim.state, claim.state_at = state, now
    session.add(claim)
    record(session, now, actor, action, f"claim:{claim.id}", before, {"state": state, **facts})


async def decide(session: AsyncSession, now: datetime, claim: Claim, outcome: Outcome, actor: str) -> None:
    """Give a claim its outcome, or another one after all."""
    old = claim.outcome
    if old is not None and claim.state != ClaimState.REOPENED:
        move(session, now, claim, ClaimState.REOPENED, actor, outcome=old)
    claim.outcome, claim.decided_at, claim.decided_by = outcome, now, actor
    _step(session, now, claim, ClaimState.DECIDED, actor, "claim.decided", {"outcome": outcome})
    if outcome != Outcome.REPLACE:  # else it went out
        await _keep_nothing(session, now, claim, actor)


async def lapse(session: AsyncSession, now: datetime, claim: Claim, actor: str, **facts: object) -> None:
    """End a claim without an outcome: it may be filed again."""
    claim.decided_at = claim.decided_at or now
    _step(session, now, claim, ClaimState.CLOSED, actor, "claim.lapsed", facts)
    await _keep_nothing(session, now, claim, actor)


async def _keep_nothing(session: AsyncSession, now: datetime, claim: Claim, actor: str) -> None:
    """A code that was kept for it is free again, and no second person is asked any more to replace it."""
    await ledger.release(session, now, id_of(claim), actor)
    open_now = (col(Approval.claim_id) == claim.id, col(Approval.decided_at).is_(None))
    asked = update(Approval).where(*open_now, col(Approval.action) == Outcome.REPLACE)
    if (await session.exec(asked.values(decided_at=now, is_granted=False))).rowcount:
        record(session, now, actor, "approval.ended", f"claim:{claim.id}")


async def end(session: AsyncSession, now: datetime, ticket: Ticket, actor: str, **facts: object) -> None:
    """The ticket is closed: its claims are."""
    claims = select(Claim).where(Claim.ticket_id == ticket.id, col(Claim.state) != ClaimState.CLOSED)
    for claim in (await session.exec(claims.order_by(_ID))).all():
        if claim.outcome is None:
            await lapse(session, now, claim, actor, **facts)
        else:
            move(session, now, claim, ClaimState.CLOSED, actor, **facts)


def _about(shop: str, order_no: str, fingerprint: str) -> tuple[ColumnElement[bool], ...]:
    return (col(Claim.shop) == shop, col(Claim.order_no) == order_no, col(Claim.fingerprint) == fingerprint)


async def find_open(session: AsyncSession, order: Order, code: CodeRef) -> Claim | None:
    """The open claim about this code, whoever filed it."""
    open_one = select(Claim).where(*_about(order.shop, order.order_no, code.fingerprint))
    return (await session.exec(open_one.where(col(Claim.decided_at).is_(None)))).first()


async def find_undecided(session: AsyncSession, buyer_id: int, order: Order, code: CodeRef) -> Claim | None:
    """This buyer's claim about this code that waits for its outcome, open or set aside."""
    theirs = select(Claim).where(*_about(order.shop, order.order_no, code.fingerprint), Claim.buyer_id == buyer_id)
    return (await session.exec(theirs.where(*_waits()).order_by(col(Claim.id)))).first()


def _waits() -> tuple[ColumnElement[bool], ...]:
    """It has no outcome, and has not lapsed."""
    return (col(Claim.outcome).is_(None), col(Claim.state) != ClaimState.CLOSED)


async def undecided_of(session: AsyncSession, ticket: Ticket) -> Sequence[Claim]:
    """The ticket's claims that wait for their outcome, the oldest first."""
    return (await session.exec(select(Claim).where(Claim.ticket_id == ticket.id, *_waits()).order_by(_ID))).all()


async def by_number(session: AsyncSession, ticket: Ticket) -> dict[int, Claim]:
    """All claims of the ticket by their number on it: the oldest is 1, whatever was decided meanwhile."""
    found = await session.exec(select(Claim).where(Claim.ticket_id == ticket.id).order_by(_ID))
    return dict(enumerate(found.all(), start=1))


def undecided(claims: Mapping[int, Claim]) -> dict[int, Claim]:
    """Those of them that wait for their outcome."""
    return {number: one for number, one in claims.items() if one.outcome is None and one.state != ClaimState.CLOSED}


async def get_to_grant(session: AsyncSession, ticket: Ticket, claim_id: int | None = None) -> Sequence[Claim]:
    """The ticket's claims that wait for their outcome, or the one of them that is named.

    Raises `NoOpenClaim`, and `Contested`: one that was set aside waits until the open one has its own.
    """
    claims = [claim for claim in await undecided_of(session, ticket) if claim_id in (None, claim.id)]
    if not claims:
        raise NoOpenClaim(number=ticket.number)
    if rivals := await find_rivals(session, claims):
        raise Contested(number=ticket.number, other=rivals[0][0].number)
    return claims


async def find_granted(session: AsyncSession, code_id: int) -> Claim | None:
    """The claim that this code was issued for."""
    granted = select(Claim).join(Replacement, col(Replacement.claim_id) == col(Claim.id))
    return (await session.exec(granted.where(col(Replacement.code_id) == code_id))).first()


_TICKETS: Any = (
    select_columns(col(Ticket.id), col(Claim.decided_at).is_(None))
    .join(Claim, col(Claim.ticket_id) == col(Ticket.id))
    .where(col(Claim.conversation_id) == bindparam("conversation"))
    .where(col(Claim.shop) == bindparam("shop"), col(Claim.order_no) == bindparam("order_no"))
    .where(col(Ticket.conversation_id) == bindparam("conversation"), *_waits())
    .where(or_(col(Ticket.phase) == Phase.OPEN, col(Ticket.phase) == Phase.WAITING))
    .order_by(col(Ticket.phase) == Phase.WAITING, col(Ticket.id).desc())
)


class Known(NamedTuple):
    """The tickets of one conversation about one order, locked."""

    shared: Ticket | None = None  # where its claims are to be decided
    contested: Ticket | None = None  # where those wait that were set aside


async def find_tickets(session: AsyncSession, conversation: Conversation, shop: str, order_no: str) -> Known:
    """Where claims of this conversation about this order wait for people, of each kind an open ticket first."""
    place = {"conversation": conversation.id, "shop": shop, "order_no": order_no}
    found = await rows.in_one_trip(session, lambda connection: rows.find_all(connection, _TICKETS, **place))
    ids: dict[bool, int] = {}
    for ticket_id, is_shared in found:
        ids.setdefault(is_shared, ticket_id)
    locked = zip(ids, await lock_tickets(session, *ids.values()), strict=True)
    known = {is_shared: ticket for is_shared, ticket in locked if is_active(ticket.phase)}
    return Known(known.get(True), known.get(False))


async def hold_batches(session: AsyncSession, codes: Collection[CodeRef]) -> None:
    """Lock the batches of several codes, in the order of their numbers; one code's is locked when it is looked at."""
    if len(codes) > 1:
        prints = [code.fingerprint for code in codes]
        theirs = select(Code.batch_id).where(col(Code.fingerprint).in_(prints))
        await session.exec(select(Batch.id).where(col(Batch.id).in_(theirs)).order_by(col(Batch.id)).with_for_update())


async def to_prove(session: AsyncSession, conversation: Conversation) -> Sequence[Claim]:
    """The claims that wait for a screenshot in this conversation, the oldest first."""
    return (await session.exec(select(Claim).where(*_proving(id_of(conversation))).order_by(_ID))).all()


async def orders_to_prove(session: AsyncSession, conversation: Conversation) -> Sequence[tuple[str, str]]:
    """Shop and number of the orders whose claims wait for a screenshot in this conversation."""
    waiting = select(Claim.shop, Claim.order_no).where(*_proving(id_of(conversation))).distinct()
    return (await session.exec(waiting.order_by(col(Claim.shop), col(Claim.order_no)))).all()


async def awaiting_proof(
    session: AsyncSession, conversation: Conversation, shop: str, order_no: str
) -> Sequence[Claim]:
    """The claims of this conversation about an order whose screenshot is awaited, by position; locked."""
    waiting = select(Claim).where(*_proving(id_of(conversation)), Claim.shop == shop, Claim.order_no == order_no)
    return (await session.exec(waiting.order_by(col(Claim.position)).with_for_update())).all()


async def has_picture(session: AsyncSession, now: datetime, claim: Claim) -> bool:
    """Whether this conversation has sent a picture lately about the order of this claim."""
    sent = (
        select(Picture.id)
        .join(Claim, col(Claim.id) == col(Picture.claim_id))
        .where(Claim.conversation_id == claim.conversation_id, Claim.shop == claim.shop)
        .where(Claim.order_no == claim.order_no, col(Picture.received_at) > now - FRESH)
    )
    return (await session.exec(sent.limit(1))).first() is not None


def _proving(conversation_id: int) -> tuple[ColumnElement[bool], ...]:
    """By the bot; what people have asked for stands on their ticket (see `tickets.screenshots`)."""
    is_with_bot = (col(Claim.state) == ClaimState.EVIDENCE, col(Claim.ticket_id).is_(None))
    return (col(Claim.conversation_id) == conversation_id, *is_with_bot)


async def find_proving(session: AsyncSession, conversation_id: int) -> str | None:
    """The order whose claim waits for a screenshot in this conversation, whoever asked; the one asked for last."""
    theirs = select(Ticket.id).where(Ticket.conversation_id == conversation_id)
    is_asked = or_(and_(*_proving(conversation_id)), col(Claim.ticket_id).in_(theirs))
    waiting = select(Claim.order_no).where(Claim.state == ClaimState.EVIDENCE, is_asked)
    return (await session.exec(waiting.order_by(col(Claim.state_at).desc(), _ID.desc()).limit(1))).first()


async def find_unproved(session: AsyncSession, now: datetime, conversation_id: int) -> str | None:
    """The order whose claim has waited for one in vain, lately."""
    late = select(Claim.order_no).where(*_unproved(now, conversation_id))
    return (await session.exec(late.order_by(_ID.desc()).limit(1))).first()


async def unproved(session: AsyncSession, now: datetime, conversation: Conversation, order: Order) -> Sequence[Claim]:
    """The claims of this conversation about the order that were closed lately because no screenshot came."""
    late = select(Claim).where(*_unproved(now, id_of(conversation)))
    theirs = late.where(Claim.shop == order.shop, Claim.order_no == order.order_no)
    return (await session.exec(theirs.order_by(col(Claim.position)))).all()


def _unproved(now: datetime, conversation_id: int) -> tuple[ColumnElement[bool], ...]:
    """Closed for want of a screenshot, and not filed again since."""
    later = aliased(Claim)
    filed_again = (
        select(later.id)
        .where(later.shop == Claim.shop, later.order_no == Claim.order_no, later.fingerprint == Claim.fingerprint)
        .where(col(later.id) > col(Claim.id))
        .exists()
    )
    return (
        col(Claim.conversation_id) == conversation_id,
        col(Claim.state) == ClaimState.CLOSED,
        col(Claim.outcome).is_(None),
        col(Claim.why) == "proof",
        col(Claim.state_at) > now - PROOF_LATE,
        ~filed_again,
    )


async def find_given(session: AsyncSession, conversation_id: int) -> str | None:
    """The order for which this conversation got its last replacement that is in use."""
    given = _given(Claim.order_no, conversation_id)
    return (await session.exec(given.order_by(col(Replacement.id).desc()).limit(1))).first()


async def given_in(session: AsyncSession, conversation: Conversation, order: Order) -> list[CodeRef]:
    """The replacements that this conversation got for the order and that are in use."""
    prints = _given(Replacement.fingerprint, id_of(conversation))
    theirs = (await session.exec(prints.where(Claim.shop == order.shop, Claim.order_no == order.order_no))).all()
    return [code for code in order.codes if code.fingerprint in theirs]


async def codes_in_use(session: AsyncSession, order: Order) -> list[CodeRef]:
    """The codes of the order that have no replacement."""
    replaced = select(Replacement.replaced_fingerprint).where(
        Replacement.shop == order.shop, Replacement.order_no == order.order_no
    )
    prints = (await session.exec(replaced)).all()
    return [code for code in order.codes if code.fingerprint not in prints]


def _given(column: Any, conversation_id: int) -> SelectOfScalar[Any]:
    """What was issued for the claims of a conversation, and has no replacement itself."""
    later = aliased(Replacement)
    is_replaced = (
        select(later.id)
        .where(later.shop == Replacement.shop, later.order_no == Replacement.order_no)
        .where(later.replaced_fingerprint == Replacement.fingerprint)
        .exists()
    )
    return (
        select(column)
        .select_from(Replacement)
        .join(Claim, col(Claim.id) == col(Replacement.claim_id))
        .where(Claim.conversation_id == conversation_id, Claim.outcome == Outcome.REPLACE, ~is_replaced)
    )


async def create(
    session: AsyncSession,
    now: datetime,
    conversation: Conversation,
    order: Order,
    code: CodeRef,
    reason: Reason,
    case: Case,
) -> Claim:
    """A new open claim; set aside when another buyer's is open; or this buyer's own, filed since we looked.

    Where the code is a replacement, it is the next round of the claim that brought it.
    """
    claim, ends_at = _claim(now, conversation, order, code, reason, case), case.warranty_end(order)
    facts = {
        "order": f"{order.shop}/{order.order_no}",
        "code": code.masked,
        "reason": reason,
        "round": claim.round,
        "warranty_ends_at": ends_at.isoformat() if ends_at else None,
    }
    try:
        await rows.in_one_trip(session, lambda connection: _enter(connection, claim, facts))
    except IntegrityError:
        filed = await find_open(session, order, code)
        if filed is None:
            raise
        if filed.buyer_id == conversation.buyer_id:
            return filed
        claim.decided_at = now
        await rows.in_one_trip(session, lambda connection: _enter(connection, claim, facts))
    rows.know(session, claim)
    given = case.history.brought_by
    earlier = await session.get_one(Claim, given.claim_id) if given else None
    if earlier is not None and can_move(earlier.state, ClaimState.REOPENED):
        move(session, now, earlier, ClaimState.REOPENED, f"buyer:{conversation.buyer_id}", next=claim.id)
    return claim


def _enter(connection: Connection, claim: Claim, facts: dict[str, Any]) -> None:
    with connection.begin_nested():
        rows.enter(connection, claim)
    record_now(connection, claim.created_at, f"buyer:{claim.buyer_id}", "claim.filed", f"claim:{claim.id}", None, facts)


def _claim(now: datetime, conversation: Conversation, order: Order, code: CodeRef, reason: Reason, case: Case) -> Claim:
    source, given = case.history.source, case.history.brought_by
    return Claim(
        conversation_id=id_of(conversation),
        buyer_id=conversation.buyer_id,
        shop=order.shop,
        order_no=order.order_no,
        fingerprint=code.fingerprint,
        masked=code.masked,
        position=code.position,
        sku=order.goods.sku,
        product_name=order.goods.name,
        price=order.goods.price,
        currency=order.goods.currency,
        reason=reason,
        state=ClaimState.TRIAGE,
        state_at=now,
        round=given.chain + 1 if given else 1,
        risk_points=[],  # written out here, for the default is looked up anew for each claim
        supplier_id=source.supplier_id if source else None,
        batch_id=source.batch_id if source else None,
        created_at=now,
    )


def code_of(claim: Claim) -> CodeRef:
    """The code that is claimed."""
    return CodeRef(claim.fingerprint, claim.masked, claim.position)


def order_as_filed(claim: Claim) -> Order:
    """What the ledger needs of the order, from the claim: the shop itself is never asked inside a transaction."""
    goods = Goods(claim.sku, claim.product_name, claim.price, claim.currency, warranty=timedelta())
    return Order(
        shop=claim.shop,
        order_no=claim.order_no,
        status=OrderStatus.DELIVERED,
        goods=goods,
        quantity=1,
        paid=claim.price,
        refunded=0,
        paid_at=None,
        delivered_at=None,
    )
