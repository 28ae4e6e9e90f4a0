"""The settings of batches and suppliers, and what they come to for the desk."""

from datetime import timedelta
from typing import Annotated

from pydantic import AfterValidator, Field

from kadesk.values import Section, Span, Words, parse_span
from tickets.rules import BatchRules


def _rising_spans(words: tuple[str, ...]) -> tuple[str, ...]:
    spans = [parse_span(word) for word in words]
    if spans != sorted(set(spans)) or timedelta() in spans:
        raise ValueError("write rising durations such as '4 h', '12 h', or none")
    return words


class BatchesSection(Section):
    """[batches]"""

    quarantine_after: int = Field(ge=1)
    buyers: int = Field(ge=1)
    within: Span
    share: float = Field(ge=0, le=1)

    @property
    def rules(self) -> BatchRules:
        return BatchRules(self.quarantine_after, self.buyers, self.within, self.share)


class SuppliersSection(Section):
    """[suppliers]"""

    remind_after: Annotated[Words, AfterValidator(_rising_spans)]

    @property
    def reminders(self) -> tuple[timedelta, ...]:
        return tuple(map(parse_span, self.remind_after))
