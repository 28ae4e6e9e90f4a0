"""The settings of the events that shops send."""

from collections.abc import Mapping

from pydantic import Field, SecretStr, model_validator

from kadesk.values import Section, Span
from shop.errors import BadEvents
from shop.events import Events
from tickets.shop_events import MissedRules


class EventsSection(Section):
    """Those keys of [shop], and of each [shop.more.NAME], that are about what the shop tells by itself."""

    events: str = ""  # a shop.events.Family; "": it tells nothing
    events_form: Mapping[str, str] = Field(default_factory=dict)  # shop.events.Form, where it is not the family's
    events_secret: SecretStr = SecretStr("")
    missed_after: Span = Field(default="30 min", validate_default=True)
    opens_cases: bool = False

    @model_validator(mode="after")
    def _can_be(self) -> "EventsSection":
        try:
            self.choose_events("")
        except BadEvents as error:
            raise ValueError(error.problem) from error
        return self

    def choose_events(self, name: str) -> Events | None:
        """How the events of the shop of this name are known. Raises `BadEvents`."""
        secret = self.events_secret.get_secret_value()
        return Events.choose(name, self.events, secret, self.events_form) if self.events else None

    @property
    def missed_rules(self) -> MissedRules:
        return MissedRules(self.missed_after, self.opens_cases)
