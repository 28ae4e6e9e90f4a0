"""What a shop sees of synthetic buyers besides what they say: mails, network addresses, and who comes back.

Every share is an assumption, written down before the first run with it. Drawn apart from the crowd, so that the claims
of a seed stay what they are.
"""

from dataclasses import dataclass
from random import Random

# Honest people
HOUSEHOLD = 0.01  # of those who claim: with the mail of another who claims
SECOND_MAIL = 0.05  # of their orders: with another mail of theirs
NEW_BROWSER = 0.25  # of the claims of who comes back: as somebody whom the chat has not met
BEHIND_CARRIER = 0.4  # of all orders: through an address that a carrier gives to many
CARRIERS = 760  # such addresses, for a crowd of size 1
HONEST_AGAIN = 0.015  # of replacements that are bad too: reserve codes come from the same suppliers

# Cheats
OWN_MAIL = 1 / 3  # of identities: their common mail
MAIL_EACH = 1 / 3  # one mail per identity; the others take a new one for every order
OWN_LINE = 0.6  # of identities: from home, or by the carrier; the others by a new proxy for every order
CHEAT_AGAIN = 0.35  # of replacements that are claimed too


@dataclass(frozen=True)
class Trace:
    """Of one order."""

    mail: str
    address: str  # that it was placed from, and its codes are looked at


class Traces:
    """Of everybody, from one seed."""

    def __init__(self, seed: int, carriers: int) -> None:
        self.carriers = carriers
        self.random = Random(f"{seed} traces")
        self._mails: list[str] = []  # of honest people
        self._habits: dict[str, tuple[str, bool]] = {}  # by identity: mail, whether from their own line

    def honest(self, person: str) -> Trace:
        mail, _ = self._habits.get(person) or self._meet(person)
        if self.random.random() < SECOND_MAIL:
            mail = f"2.{mail}"
        return Trace(mail, self._line(person))

    def cheating(self, person: str) -> Trace:
        """Identities of one cheat have names that differ in their last part."""
        cheat = person.rsplit("-", 1)[0] if person.count("-") > 1 else person
        if person not in self._habits:
            way = self.random.random()
            mail = cheat if way < OWN_MAIL else person if way < OWN_MAIL + MAIL_EACH else ""
            self._habits[person] = (mail, self.random.random() < OWN_LINE)
        mail, is_own_line = self._habits[person]
        address = self._line(cheat) if is_own_line else _address(f"proxy {self.random.random()}")
        return Trace(f"{mail or self.random.getrandbits(40)}@mail.example", address)

    def before(self, person: str) -> Trace:
        """Of who had the account before it was sold."""
        return Trace(f"before.{person}@mail.example", _address(f"before {person}"))

    def claims_again(self, is_honest: bool) -> bool:
        """Whether a replacement is said to be bad too."""
        return self.random.random() < (HONEST_AGAIN if is_honest else CHEAT_AGAIN)

    def identity(self, person: str, does_return: bool) -> str:
        """As whom the chat meets them this time."""
        is_new = does_return and self.random.random() < NEW_BROWSER
        return f"{person}/{self.random.getrandbits(32)}" if is_new else person

    def _meet(self, person: str) -> tuple[str, bool]:
        mail = f"{person}@mail.example"
        if self._mails and self.random.random() < HOUSEHOLD:
            mail = self.random.choice(self._mails)
        self._mails.append(mail)
        self._habits[person] = (mail, True)
        return self._habits[person]

    def _line(self, person: str) -> str:
        if self.random.random() < BEHIND_CARRIER:
            return _address(f"carrier {self.random.randrange(self.carriers)}")
        return _address(f"home of {person}")


def _address(name: str) -> str:
    """Some address of the open network; the same of the same name."""
    bits = Random(name).getrandbits(24)
    return f"101.{bits >> 16}.{bits >> 8 & 255}.{bits & 255}"
