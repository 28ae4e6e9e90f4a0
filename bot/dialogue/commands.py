"""What a messenger may list as commands: the buttons of the menu, which are understood as typed words too."""

from collections.abc import Mapping

from tickets.outbox import Say

COMMANDS = {
    "help": "button.menu",
    "orders": "button.find",
    "tickets": "button.tickets",
    "hurry": "button.hurry",
    "human": "button.human",
    "cancel": "button.cancel",
}
LANGUAGES = ("zh", "en")


def menus(say: Say, language: str = "") -> Mapping[str, Mapping[str, str]]:
    """Command → what it does, in each language; under "" for whoever reads none of them: in `language`."""
    found = {one: {name: say(one, key) for name, key in COMMANDS.items()} for one in LANGUAGES}
    return {"": found.get(language, found[LANGUAGES[0]]), **found}
