"""The supplier report: what each supplier's codes were worth, how fast it answers, what it owes; and its export."""

import csv
import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette_admin.routing import route

from audit.trail import record
from console import times
from console.doors import typed
from console.reports import PERIODS, span_of
from console.shell import LeadPage, reader
from console.verbs import number_in
from console.words import Words, words_for
from shop import money
from tickets.supplier_checks import CONTACT_LIMIT, find_unsent
from tickets.supplier_report import Asked, Claimed, Defects, SupplierFigures, codes_out, supplier_figures

SHOWN = 500  # rows behind a figure
LONGEST = 720  # hours that a supplier may have to answer

# The rows behind each figure.
CLAIMS: dict[str, Callable[[SupplierFigures], Sequence[Claimed]]] = {
    "claimed": lambda one: one.defects.claims,
    "accepted": lambda one: one.defects.accepted,
}
CHECKS: dict[str, Callable[[SupplierFigures], Sequence[Asked]]] = {
    "asked": lambda one: one.asked,
    "answered": lambda one: one.answered,
    "open": lambda one: one.open,
    "silent": lambda one: one.silent,
    "owing": lambda one: one.owing,
}
OUT, UNSENT = "out", "unsent"
KINDS = (OUT, UNSENT, *CLAIMS, *CHECKS)


def rate_in_words(defects: Defects) -> str:
    """In percent, with one digit; nothing of none."""
    return f"{defects.rate * 100:.1f} %" if defects.rate is not None else "–"


@dataclass(frozen=True, slots=True)
class Chosen:
    """What the address asks for."""

    period: str
    supplier: int
    kind: str


def _chosen(request: Request) -> Chosen:
    asked = request.query_params
    period, kind = asked.get("period", ""), asked.get("rows", "")
    supplier = number_in(asked.get("supplier", ""))
    return Chosen(period if period in PERIODS else "30d", supplier, kind if kind in KINDS else "accepted")


class SuppliersPage(LeadPage):
    """`/console/suppliers?period=30d&supplier=2&rows=owing`; for leads: it speaks of money."""

    word = "menu.suppliers"
    path = "/suppliers"
    route_name = "suppliers"

    @route("")
    async def index(self, request: Request) -> Response:
        now, chosen = self.site.clock(), _chosen(request)
        start, end = span_of(chosen.period, now, self.site.rules.time_zone)
        async with self.site.database.reading() as session:
            figures = await supplier_figures(session, start, end)
            one = next((one for one in figures if one.supplier.id == chosen.supplier), None)
            is_out = one is not None and chosen.kind == OUT
            unsent = await find_unsent(session)
            gone = await codes_out(session, start, end, chosen.supplier, SHOWN) if is_out else []
        facts: dict[str, Any] = {"figures": figures, "chosen": chosen, "one": one, "gone": gone}
        facts |= {
            "unsent": unsent,
            "claims": [],
            "checks": [],
            "longest": LONGEST,
            "contact_limit": CONTACT_LIMIT,
            "periods": PERIODS,
            "start": start,
            "end": end,
            "rate": rate_in_words,
        }
        if one is not None and chosen.kind in CLAIMS:
            facts["claims"] = CLAIMS[chosen.kind](one)[:SHOWN]
        if one is not None and chosen.kind in CHECKS:
            facts["checks"] = CHECKS[chosen.kind](one)[:SHOWN]
        return await self.show(request, "suppliers.html", facts)

    @route("/{supplier}/terms", methods=["GET"], name="supplier-back")
    async def come_back(self, request: Request) -> Response:
        return RedirectResponse("/console/suppliers", 303)

    @route("/{supplier}/terms", methods=["POST"], name="supplier-terms")
    async def set_terms(self, request: Request) -> Response:
        """How long the supplier may take to answer, in hours; an empty field: it is not asked."""
        form = await request.form()
        supplier, hours = number_in(request.path_params["supplier"]), number_in(typed(form, "hours").strip())
        if typed(form, "hours").strip() and not hours:
            raise HTTPException(422)  # the field of the page takes numbers alone
        within = timedelta(hours=min(hours, LONGEST)) if hours else None
        async with self.telling(request, "done.supplier_terms") as session:
            now, who = self.site.clock(), reader(request).id
            await self.site.desk.set_terms(session, now, supplier, who, within, typed(form, "contact"))
        return RedirectResponse(f"/console/suppliers?supplier={supplier}#rows", 303)

    @route("/export", name="suppliers-export")
    async def export(self, request: Request) -> Response:
        """The claims of the period, of one supplier or of all, as CSV with masked codes; who took it is audited."""
        now, who, chosen = self.site.clock(), reader(request), _chosen(request)
        start, end = span_of(chosen.period, now, self.site.rules.time_zone)
        async with self.site.database.writing() as session:
            figures = await supplier_figures(session, start, end)
            taken = [one for one in figures if chosen.supplier in (0, one.supplier.id)]
            after = {"supplier": chosen.supplier or None, "from": start.isoformat(), "to": end.isoformat()}
            record(session, now, f"agent:{who.id}", "suppliers.exported", "suppliers", None, after)
        name = f"suppliers-{start:%Y%m%d}-{end:%Y%m%d}.csv"
        headers = {"content-disposition": f'attachment; filename="{name}"'}
        text = self._csv(words_for(request), taken)
        # Excel takes UTF-8 for what it is only behind this mark.
        return Response("\ufeff" + text, media_type="text/csv; charset=utf-8", headers=headers)

    def _csv(self, say: Words, figures: Sequence[SupplierFigures]) -> str:
        file = io.StringIO()
        write = csv.writer(file).writerow
        write([say(f"export.{column}") for column in COLUMNS])
        for one in figures:
            for row in one.defects.claims:
                write([_harmless(cell) for cell in self._cells(say, one, row)])
        return file.getvalue()

    def _cells(self, say: Words, one: SupplierFigures, row: Claimed) -> Iterator[str]:
        claim, check, zone = row.claim, row.check, self.site.rules.time_zone
        yield from (one.supplier.name, row.batch.name, claim.product_name, claim.masked, claim.order_no)
        yield times.stamp(row.out_at, zone) if row.out_at else ""
        yield times.stamp(claim.created_at, zone)
        yield from (row.number or "", say.named("reason", claim.reason))
        yield say.named("outcome", claim.outcome) if claim.outcome else ""
        yield say.named("answer", check.answer or "open") if check else ""
        yield times.stamp(check.answered_at, zone) if check and check.answered_at else ""
        yield check.reference if check else ""
        yield money.plain(check.owed, claim.currency) if check else ""
        yield claim.currency


COLUMNS = (
    "supplier",
    "batch",
    "product",
    "code",
    "order",
    "out_at",
    "filed_at",
    "ticket",
    "reason",
    "outcome",
    "answer",
    "answered_at",
    "reference",
    "owed",
    "currency",
)


def _harmless(cell: str) -> str:
    """A cell that a spreadsheet will not take for a formula."""
    return f"'{cell}" if cell.startswith(("=", "+", "-", "@", "\t", "\r")) else cell
