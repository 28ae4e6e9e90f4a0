"""Pixels out of what somebody sent: read within limits, drawn anew, and hashed by what they look like. Pure.

Nothing of the file survives but what it shows: no EXIF, no second frame, no bytes behind the picture.
"""

import base64
import hashlib
import io
from dataclasses import dataclass, field
from typing import Any

from PIL import Image, ImageOps

from tickets.errors import NoPicture, PictureTooLarge

FORMATS = ("PNG", "JPEG", "WEBP", "GIF")
BYTES = 8 * 1024 * 1024  # of a file
PIXELS = 25_000_000  # of a picture, before it is drawn smaller
SIDE = 2_000  # pixels of the longer side that are kept: a screenshot stays readable
QUALITY = 82
FLAT = 6  # of 64 differences; a picture with fewer looks like any other empty one


@dataclass(frozen=True, slots=True)
class Pixels:
    """A picture drawn anew."""

    jpeg: bytes = field(repr=False)
    width: int
    height: int
    digest: str  # of the pixels
    look: str  # 64 bits in hex; "" of a picture that shows next to nothing

    def to_json(self) -> dict[str, Any]:
        """As it travels inside a stored update."""
        jpeg = base64.b64encode(self.jpeg).decode()
        return {"jpeg": jpeg, "width": self.width, "height": self.height, "digest": self.digest, "look": self.look}

    @classmethod
    def from_json(cls, body: dict[str, Any]) -> "Pixels":
        jpeg = base64.b64decode(body["jpeg"])
        return cls(jpeg, int(body["width"]), int(body["height"]), str(body["digest"]), str(body["look"]))


def draw_anew(content: bytes) -> Pixels:
    """The picture in these bytes; of a moving one the first frame. Raises `NoPicture`, `PictureTooLarge`.

    Takes up to a second and some 100 MB: not on the event loop, and not many at once.
    """
    if len(content) > BYTES:
        raise PictureTooLarge(megabytes=BYTES // 1024 // 1024)
    try:
        image = _open(content)
        kept = io.BytesIO()
        image.save(kept, "JPEG", quality=QUALITY)
    except (PictureTooLarge, Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise PictureTooLarge(megabytes=BYTES // 1024 // 1024) from None
    except Exception as error:  # a broken file breaks a decoder in any way it likes
        raise NoPicture() from error
    digest = hashlib.sha256(f"{image.width}x{image.height}".encode() + image.tobytes()).hexdigest()
    return Pixels(kept.getvalue(), image.width, image.height, digest, look_of(image))


def _open(content: bytes) -> Image.Image:
    with Image.open(io.BytesIO(content), formats=FORMATS) as file:
        if file.width * file.height > PIXELS:  # the header tells, before anything is unpacked
            raise PictureTooLarge(megabytes=BYTES // 1024 // 1024)
        file.draft("RGB", (SIDE, SIDE))  # a JPEG is unpacked at a fraction of its size
        file.load()
        upright = ImageOps.exif_transpose(file).convert("RGBA")
    image = Image.new("RGB", upright.size, "white")  # what is transparent looks white
    image.paste(upright, mask=upright)
    image.thumbnail((SIDE, SIDE))
    return image


def look_of(image: Image.Image) -> str:
    """A difference hash: on 9 × 8 grey fields, whether each is brighter than the one to its right."""
    grey = image.convert("L").resize((9, 8), Image.Resampling.BOX).tobytes()
    bits = [grey[row * 9 + place] > grey[row * 9 + place + 1] for row in range(8) for place in range(8)]
    if not FLAT <= sum(bits) <= 64 - FLAT:
        return ""
    return f"{sum(bit << place for place, bit in enumerate(bits)):016x}"


def distance(one: str, other: str) -> int:
    """In how many of 64 fields two looks differ; 64 when one of them shows nothing."""
    return (int(one, 16) ^ int(other, 16)).bit_count() if one and other else 64
