"""Documents, recordings and videos of buyers: given to signed-in staff alone, to be saved, never shown, on record."""

from urllib.parse import quote

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette_admin.routing import route

from console.shell import Page, reader
from console.verbs import number_in
from tickets import attachments, files

# Whatever it is, no browser is to make anything of it.
_HEADERS = {
    "content-security-policy": "default-src 'none'; sandbox",
    "cache-control": "private, no-store",
    "x-content-type-options": "nosniff",
}


class FilesPage(Page):
    """`/console/files/17`: the file as it came. The door has let nobody but staff in."""

    path = "/files"
    add_to_menu = False

    @route("/{number}", name="file")
    async def save(self, request: Request) -> Response:
        number = number_in(request.path_params["number"])
        async with self.site.database.reading() as session:
            file = await files.find_file(session, number)
        content = await attachments.find_content(self.site.vault, files.SEAL, file)
        if file is None or content is None:
            raise HTTPException(404)
        async with self.site.database.writing() as session:
            files.note_saving(session, self.site.clock(), number, reader(request).id)
        disposition = {"content-disposition": f"attachment; filename*=UTF-8''{quote(file.name, safe='')}"}
        return Response(content, media_type="application/octet-stream", headers=_HEADERS | disposition)
