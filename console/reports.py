"""The reports page: how each promise was kept. Every figure says what it counts and leads to its rows."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from starlette.requests import Request
from starlette.responses import Response
from starlette_admin.routing import route

from console.ratings import read_ratings
from console.shell import Page
from tickets.reports import Attainment, AttainmentRow, attainment
from tickets.sla import Metric, Verdict

PERIODS = {"today": 1, "7d": 7, "30d": 30}  # calendar days up to and with today
SHOWN = 500  # rows
PERCENTILES = (50, 90, 95)
METRICS = (Metric.HANDLING, Metric.FIRST_RESPONSE, Metric.NEXT_RESPONSE, Metric.RESOLUTION)

ROWS: dict[str, Callable[[AttainmentRow], bool]] = {
    "counted": lambda row: row.verdict != Verdict.EXCLUDED,
    "decided": lambda row: row.verdict in (Verdict.MET, Verdict.BREACHED),
    "met": lambda row: row.verdict == Verdict.MET,
    "breached": lambda row: row.verdict == Verdict.BREACHED,
    "breached_open": lambda row: row.verdict == Verdict.BREACHED and row.met_at is None,
    "running": lambda row: row.verdict == Verdict.RUNNING,
    "excluded": lambda row: row.verdict == Verdict.EXCLUDED,
}


@dataclass(frozen=True, slots=True)
class Listed:
    """A row of the report; `ranks` names the percentiles that are this very row."""

    row: AttainmentRow
    ranks: tuple[str, ...]


def span_of(period: str, now: datetime, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """Whole days of the console's time zone; the end is tonight's midnight, so that what is due today is counted."""
    today = now.astimezone(zone).date()
    first, last = today - timedelta(days=PERIODS[period] - 1), today + timedelta(days=1)
    return datetime.combine(first, time(), zone), datetime.combine(last, time(), zone)


def share(report: Attainment) -> str:
    """The attainment in percent, rounded down, so that 100 % means all."""
    decided = report.met + report.breached
    return f"{report.met * 1000 // decided / 10:.1f} %" if decided else "–"


def listed(report: Attainment, kind: str) -> list[Listed]:
    """The rows behind a figure, slowest first; each percentile is the time of one real row, and is marked there."""
    rows = sorted(filter(ROWS[kind], report.rows), key=lambda row: row.elapsed, reverse=True)
    if kind != "counted":
        return [Listed(row, ()) for row in rows]
    ranks: dict[int, list[str]] = {}
    for share in PERCENTILES:
        value = report.percentile(share)
        at = next((index for index, row in enumerate(rows) if row.elapsed == value), None)
        if at is not None:
            ranks.setdefault(at, []).append(f"p{share}")
    return [Listed(row, tuple(ranks.get(index, ()))) for index, row in enumerate(rows)]


class ReportsPage(Page):
    word = "menu.reports"
    path = "/reports"
    route_name = "reports"

    @route("")
    async def index(self, request: Request) -> Response:
        period = request.query_params.get("period", "7d")
        kind = request.query_params.get("rows", "breached")
        period, kind = period if period in PERIODS else "7d", kind if kind in ROWS else "breached"
        asked, rules = request.query_params.get("metric", ""), self.site.desk.rules
        metric = Metric(asked) if asked in list(Metric) else Metric.HANDLING
        now = self.site.clock()
        start, end = span_of(period, now, self.site.rules.time_zone)
        async with self.site.database.reading() as session:
            report = await attainment(session, start, end, now, rules, metric)
            ratings = await read_ratings(session, self.site, start, end, now, request.query_params.get("ratings", ""))
        rows = listed(report, kind)
        facts = {
            "report": report,
            "share": share(report),
            "period": period,
            "periods": PERIODS,
            "kind": kind,
            "rows": rows[:SHOWN],
            "rows_total": len(rows),
            "metric": metric,
            "metrics": METRICS,
            "target": next(policy.target for policy in rules.promises if policy.metric == metric),
            "ratings": ratings,
        }
        return await self.show(request, "reports.html", facts)
