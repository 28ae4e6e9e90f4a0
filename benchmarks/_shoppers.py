"""Synthetic buyers, honest and cheating: who buys what, and claims what when. Every figure here is an assumption.

Nothing is learned from real shops. The shares and spans were written down before the first run, and stay; what was
tuned are the points in settings.toml, on other seeds than those that are reported. Nothing here knows of them.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from random import Random

from benchmarks._traces import CARRIERS, Trace, Traces
from tickets.pixels import Pixels

START = datetime(2026, 3, 2, tzinfo=UTC)
DAYS = 90  # of claims
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
PRICES = {
    "QQ-VIP": 1_150,
    "MUSIC-3M": 2_680,
    "STEAM-50": 4_850,
    "XBOX-GPU": 5_800,
    "STEAM-100": 9_650,
    "PSN-200": 17_600,
}
BATCHES = 57  # of a product, for a crowd of size 1: as many claims fall on one whatever the size
PROVED = frozenset({"STEAM-100", "PSN-200"})  # dear goods, of which the shop asks for a screenshot
TEMPLATES = 8  # error pages of platforms, of which honest screenshots are


@dataclass(frozen=True)
class Purchase:
    """An order."""

    number: str
    sku: str
    batch: int  # of its product
    quantity: int
    delivered_at: datetime
    trace: Trace = field(default=Trace("", ""), compare=False)


@dataclass(frozen=True)
class Filing:
    """Somebody claims codes of one order together."""

    at: datetime
    person: str  # an identity
    style: str
    purchase: Purchase
    positions: tuple[int, ...]
    picture: Pixels | None = None

    round: int = 1

    @property
    def is_honest(self) -> bool:
        return self.style in HONEST

    @property
    def value(self) -> int:
        """Of one code."""
        return PRICES[self.purchase.sku]


@dataclass
class Crowd:
    """All that happens, from one seed."""

    seed: int
    size: float = 1.0  # of the crowd; 1: some 1,900 honest claims and 1,000 others
    filings: list[Filing] = field(default_factory=list)
    proofs: list[tuple[datetime, str, Purchase]] = field(default_factory=list)  # orders looked at without a claim
    leave_traces: bool = True  # else the shop tells nothing of who ordered

    def __post_init__(self) -> None:
        self.random, self.asked = Random(self.seed), Random(f"{self.seed} asked")
        self.counted = Random(f"{self.seed} counted")
        self.orders, self.batches = 0, max(3, round(BATCHES * self.size))
        for gather in (*HONEST.values(), *CHEATING.values()):
            gather(self)
        self.filings.sort(key=lambda one: one.at)
        self.traces = Traces(self.seed, max(1, round(CARRIERS * self.size)))
        self._trace()

    def _trace(self) -> None:
        """What the shop sees of each order, and as whom its buyer comes to the chat."""
        buyers = {one.purchase.number: one for one in reversed(self.filings)}
        marked: dict[str, Purchase] = {}

        def mark(bought: Purchase, person: str) -> Purchase:
            if bought.number not in marked:
                filed = buyers.get(bought.number)
                marked[bought.number] = replace(bought, trace=self._trace_of(filed, person))
            return marked[bought.number]

        for place, one in enumerate(self.filings):
            bought = mark(one.purchase, one.person)
            person = self.traces.identity(one.person, one.style == "returning buyers")
            self.filings[place] = replace(one, purchase=bought, person=person)
        self.proofs = [(at, person, mark(bought, person)) for at, person, bought in self.proofs]

    def _trace_of(self, filed: "Filing | None", person: str) -> Trace:
        if not self.leave_traces:
            return Trace("", "")
        if filed is not None:
            return self.traces.honest(filed.person) if filed.is_honest else self.traces.cheating(filed.person)
        return self.traces.before(person) if person.startswith("bought-") else self.traces.honest(person)

    def times(self, count: int) -> range:
        """So many in a crowd of this size; a part of one is there by chance, or small crowds were of other sorts."""
        return range(max(1, int(count * self.size + self.counted.random())))

    def buy(self, at: datetime, quantity: int, sku: str = "", batch: int = -1) -> Purchase:
        self.orders += 1
        sku = sku or self.random.choice(list(PRICES))
        batch = self.random.randrange(self.batches) if batch < 0 else batch
        return Purchase(f"{self.random.getrandbits(64):016X}", sku, batch, quantity, at)

    def file(
        self, at: datetime, person: str, style: str, purchase: Purchase, *positions: int, picture: Pixels | None = None
    ) -> None:
        if picture is None and purchase.sku in PROVED:
            picture = self.asked_for(style)
        self.filings.append(Filing(at, person, style, purchase, positions or (1,), picture))

    def asked_for(self, style: str) -> Pixels:
        """A screenshot that was asked for; cheats who have none to use again make a new one each time."""
        look, digest = self.asked.getrandbits(64), f"asked {self.asked.getrandbits(64)}"
        return self.picture(self._page(self.asked) if style in HONEST else look, digest)

    def day(self, until: float = DAYS) -> datetime:
        return START + self.random.random() * until * DAY

    def few(self) -> int:
        """The codes of an order."""
        one = self.random.random()
        return 1 if one < 0.75 else self.random.randint(2, 3) if one < 0.9 else self.random.randint(5, 10)

    def soon(self) -> timedelta:
        """When an honest buyer tries a code: half within three hours, three of a hundred after more than a week."""
        if self.random.random() < 0.03:
            return self.random.uniform(7, 25) * DAY
        return min(self.random.lognormvariate(1.1, 1.2), 160.0) * HOUR

    def screenshot(self) -> Pixels | None:
        """Three of ten bring one; it looks like its platform's page, more or less."""
        if self.random.random() > 0.3:
            return None
        return self.picture(self._page(self.random))

    def _page(self, random: Random) -> int:
        page = Random(random.randrange(TEMPLATES)).getrandbits(64)
        flips = 2 if random.random() < 0.15 else random.randint(6, 16)
        for place in random.sample(range(64), flips):
            page ^= 1 << place
        return page

    def picture(self, look: int, digest: str = "") -> Pixels:
        return Pixels(b"pixels", 540, 960, digest or f"{self.random.getrandbits(64)}", f"{look:016x}")


# Honest


def single_bad_codes(crowd: Crowd) -> None:
    for number in crowd.times(1_200):
        bought = crowd.buy(crowd.day(DAYS - 1), crowd.few())
        at = bought.delivered_at + crowd.soon()
        crowd.file(at, f"single-{number}", "single bad codes", bought, picture=crowd.screenshot())


def bad_batches(crowd: Crowd) -> None:
    """Half of a batch's codes do not work; its buyers come within three days."""
    for number in crowd.times(12):
        sku, batch, begins = (
            crowd.random.choice(list(PRICES)),
            crowd.random.randrange(crowd.batches),
            crowd.day(DAYS - 5),
        )
        for buyer in range(crowd.random.randint(25, 45)):
            bought = crowd.buy(begins + crowd.random.random() * 3 * DAY, min(3, crowd.few()), sku, batch)
            bad = [place for place in range(1, bought.quantity + 1) if crowd.random.random() < 0.5]
            if bad:
                at = bought.delivered_at + crowd.soon()
                crowd.file(at, f"batch-{number}-{buyer}", "bad batches", bought, *bad, picture=crowd.screenshot())


def resellers(crowd: Crowd) -> None:
    """Many orders of many codes, of which 1.2 % do not work; they look at half of their orders anyway."""
    for number in crowd.times(15):
        person = f"reseller-{number}"
        for _ in range(crowd.random.randint(30, 60)):
            bought = crowd.buy(crowd.day(DAYS - 1), crowd.random.randint(10, 30))
            bad = [place for place in range(1, bought.quantity + 1) if crowd.random.random() < 0.012]
            if bad:
                at = bought.delivered_at + crowd.soon()
                crowd.file(at, person, "resellers", bought, *bad, picture=crowd.screenshot())
            elif crowd.random.random() < 0.5:
                crowd.proofs.append((bought.delivered_at + HOUR, person, bought))


def returning_buyers(crowd: Crowd) -> None:
    """A few orders each; now and then a code does not work."""
    for number in crowd.times(250):
        for _ in range(crowd.random.randint(3, 6)):
            bought = crowd.buy(crowd.day(DAYS - 1), crowd.few())
            if crowd.random.random() < 0.25:
                at = bought.delivered_at + crowd.soon()
                crowd.file(at, f"returning-{number}", "returning buyers", bought, picture=crowd.screenshot())


# Cheating: all these codes worked


def same_screenshots(crowd: Crowd) -> None:
    """One or two screenshots for everything; some of them are saved anew, which changes bits of the look."""
    for number in crowd.times(8):
        looks = [crowd.random.getrandbits(64) for _ in range(crowd.random.randint(1, 2))]
        for _ in range(crowd.random.randint(10, 24)):
            look = crowd.random.choice(looks)
            picture = crowd.picture(look, f"cheat-{number}-{look}")
            if crowd.random.random() < 0.3:
                picture = crowd.picture(look ^ (1 << crowd.random.randrange(64)) ^ (1 << crowd.random.randrange(64)))
            bought = crowd.buy(crowd.day(60), 1)
            at = bought.delivered_at + crowd.random.uniform(1, 30) * HOUR
            crowd.file(at, f"screens-{number}", "same screenshots", bought, picture=picture)


def everything(crowd: Crowd) -> None:
    """Every code of every order, soon: some all at once, some one after the other."""
    for number in crowd.times(8):
        person, begins = f"all-{number}", crowd.day(50)
        for place in range(crowd.random.randint(3, 5)):
            bought = crowd.buy(begins + place * crowd.random.uniform(1, 8) * DAY, crowd.random.randint(4, 12))
            at = bought.delivered_at + crowd.random.uniform(0.5, 6) * HOUR
            if crowd.random.random() < 0.5:
                crowd.file(at, person, "claim everything", bought, *range(1, bought.quantity + 1))
                continue
            for position in range(1, bought.quantity + 1):
                crowd.file(at + position * 4 * MINUTE, person, "claim everything", bought, position)


def late_after_use(crowd: Crowd) -> None:
    """Each code after it was used, near the end of its warranty."""
    for number in crowd.times(8):
        for _ in range(crowd.random.randint(8, 16)):
            bought = crowd.buy(crowd.day(60), crowd.random.randint(1, 2))
            at = bought.delivered_at + crowd.random.uniform(8, 25) * DAY
            crowd.file(at, f"late-{number}", "late after use", bought)


def rings(crowd: Crowd) -> None:
    """One person behind several identities, with a few screenshots for all, and orders that two of them prove."""
    for number in crowd.times(5):
        looks = [crowd.random.getrandbits(64) for _ in range(3)]
        people = [f"ring-{number}-{one}" for one in range(crowd.random.randint(5, 9))]
        batch, begins = crowd.random.randrange(crowd.batches), crowd.day(60)
        for person in people:
            for _ in range(crowd.random.randint(3, 6)):
                bought = crowd.buy(
                    begins + crowd.random.random() * 20 * DAY,
                    1,
                    batch=(batch + crowd.random.randrange(3)) % crowd.batches,
                )
                look = crowd.random.choice(looks)
                has_picture = crowd.random.random() < 0.6 or bought.sku in PROVED
                picture = crowd.picture(look, f"ring-{number}-{look}") if has_picture else None
                at = bought.delivered_at + crowd.random.uniform(1, 72) * HOUR
                crowd.file(at, person, "rings of identities", bought, picture=picture)
                if crowd.random.random() < 0.3:
                    crowd.proofs.append((at, crowd.random.choice(people), bought))


def bought_accounts(crowd: Crowd) -> None:
    """Accounts with an honest past, bought and used up within weeks."""
    for number in crowd.times(5):
        for account in range(crowd.random.randint(2, 4)):
            person, begins = f"bought-{number}-{account}", crowd.day(60)
            for _ in range(crowd.random.randint(4, 8)):
                past = crowd.buy(START - crowd.random.uniform(70, 150) * DAY, 1)
                crowd.proofs.append((past.delivered_at, person, past))
            for _ in range(crowd.random.randint(8, 16)):
                bought = crowd.buy(begins + crowd.random.random() * 20 * DAY, 1)
                at = bought.delivered_at + crowd.random.uniform(1, 48) * HOUR
                crowd.file(at, person, "bought accounts", bought)


def a_few_of_each(crowd: Crowd) -> None:
    """Two or three codes of each larger order, together."""
    for number in crowd.times(5):
        begins = crowd.day(50)
        for _ in range(crowd.random.randint(5, 9)):
            bought = crowd.buy(begins + crowd.random.random() * 30 * DAY, crowd.random.randint(5, 12))
            bad = crowd.random.sample(range(1, bought.quantity + 1), crowd.random.randint(2, 3))
            at = bought.delivered_at + crowd.random.uniform(1, 48) * HOUR
            crowd.file(at, f"few-{number}", "a few of each order", bought, *sorted(bad))


HONEST: dict[str, Callable[[Crowd], None]] = {
    "single bad codes": single_bad_codes,
    "bad batches": bad_batches,
    "resellers": resellers,
    "returning buyers": returning_buyers,
}
CHEATING: dict[str, Callable[[Crowd], None]] = {
    "same screenshots": same_screenshots,
    "claim everything": everything,
    "late after use": late_after_use,
    "rings of identities": rings,
    "bought accounts": bought_accounts,
    "a few of each order": a_few_of_each,
}


def purchases(crowd: Crowd) -> Iterator[Purchase]:
    """Every order that is spoken of, once."""
    seen = {one.purchase.number: one.purchase for one in crowd.filings}
    yield from (seen | {bought.number: bought for _, _, bought in crowd.proofs}).values()
