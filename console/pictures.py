"""What buyers sent as evidence: drawn anew before it was stored, given out to signed-in staff alone, on record."""

from collections.abc import Sequence

from sqlmodel.ext.asyncio.session import AsyncSession
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette_admin.routing import route

from console.shell import Page, reader
from console.verbs import number_in
from tickets import attachments, pictures
from tickets.pictures import Shown
from tickets.tables import Claim, id_of

# A page of ours may show it; a browser that opens the address itself keeps it as a file.
_HEADERS = {"content-security-policy": "default-src 'none'; sandbox", "cache-control": "private, no-store"}


class PicturesPage(Page):
    """`/console/pictures/17`: a JPEG. The door has let nobody but staff in."""

    path = "/pictures"
    add_to_menu = False

    @route("/{number}", name="picture")
    async def look(self, request: Request) -> Response:
        number = number_in(request.path_params["number"])
        async with self.site.database.reading() as session:
            picture = await pictures.find_picture(session, number)
        jpeg = await attachments.find_content(self.site.vault, pictures.SEAL, picture)
        if jpeg is None:
            raise HTTPException(404)
        async with self.site.database.writing() as session:
            await pictures.note_view(session, self.site.clock(), number, reader(request).id)
        disposition = {"content-disposition": f'attachment; filename="picture-{number}.jpg"'}
        return Response(jpeg, media_type="image/jpeg", headers=_HEADERS | disposition)


async def evidence_of(session: AsyncSession, claims: Sequence[Claim]) -> dict[int, list[Shown]]:
    """The pictures of each claim."""
    found: dict[int, list[Shown]] = {id_of(claim): [] for claim in claims}
    for shown in await pictures.of_claims(session, list(found)):
        found[shown.claim_id or 0].append(shown)
    return found
