"""Import of products, codes and orders from a table: page by page, each page whole or not at all.

How far a file has come is written with each page, so that it goes on after a crash where it stood, and a file that was
read is not read twice.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

from sqlmodel import select
from sqlmodel.ext.asyncio.session import AsyncSession

from audit.trail import record
from shop import import_rows
from shop.errors import AlreadyImported, BadLine
from shop.import_files import Line, read_table
from shop.import_rows import Defaults
from shop.tables import ImportFile
from shop.vault import Vault

PAGE = 1_000  # lines in one transaction
Row = TypeVar("Row")


class Refusal(NamedTuple):
    """A line that was left out."""

    line: int
    problem: str


@dataclass(slots=True)
class Report:
    """What became of a file."""

    added: int = 0
    changed: int = 0
    refused: list[Refusal] = field(default_factory=list)
    skipped: int = 0  # lines that an earlier, interrupted run had done


class Database(Protocol):
    def reading(self) -> AbstractAsyncContextManager[AsyncSession]: ...

    def writing(self) -> AbstractAsyncContextManager[AsyncSession]: ...


class Kind(Protocol[Row]):
    """What products, codes and orders do differently."""

    name: str

    @property
    def columns(self) -> Sequence[str]: ...

    def read(self, cells: import_rows.Cells, defaults: Defaults) -> Row:
        """One line as a value; raises `BadLine`."""

    async def add(
        self, session: AsyncSession, now: datetime, file_id: int | None, rows: list[tuple[int, Row]], report: Report
    ) -> None:
        """Write the rows of a page, each with the number of its line; what cannot be is refused in the report."""


@dataclass(frozen=True)
class Importer(Generic[Row]):
    """One file on its way in."""

    database: Database
    clock: Callable[[], datetime]
    vault: Vault
    kind: Kind[Row]
    shop: str
    defaults: Defaults
    actor: str = "system"

    def count(self, path: Path) -> int:
        """How many lines the file has. Raises `BadFile`."""
        return sum(1 for _ in read_table(path, self.kind.columns))

    async def run(self, path: Path, on_page: Callable[[int], None]) -> Report:
        """Import the file; `on_page` hears how many lines each page had. Raises `BadFile`, `AlreadyImported`."""
        lines = list(read_table(path, self.kind.columns))
        file_id, done = await self._begin(path)
        report = Report(skipped=done)
        on_page(done)
        for page in _pages(lines[done:]):
            async with self.database.writing() as session:
                await self._add(session, file_id, page, report)
            on_page(len(page))
        async with self.database.writing() as session:
            await self._end(session, file_id)
        return report

    async def try_out(self, path: Path, on_page: Callable[[int], None]) -> Report:
        """What `run` would do; nothing is kept."""
        report = Report()
        async with self.database.reading() as session:  # never committed
            for page in _pages(read_table(path, self.kind.columns)):
                await self._add(session, None, page, report)
                on_page(len(page))
        return report

    async def _begin(self, path: Path) -> tuple[int, int]:
        """The row of the file, and how many of its lines are done."""
        file_hash = self.vault.keyed_hash("import", f"{_digest(path)} {self.defaults}")
        async with self.database.writing() as session:
            same = select(ImportFile).where(ImportFile.shop == self.shop, ImportFile.kind == self.kind.name)
            file = (await session.exec(same.where(ImportFile.file_hash == file_hash))).first()
            if file is None:
                file = ImportFile(
                    shop=self.shop,
                    kind=self.kind.name,
                    file_name=path.name,
                    file_hash=file_hash,
                    started_at=self.clock(),
                )
                session.add(file)
                await session.flush()
            if file.finished_at is not None:
                raise AlreadyImported(path=path.name, at=f"{file.finished_at:%Y-%m-%d %H:%M} UTC")
            return file.id, file.lines_done

    async def _add(self, session: AsyncSession, file_id: int | None, page: Sequence[Line], report: Report) -> None:
        before = report.added, len(report.refused)
        rows = list(self._read(page, report))
        await self.kind.add(session, self.clock(), file_id, rows, report)
        if file_id is not None:
            file = await session.get_one(ImportFile, file_id)
            file.lines_done += len(page)
            file.added += report.added - before[0]
            file.refused += len(report.refused) - before[1]
            session.add(file)

    def _read(self, page: Sequence[Line], report: Report) -> Iterator[tuple[int, Row]]:
        for line in page:
            try:
                if line.problem:
                    raise BadLine(problem=line.problem)
                yield line.number, self.kind.read(line.cells, self.defaults)
            except BadLine as error:
                report.refused.append(Refusal(line.number, error.problem))

    async def _end(self, session: AsyncSession, file_id: int) -> None:
        now, file = self.clock(), await session.get_one(ImportFile, file_id)
        file.finished_at = now
        session.add(file)
        after: dict[str, Any] = {"file": file.file_name, "added": file.added, "refused": file.refused}
        record(session, now, self.actor, f"{self.kind.name}.imported", f"import:{file_id}", after=after)


def _pages(lines: Iterable[Line]) -> Iterator[list[Line]]:
    left = iter(lines)
    while page := list(islice(left, PAGE)):
        yield page


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
