"""Pictures are drawn anew within limits; what looks alike has looks that are near."""

import io
import struct
import zlib
from random import Random

import pytest
from PIL import Image, ImageDraw

from tickets.errors import NoPicture, PictureTooLarge
from tickets.pixels import BYTES, SIDE, Pixels, distance, draw_anew


def screenshot(seed: int = 1, size: tuple[int, int] = (540, 960)) -> Image.Image:
    """Something with a structure of its own."""
    random = Random(seed)
    image = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(image)
    for _ in range(24):
        left, top = random.randrange(size[0]), random.randrange(size[1])
        box = (left, top, left + random.randrange(40, 200), top + random.randrange(40, 200))
        draw.rectangle(box, fill=(random.randrange(256), random.randrange(256), random.randrange(256)))
    return image


def file_of(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF"])
def test_each_format_becomes_a_jpeg_of_the_same_size(kind: str) -> None:
    pixels = draw_anew(file_of(screenshot(), kind))

    drawn = Image.open(io.BytesIO(pixels.jpeg))
    assert (drawn.format, drawn.size) == ("JPEG", (540, 960))
    assert (pixels.width, pixels.height) == (540, 960)


def test_nothing_of_the_file_survives_but_what_it_shows() -> None:
    exif = Image.Exif()
    exif[0x010E] = "K7Q2M-9XH4T-R3VNP"  # a description
    exif[0x8825] = {1: "N", 2: (31.0, 14.0, 0.0)}  # where it was taken
    content = file_of(screenshot(), "JPEG", exif=exif, comment=b"secret") + b"<script>alert(1)</script>"

    pixels = draw_anew(content)

    assert b"K7Q2M" not in pixels.jpeg
    assert b"secret" not in pixels.jpeg
    assert b"script" not in pixels.jpeg
    assert not Image.open(io.BytesIO(pixels.jpeg)).getexif()


def test_a_picture_lies_as_its_camera_was_held() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by a quarter

    pixels = draw_anew(file_of(screenshot(size=(400, 200)), "JPEG", exif=exif))

    assert (pixels.width, pixels.height) == (200, 400)


def test_of_a_moving_picture_the_first_frame_is_kept() -> None:
    first, second = screenshot(1), screenshot(2)

    moving = draw_anew(file_of(first, "GIF", save_all=True, append_images=[second]))

    still = draw_anew(file_of(first, "GIF"))
    assert distance(moving.look, still.look) <= 2


def test_a_large_one_is_drawn_smaller_and_a_transparent_one_on_white() -> None:
    large = draw_anew(file_of(screenshot(size=(3_000, 1_500))))
    clear = draw_anew(file_of(Image.new("RGBA", (40, 40), (0, 0, 0, 0))))

    assert max(large.width, large.height) == SIDE
    assert Image.open(io.BytesIO(clear.jpeg)).getpixel((5, 5)) == (255, 255, 255)


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"<svg xmlns='http://www.w3.org/2000/svg'/>", id="svg"),
        pytest.param(b"%PDF-1.7", id="pdf"),
        pytest.param(file_of(screenshot())[:400], id="cut short"),
        pytest.param(file_of(screenshot(), "BMP"), id="another format"),
        pytest.param(b"\x89PNG\r\n\x1a\n" + b"\x00" * 200, id="a header alone"),
    ],
)
def test_what_is_no_picture_is_refused(content: bytes) -> None:
    with pytest.raises(NoPicture):
        draw_anew(content)


def bomb(width: int, height: int) -> bytes:
    """A PNG of a few hundred bytes that claims to be huge."""

    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    body = zlib.compress(b"\x00" * 100_000)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


@pytest.mark.parametrize("side", [5_001, 12_000, 60_000])
def test_a_bomb_is_refused_by_its_header(side: int) -> None:
    with pytest.raises(PictureTooLarge):
        draw_anew(bomb(side, side))


def test_a_file_that_is_too_long_is_refused_unread() -> None:
    with pytest.raises(PictureTooLarge):
        draw_anew(b"\x00" * (BYTES + 1))


def test_one_picture_has_one_digest_and_another_has_another() -> None:
    one, again, other = (draw_anew(file_of(screenshot(seed))) for seed in (1, 1, 2))

    assert one.digest == again.digest
    assert one.digest != other.digest


@pytest.mark.parametrize("seed", range(12))
def test_looks_stay_near_through_compression_and_scaling_and_differ_otherwise(seed: int) -> None:
    image = screenshot(seed)
    plain = draw_anew(file_of(image))

    squeezed = draw_anew(file_of(image.resize((380, 676)), "JPEG", quality=35))
    other = draw_anew(file_of(screenshot(seed + 100)))

    assert squeezed.digest != plain.digest
    assert distance(plain.look, squeezed.look) <= 6
    assert distance(plain.look, other.look) > 6


def test_what_shows_nothing_looks_like_nothing_else() -> None:
    blank = draw_anew(file_of(Image.new("RGB", (300, 300), "white")))

    assert blank.look == ""
    assert distance(blank.look, blank.look) == 64


def test_it_travels_as_text() -> None:
    pixels = draw_anew(file_of(screenshot()))

    assert Pixels.from_json(pixels.to_json()) == pixels
