"""What the claim engine holds back of fraud, and what that costs honest buyers. Everybody here is synthetic.

`run(tickets)` plays about so many honest claims of 90 days, and some 520 cheating ones to 1,000 of them, through the
real engine on SQLite: risk, circuit breakers, ledger, tickets and persons, with the points and limits of the shipped
settings. A claim of a cheater is held when the bot does not replace the code by itself; an honest one is delayed when
it waits for a person, which takes more than five minutes. Persons decide within hours, and err: they see through 70 %
of the cheating, and refuse 3 % of the honest, whose later claims suffer for it. The shop tells mail and network address
of its orders, and asks for a screenshot with its two dearest goods; some replacements are claimed once more.

What the figures mean: that the signals catch these styles of cheating in these amounts. Not that a shop's cheaters
cheat like this. One crowd says little: the share held differs by three percent between seeds, and that of the delayed
by one. So the mean of several is reported, with the lowest and the highest; the targets are judged on it. The rules
were mended with an eye on the seeds `TUNED_ON`; those of `REPORTED` are others.
"""

import asyncio
import heapq
import os
import statistics
import tempfile
from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from random import Random
from typing import Any

from sqlalchemy import event
from sqlmodel import col, select

from benchmarks._result import machine
from benchmarks._shoppers import (
    CHEATING,
    DAY,
    HONEST,
    HOUR,
    MINUTE,
    PRICES,
    PROVED,
    START,
    Crowd,
    Filing,
    Purchase,
    purchases,
)
from bot.phrases import Phrases
from kadesk.database import Database
from kadesk.settings import SHIPPED, Settings
from kadesk.tables import metadata
from shop import reveals
from shop.adapters.local import LocalShop
from shop.codes import seal_code
from shop.port import OrderStatus, ProofWay
from shop.tables import Batch, Code, CodeState, OrderCode, Pool, Product, Proof, Replacement, ShopOrder, Supplier
from shop.vault import Keys, Vault
from tickets import conversations, pictures
from tickets.claims import ClaimRules, Claims, Settled
from tickets.clocks import ensure_policy
from tickets.desk import Desk
from tickets.ownership import Ownership
from tickets.sla import Metric, Policy
from tickets.suspicion import Suspicion
from tickets.tables import Agent, Claim, Outcome, Reason, Role, Ticket, id_of

WHOLE = 1_900  # honest claims of a crowd of size 1
TUNED_ON = (7, 11, 1001, 1002, 1003, 1004, 1005, 2001, 2002, 2003, 2004, 2005, 20260401)
REPORTED = (20261122, 20261123, 20261124, 20261125, 20261126)
HELD, DELAYED = 0.95, 0.01  # the targets
SEEN_THROUGH, WRONGLY_REFUSED = 0.7, 0.03  # of what persons decide
SHOP = "synthetic"


def run(tickets: int = 400, seeds: Sequence[int] = REPORTED) -> dict[str, Any]:
    """The bench object: {bench, machine, synthetic, seeds, rows: [{what, value, unit, against_value, target, met}]}.

    Each crowd has about so many honest claims; as many are played at a time as there are cores.
    """
    workers = min(len(seeds), os.cpu_count() or 1)
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        played = list(pool.map(partial(_play_crowd, tickets / WHOLE), seeds))
    note = f"synthetic buyers, {len(seeds)} crowds; the points were tuned on seeds {', '.join(map(str, TUNED_ON))}"
    rows = totals(played) + [_of_seed(seed, one) for seed, one in zip(seeds, played, strict=True)] + _parts(played)
    return {
        "bench": "fraud",
        "machine": f"{machine()}; {note}",
        "synthetic": True,
        "seeds": list(seeds),
        "rows": rows,
    }


def _play_crowd(size: float, seed: int) -> "Played":
    with tempfile.TemporaryDirectory(prefix="kadesk-bench-") as folder:
        return asyncio.run(_play(Crowd(seed, size), f"sqlite:///{Path(folder) / 'kadesk.db'}"))


@dataclass
class Played:
    """What became of the claims, by style."""

    claims: Counter[str] = field(default_factory=Counter)
    value: Counter[str] = field(default_factory=Counter)  # minor units
    held: Counter[str] = field(default_factory=Counter)  # claims
    held_value: Counter[str] = field(default_factory=Counter)
    again: Counter[tuple[str, bool]] = field(default_factory=Counter)  # second rounds: who, whether given at once
    whys: Counter[tuple[bool, str]] = field(default_factory=Counter)

    def count(self, filing: Filing, why: str) -> None:
        if filing.round > 1:
            self.again["honest" if filing.is_honest else "cheating", why == "auto"] += 1
        self.claims[filing.style] += 1
        self.value[filing.style] += filing.value
        if why != "auto":
            self.held[filing.style] += 1
            self.held_value[filing.style] += filing.value
            self.whys[filing.is_honest, why] += 1

    @property
    def share_held(self) -> float:
        """Of the value that cheats claim."""
        return _share(_of(self.held_value, CHEATING), _of(self.value, CHEATING))

    @property
    def share_delayed(self) -> float:
        """Of the honest claims."""
        return _share(_of(self.held, HONEST), _of(self.claims, HONEST))


def _of(counter: Counter[str], styles: Iterable[str]) -> int:
    return sum(counter[style] for style in styles)


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 0.0


def totals(played: Sequence[Played]) -> list[dict[str, Any]]:
    """The two figures that have a target, which is judged on the mean."""
    held, late = [one.share_held for one in played], [one.share_delayed for one in played]
    return [
        _mean("fraud value held", held, f">= {HELD}", statistics.fmean(held) >= HELD),
        _mean("honest claims delayed over 5 min", late, f"<= {DELAYED}", statistics.fmean(late) <= DELAYED),
    ]


def _mean(what: str, shares: Sequence[float], target: str, met: bool) -> dict[str, Any]:
    lowest, highest = round(min(shares), 4), round(max(shares), 4)
    row = {"what": what, "value": round(statistics.fmean(shares), 4), "unit": f"mean of {len(shares)} crowds"}
    against = {"against": "lowest to highest", "against_value": f"{lowest:.4f} to {highest:.4f}"}
    spread = {"lowest": lowest, "highest": highest, "deviation": round(statistics.pstdev(shares), 4)}
    return row | against | spread | {"target": target, "met": met}


def _of_seed(seed: int, played: Played) -> dict[str, Any]:
    row = {"what": f"seed {seed}: fraud value held", "value": round(played.share_held, 4), "unit": "of its value"}
    return row | {"against": "honest claims delayed", "against_value": round(played.share_delayed, 4), "met": None}


def _parts(played: Sequence[Played]) -> list[dict[str, Any]]:
    """By who waits for what, all crowds together."""

    def row(what: str, part: int, whole: int, unit: str) -> dict[str, Any]:
        share = {"value": round(_share(part, whole), 4), "unit": f"of {unit}"}
        return {"what": what} | share | {"against": unit, "against_value": whole, "met": None}

    again: Counter[tuple[str, bool]] = sum((one.again for one in played), Counter())
    value, held_value = _sum(one.value for one in played), _sum(one.held_value for one in played)
    claims, held = _sum(one.claims for one in played), _sum(one.held for one in played)
    rows = []
    for who in ("honest", "cheating"):
        given, waits = again[who, True], again[who, False]
        rows.append(row(f"second rounds that wait: {who}", waits, given + waits, "claims"))
    rows += [row(f"held: {one}", held_value[one] // 100, value[one] // 100, "yuan") for one in CHEATING]
    return rows + [row(f"delayed: {one}", held[one], claims[one], "claims") for one in HONEST]


def _sum(counters: Iterable[Counter[str]]) -> Counter[str]:
    return sum(counters, Counter())


async def _play(crowd: Crowd, url: str) -> Played:
    database = Database(url)
    _spare_the_disk(database)
    try:
        async with database.engine.begin() as connection:
            await connection.run_sync(metadata.create_all)
        stage = Stage(database, crowd, Settings.load(SHIPPED))
        await stage.build()
        return await stage.play()
    finally:
        await database.close()


class Stage:
    """A shop, its desk, and one lead who decides."""

    def __init__(self, database: Database, crowd: Crowd, settings: Settings) -> None:
        self.database, self.crowd = database, crowd
        self.vault = Vault(Keys.generate())
        self.shop, self.desk = LocalShop(database, self.vault, SHOP), Desk(Phrases())
        rules = ClaimRules(
            reveal_url=lambda token: f"https://help.example/r/{token}",
            auto_limit=int(settings.claims.auto_limit * 100),
            breakers=settings.breakers.rules,
        )
        gates = (Suspicion(self.vault, settings.risk.rules),)
        self.claims = Claims(self.desk, self.vault, rules, gates=gates)
        self.ownership = Ownership(self.vault)
        self.random = Random(crowd.seed + 1)
        self.played = Played()
        self.agent = 0

    async def build(self) -> None:
        """Goods, the orders that are spoken of, and codes to replace with."""
        async with self.database.writing() as session:
            await ensure_policy(session, START, Policy(Metric.HANDLING, timedelta(hours=24)))
            agent = Agent(login="chen", name="Chen", role=Role.LEAD, password_hash="-", created_at=START)
            session.add(agent)
            self.places = {sku: await self._shelve(session, sku, price) for sku, price in PRICES.items()}
            needed = Counter(one.purchase.sku for one in self.crowd.filings for _ in one.positions * 2)
            for sku, count in needed.items():
                product, *batches = self.places[sku]
                for n in range(count):
                    text, batch = f"{sku}-SPARE-{n:06}", batches[n % len(batches)]
                    session.add(seal_code(self.vault, product_id=product, batch_id=batch, text=text, pool=Pool.RESERVE))
            await self._sell(session, list(purchases(self.crowd)))
        self.agent = id_of(agent)

    async def _shelve(self, session: Any, sku: str, price: int) -> list[int]:
        """The numbers of a product and of its batches."""
        supplier = Supplier(name=f"supplier of {sku}")
        proof = Proof.SCREENSHOT if sku in PROVED else Proof.NONE
        product = Product(shop=SHOP, sku=sku, name=sku, price=price, warranty=30 * DAY, proof=proof)
        session.add_all([supplier, product])
        await session.flush()
        made = [
            Batch(supplier_id=supplier.id, product_id=product.id, name=f"{sku}-{n}", arrived_at=START)
            for n in range(self.crowd.batches)
        ]
        session.add_all(made)
        await session.flush()
        return [product.id, *(batch.id for batch in made)]

    async def _sell(self, session: Any, bought: Sequence[Purchase]) -> None:
        """All at once: one by one takes as long as a third of the claims."""
        sold = [(self._order(one), self._codes(one)) for one in bought]
        session.add_all([row for order, codes in sold for row in (order, *codes)])
        await session.flush()
        session.add_all(
            OrderCode(order_id=order.id, code_id=code.id, position=place)
            for order, codes in sold
            for place, code in enumerate(codes, 1)
        )

    def _order(self, purchase: Purchase) -> ShopOrder:
        return ShopOrder(
            shop=SHOP,
            order_no=purchase.number,
            product_id=self.places[purchase.sku][0],
            quantity=purchase.quantity,
            status=OrderStatus.DELIVERED,
            paid=purchase.quantity * PRICES[purchase.sku],
            contact=purchase.trace.mail,
            bought_from=purchase.trace.address,
            created_at=purchase.delivered_at,
            paid_at=purchase.delivered_at,
            delivered_at=purchase.delivered_at,
        )

    def _codes(self, purchase: Purchase) -> list[Code]:
        product, batch = self.places[purchase.sku][0], self.places[purchase.sku][1 + purchase.batch]
        texts = [f"{purchase.number}-{place:04}" for place in range(1, purchase.quantity + 1)]
        sold, given = {"product_id": product, "batch_id": batch}, CodeState.ISSUED
        return [seal_code(self.vault, **sold, text=text, pool=Pool.STOCK, state=given) for text in texts]

    async def play(self) -> Played:
        """In order of time: orders looked at, claims, and what the lead decides hours later."""
        events: list[tuple[datetime, int, str, Any]] = []
        for at, person, bought in self.crowd.proofs:
            events.append((at, len(events), "prove", (person, bought)))
        for filing in self.crowd.filings:
            events.append((filing.at, len(events), "file", (filing, None)))
        heapq.heapify(events)
        self.events = len(events)
        while events:
            at, _, what, about = heapq.heappop(events)
            if what == "prove":
                await self._prove(at, *about)
            elif what == "decide":
                await self._decide(at, *about)
            else:
                for event in await self._file(at, *about):
                    self.events += 1
                    heapq.heappush(events, (event[0], self.events, *event[1:]))
        return self.played

    async def _prove(self, at: datetime, person: str, bought: Purchase) -> None:
        order = await self.shop.find_order(bought.number)
        assert order is not None
        async with self.database.writing() as session:
            met = await conversations.find_or_create(session, at, "web", "main", person, person, "zh")
            await self.ownership.bind(session, at, met.identity_id, order, ProofWay.QUERY_PASSWORD)

    async def _file(self, at: datetime, filing: Filing, prints: list[str] | None) -> list[tuple[datetime, str, Any]]:
        """What follows: a decision, if it came to a person, and a second round of what was given."""
        order = await self.shop.find_order(filing.purchase.number)
        assert order is not None
        if prints is None:
            codes = [order.codes[place - 1] for place in filing.positions]
        else:
            codes = [code for code in order.codes if code.fingerprint in prints]
        async with self.database.writing() as session:
            met = await conversations.find_or_create(session, at, "web", "main", filing.person, filing.person, "zh")
            await self.ownership.bind(session, at, met.identity_id, order, ProofWay.QUERY_PASSWORD)
            if filing.picture is not None and prints is None:
                message = await conversations.add_message(session, at, met, "")
                await pictures.keep(session, at, self.vault, message, filing.picture)
            settled = await self.claims.file_all(session, at, met, order, codes, Reason.ALREADY_USED)
        for one in settled:
            self.played.count(filing, one.why)
        ticket = next((id_of(one.ticket) for one in settled if one.ticket is not None), None)
        follows: list[tuple[datetime, str, Any]] = []
        if ticket is not None:
            follows.append((at + self.random.uniform(0.5, 6) * HOUR, "decide", (ticket, filing.is_honest)))
        given = [one for one in settled if one.why == "auto"]
        return follows + (await self._look(at, filing, given) if prints is None else [])

    async def _look(
        self, at: datetime, filing: Filing, given: list[Settled]
    ) -> list[tuple[datetime, str, tuple[Filing, list[str]]]]:
        """Open the new codes; some are said to be bad too."""
        seen_at, bad = at + self.random.uniform(1, 40) * MINUTE, []
        async with self.database.writing() as session:
            for one in given:
                assert one.link is not None
                token = reveals.read_token(self.vault, one.link)
                await self.claims.reveal(session, seen_at, token, filing.purchase.trace.address)
                if self.crowd.traces.claims_again(filing.is_honest):
                    bad.append(one.claim.id)
            issued = select(Replacement.fingerprint).where(col(Replacement.claim_id).in_(bad))
            prints = list((await session.exec(issued)).all())
        if not bad:
            return []
        back_at = seen_at + self.random.uniform(0.2, 30) * HOUR
        return [(back_at, "file", (replace(filing, at=back_at, round=2), prints))]

    async def _decide(self, at: datetime, ticket_id: int, is_honest: bool) -> None:
        """The lead decides on all claims of a ticket, rightly or not."""
        is_refused = self.random.random() < (WRONGLY_REFUSED if is_honest else SEEN_THROUGH)
        async with self.database.writing() as session:
            open_ones = select(Claim.id).where(Claim.ticket_id == ticket_id, col(Claim.outcome).is_(None))
            if not (await session.exec(open_ones)).all():
                return
            ticket = await session.get_one(Ticket, ticket_id)
            if is_refused:
                await self.desk.resolve(session, at, id_of(ticket), self.agent, Outcome.REJECT, is_for_all=True)
            else:
                await self.claims.replace_all(session, at, id_of(ticket), self.agent)


def _spare_the_disk(database: Database) -> None:
    """What survives a power cut is measured elsewhere."""

    @event.listens_for(database.engine.sync_engine, "connect")
    def on_connect(connection: Any, _record: Any) -> None:
        cursor = connection.cursor()
        cursor.execute("PRAGMA synchronous=OFF")
        cursor.close()
