import logging
from collections.abc import Iterator

import pytest
import structlog


@pytest.fixture(autouse=True)
def keep_handlers() -> Iterator[None]:
    """A command sets up the logs of its process: ours are as before afterwards."""
    root = logging.getLogger()
    before, level = list(root.handlers), root.level
    yield
    root.handlers[:] = before
    root.setLevel(level)
    structlog.reset_defaults()
