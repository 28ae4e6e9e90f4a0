"""The reports page: figures that say what they count and lead to their rows."""

import re
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from console.reports import ROWS, listed, share, span_of
from tests.console.conftest import Stage, Visitor, text_of
from tickets.reports import Attainment, AttainmentRow
from tickets.sla import Verdict
from tickets.tables import Agent, Outcome

NOW = datetime(2026, 3, 2, 4, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("period", "zone", "start", "end"),
    [
        pytest.param("today", "Asia/Shanghai", "2026-03-02", "2026-03-03", id="today"),
        pytest.param("7d", "Asia/Shanghai", "2026-02-24", "2026-03-03", id="seven days with today"),
        pytest.param("today", "America/Los_Angeles", "2026-03-01", "2026-03-02", id="still yesterday there"),
        pytest.param("30d", "Europe/Berlin", "2026-02-01", "2026-03-03", id="thirty days"),
    ],
)
def test_a_period_is_whole_days_of_the_consoles_zone(period: str, zone: str, start: str, end: str) -> None:
    midnights = [datetime.fromisoformat(day).replace(tzinfo=ZoneInfo(zone)) for day in (start, end)]

    assert list(span_of(period, NOW, ZoneInfo(zone))) == midnights


def test_a_day_of_daylight_saving_is_a_whole_day() -> None:
    start, end = span_of("today", datetime(2026, 3, 29, 12, tzinfo=UTC), ZoneInfo("Europe/Berlin"))

    assert end.astimezone(UTC) - start.astimezone(UTC) == timedelta(hours=23)


def _row(minutes: int, verdict: Verdict = Verdict.MET) -> AttainmentRow:
    met_at = NOW + timedelta(minutes=minutes) if verdict == Verdict.MET else None
    return AttainmentRow(
        1, f"K-{minutes:06d}", NOW, NOW + timedelta(hours=1), met_at, verdict, timedelta(minutes=minutes)
    )


def test_each_percentile_is_marked_on_the_row_that_it_is() -> None:
    rows = tuple(_row(minutes) for minutes in range(1, 21))
    report = Attainment(NOW, NOW, NOW, (*rows, _row(500, Verdict.EXCLUDED)))

    marked = {name: item.row.elapsed for item in listed(report, "counted") for name in item.ranks}

    assert marked == {"p50": report.median, "p90": report.p90, "p95": report.p95}


def test_one_row_may_be_every_percentile_and_none_is_none() -> None:
    assert [item.ranks for item in listed(Attainment(NOW, NOW, NOW, (_row(5),)), "counted")] == [("p50", "p90", "p95")]
    assert listed(Attainment(NOW, NOW, NOW, ()), "counted") == []


def test_the_rows_of_the_figures_are_the_figures() -> None:
    verdicts = (Verdict.MET, Verdict.BREACHED, Verdict.RUNNING, Verdict.EXCLUDED, Verdict.BREACHED)
    report = Attainment(NOW, NOW, NOW, tuple(_row(number, verdict) for number, verdict in enumerate(verdicts)))

    assert {kind: len(listed(report, kind)) for kind in ROWS} == {
        "counted": report.n,
        "decided": report.met + report.breached,
        "met": report.met,
        "breached": report.breached,
        "breached_open": report.breached_open,
        "running": report.running,
        "excluded": report.excluded,
    }


async def _settle(stage: Stage, agent: Agent, address: str, hours: float) -> None:
    ticket = await stage.open(await stage.meet(address=address))
    stage.clock.pass_(hours=hours)
    async with stage.database.writing() as session:
        assert ticket.id is not None
        assert agent.id is not None
        await stage.desk.resolve(session, stage.clock(), ticket.id, agent.id, Outcome.INSTRUCT)
    await stage.deliver()


async def test_the_page_counts_what_was_met_late_and_still_open(stage: Stage, visitor: Visitor, agent: Agent) -> None:
    await _settle(stage, agent, "a", hours=1)
    await _settle(stage, agent, "b", hours=25)
    await stage.open(await stage.meet(address="c"))
    stage.clock.pass_(hours=30)
    await stage.open(await stage.meet(address="d"))
    await visitor.sign_in()

    page = await visitor.get("/console/reports?period=7d&rows=breached")

    shown = text_of(page)
    assert "达成率 33.3 %" in shown
    assert "计入总数 3 按时完成 1 超时 2 超时未处理 1 未到期 0" in shown  # the newest falls due tomorrow
    assert "中位数 25 小时 P90 30 小时 P95 30 小时" in shown
    assert "数据截至 2026-03-04 20:00:00 Asia/Shanghai" in shown
    assert re.findall(r'class="mono" href="/console/tickets/(K-\d+)"', page.text) == ["K-000003", "K-000002"]


async def test_every_figure_leads_to_its_rows(stage: Stage, signed_in: Visitor) -> None:
    await stage.open(await stage.meet())
    page = await signed_in.get("/console/reports?period=today")

    links = [link.replace("&amp;", "&") for link in re.findall(r'<a class="figure[^"]*" href="([^"#]+)#', page.text)]

    assert len(links) == 15  # nine of the promise, six of the ratings
    for link in links:
        assert (await signed_in.get(link)).status_code == 200


@pytest.mark.parametrize(
    ("met", "breached", "text"),
    [
        pytest.param(0, 0, "–", id="nothing decided"),
        pytest.param(1_999, 1, "99.9 %", id="one late of two thousand is not all"),
        pytest.param(3, 0, "100.0 %", id="all"),
        pytest.param(57, 43, "57.0 %", id="exact, whatever floats do"),
        pytest.param(0, 9, "0.0 %", id="none"),
    ],
)
def test_the_share_is_never_rounded_up(met: int, breached: int, text: str) -> None:
    rows = (*[_row(1)] * met, *[_row(90, Verdict.BREACHED)] * breached)

    assert share(Attainment(NOW, NOW, NOW, rows)) == text


@pytest.mark.parametrize("query", ["", "?period=century", "?rows=everything", "?period=7d&period=30d&rows="])
async def test_odd_choices_fall_back_to_the_usual_ones(signed_in: Visitor, query: str) -> None:
    page = await signed_in.get(f"/console/reports{query}")

    assert page.status_code == 200
    assert "没有这样的记录。" in text_of(page)
