"""What is kept on disk comes back as it was, or not at all."""

from pathlib import Path

import numpy as np
import pytest

from faq import mapped

WIDE = np.arange(12, dtype=np.float32).reshape(3, 4)
THING = {"words": ["订单", "order"], "wide": WIDE, "none": np.zeros(0, np.int32)}
RUBBISH = (b"rubbish", b"rubbish" * 100, bytes(8), bytes(400), bytes(8) + b"\xff" * 8)


def test_an_object_comes_back_with_its_arrays(tmp_path: Path) -> None:
    file = tmp_path / "deep" / "thing"
    mapped.write(file, THING)
    mapped.write(file, THING)

    again = mapped.read(file)

    assert again["words"] == THING["words"]
    assert np.array_equal(again["wide"], THING["wide"])
    assert again["none"].shape == (0,)
    assert list(file.parent.iterdir()) == [file]


def test_arrays_are_mapped_and_cannot_be_changed(tmp_path: Path) -> None:
    mapped.write(tmp_path / "thing", THING)

    again = mapped.read(tmp_path / "thing")

    with pytest.raises(ValueError, match="read-only"):
        again["wide"][0, 0] = 1


@pytest.mark.parametrize("kept", range(20))
def test_a_file_that_was_cut_short_is_as_good_as_none(tmp_path: Path, kept: int) -> None:
    file = tmp_path / "thing"
    mapped.write(file, THING)
    file.write_bytes(file.read_bytes()[: file.stat().st_size * kept // 20])

    with pytest.raises(mapped.UNREADABLE):
        mapped.read(file)


@pytest.mark.parametrize("content", RUBBISH, ids=range(len(RUBBISH)))
def test_rubbish_is_as_good_as_none(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "thing").write_bytes(content)

    with pytest.raises(mapped.UNREADABLE):
        mapped.read(tmp_path / "thing")


def test_what_is_not_there_is_as_good_as_none(tmp_path: Path) -> None:
    with pytest.raises(mapped.UNREADABLE):
        mapped.read(tmp_path / "thing")
