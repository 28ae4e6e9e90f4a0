"""Pictures that an agent adds to a reply: read from its form, and drawn anew before any transaction begins."""

from starlette.datastructures import FormData, UploadFile

from shop.vault import Vault
from tickets.drawing import Drawing
from tickets.enclosing import Enclosed, require_few

PICTURE = "picture"  # the name of the input


async def enclosed_in(form: FormData, drawing: Drawing, vault: Vault) -> Enclosed | None:
    """None of a form without any. Raises `TooManyPictures`, `NoPicture`, `PictureTooLarge`, `PictureTooNarrow`."""
    files = _files_of(form)
    try:
        require_few(len(files))
        return Enclosed(vault, [await drawing.draw(await one.read()) for one in files]) if files else None
    finally:
        await form.close()


def has_pictures(form: FormData) -> bool:
    return bool(_files_of(form))


def _files_of(form: FormData) -> list[UploadFile]:
    """A browser sends a nameless one where nothing was chosen."""
    return [one for one in form.getlist(PICTURE) if isinstance(one, UploadFile) and one.filename]
