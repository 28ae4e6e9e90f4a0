"""The batches: how many codes of each turned out bad, and taking one off sale or back."""

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette_admin.routing import route

from console.doors import typed
from console.shell import LeadPage, reader
from console.suppliers import rate_in_words
from console.verbs import number_in
from tickets.supplier_report import batch_figures
from tickets.texts import require_no_code, tidy

WHY_LIMIT = 300  # characters
SHOWN = 200  # batches, those that came last


class BatchesPage(LeadPage):
    """`/console/batches?supplier=2&batch=7`: for leads, as the report of suppliers."""

    word = "menu.batches"
    path = "/batches"
    route_name = "batches"

    @route("")
    async def index(self, request: Request) -> Response:
        supplier = number_in(request.query_params.get("supplier", "")) or None
        chosen = number_in(request.query_params.get("batch", ""))
        async with self.site.database.reading() as session:
            figures = await batch_figures(session, supplier, SHOWN)
        facts = {
            "figures": figures,
            "one": next((one for one in figures if one.batch.id == chosen), None),
            "supplier": supplier,
            "rules": self.site.desk.rules.batches,
            "rate": rate_in_words,
            "why_limit": WHY_LIMIT,
        }
        return await self.show(request, "batches.html", facts)

    @route("/{batch}/{verb}", methods=["GET"], name="batch-back")
    async def come_back(self, request: Request) -> Response:
        return RedirectResponse("/console/batches", 303)

    @route("/{batch}/{verb}", methods=["POST"], name="batch-verb")
    async def act(self, request: Request) -> Response:
        """Take a batch off sale, or sell it again; both say why."""
        desk, form = self.site.desk, await request.form()
        batch, name = number_in(request.path_params["batch"]), request.path_params["verb"]
        verb = {"quarantine": desk.quarantine_batch, "release": desk.release_batch}.get(name)
        if verb is None:
            raise HTTPException(404)
        async with self.telling(request, f"done.batch_{name}") as session:
            why = tidy(typed(form, "why"), WHY_LIMIT)
            require_no_code(why)
            await verb(session, self.site.clock(), batch, reader(request).id, why)
        return RedirectResponse("/console/batches", 303)
