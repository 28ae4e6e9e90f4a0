"""Machines of hypothesis that walk so many steps, of all examples together, over databases in memory."""

from collections.abc import Sequence
from typing import Any

from hypothesis import HealthCheck, Phase, settings
from sqlalchemy.util import greenlet_spawn


async def walk(machine: Any, steps: int, phases: Sequence[Phase], each: int) -> None:
    """At least so many steps, `each` to an example; it waits for databases as SQLAlchemy's sessions do."""
    machine.walked, case = 0, machine.TestCase()
    while machine.walked < steps:  # an example may end early
        case.settings = settings(
            max_examples=-(-(steps - machine.walked) // each),
            stateful_step_count=each,
            deadline=None,
            database=None,
            phases=phases,
            suppress_health_check=list(HealthCheck),
        )
        await greenlet_spawn(case.runTest)
