"""The settings of a channel of which there may be several accounts: [telegram], and each [telegram.more.NAME]."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from kadesk.values import Section, Words

One = TypeVar("One", bound="AccountSection")


class AccountSection(Section):
    """What may be chosen for each account."""

    shops: Words = ()
    queue: str = ""

    @property
    def account(self) -> str:
        """What the rest of Kadesk calls it; "" when it is not there."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True)
class Accounts(Generic[One]):
    """The accounts of one channel, by the names of their sections."""

    channel: str
    named: Mapping[str, One]

    @classmethod
    def of(cls, channel: str, first: One, more: Mapping[str, One]) -> "Accounts[One]":
        return cls(channel, {channel: first} | {f"{channel}.more.{name}": one for name, one in more.items()})

    @property
    def all(self) -> Sequence[One]:
        """Those that there are, the first first."""
        return tuple(one for one in self.named.values() if one.account)

    @property
    def places(self) -> Sequence[tuple[str, str]]:
        """Channel and account of each."""
        return tuple((self.channel, one.account) for one in self.all)

    @property
    def queues(self) -> Mapping[str, str]:
        """Channel and account of those whose tickets have a queue of their own, "telegram:123", to that queue."""
        return {f"{self.channel}:{one.account}": one.queue for one in self.all if one.queue}

    @property
    def shops(self) -> Mapping[tuple[str, str], Sequence[str]]:
        """Channel and account of those with shops of their own, to the names of these."""
        return {(self.channel, one.account): one.shops for one in self.all if one.shops}

    def require_different(self, problem: str) -> None:
        """Raises `ValueError` when two are one account; `problem` ends its sentence."""
        known: dict[str, str] = {}
        for name, one in self.named.items():
            if one.account in known:
                raise ValueError(f"{known[one.account]} and {name} {problem}")
            known[one.account] = name

    def find_problems(self, shops: Sequence[str]) -> list[str]:
        """Which of their shops there are not, a sentence each."""
        return [
            f"{name}.shops: there is no shop {shop!r}; choose from {', '.join(shops)}."
            for name, one in self.named.items()
            for shop in one.shops
            if shop not in shops
        ]
