"""The benchmarks, which nothing else runs: what they import is there, and the command can call them."""

import inspect
from importlib import import_module

import pytest

from kadesk import bench
from kadesk.errors import SettingsError


@pytest.mark.parametrize("name", sorted(path.stem for path in bench.HOME.glob("*.py")))
def test_what_a_benchmark_imports_is_there(name: str) -> None:
    import_module(f"benchmarks.{name}")


@pytest.mark.parametrize("name", bench.names())
def test_the_command_can_call_a_benchmark(name: str) -> None:
    signature = inspect.signature(bench.find(name))

    signature.bind()
    for size in list(signature.parameters.values())[:1]:
        assert (size.annotation, size.kind) == (int, inspect.Parameter.POSITIONAL_OR_KEYWORD)


def test_a_benchmark_that_is_not_there_is_named_with_those_that_are() -> None:
    with pytest.raises(SettingsError, match="no benchmark _result; choose one of bot, faq, fraud"):
        bench.measure("_result")


def test_a_benchmark_of_one_size_says_so() -> None:
    with pytest.raises(SettingsError, match="The benchmark reissue has one size"):
        bench.measure("reissue", 5)
