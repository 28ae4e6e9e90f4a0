"""The root of every room's error tree.

KadeskError                      audit/errors.py
├─ ChainCut                      the audit chain lost its end
├─ BadAnchors                    a file of anchored heads that is none
├─ ShopError                     shop/errors.py
├─ FaqError                      faq/errors.py
├─ TicketError                   tickets/errors.py
├─ DeliveryError, ChannelError, NotLaidAside   bot/errors.py
└─ SettingsError                 kadesk/errors.py
"""

from typing import Any


class KadeskError(Exception):
    """Kadesk refused this."""

    def __init__(self, **facts: Any) -> None:
        """Keep the facts (ids, counts, words) as attributes; the class docstring, filled with them, is the message."""
        self.facts = facts
        super().__init__((type(self).__doc__ or "").split("\n")[0].format(**facts))

    def __getattr__(self, name: str) -> Any:
        try:
            return self.__dict__["facts"][name]
        except KeyError:
            raise AttributeError(name) from None


class ChainCut(KadeskError):
    """The audit chain ends at {position}, but it had {kept} links: rows were removed; see kadesk audit verify."""


class BadAnchors(KadeskError):
    """{path} does not hold the heads of an audit chain."""
