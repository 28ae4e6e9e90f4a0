"""The commands as staff see them, in Telegram's menus and by /help: all from the one list in `commands`. Pure."""

from bot.channels.botapi.menus import IN_PRIVATE, Menu, in_chat
from bot.phrases import LANGUAGES
from bot.staff.commands import COMMANDS, Listed, Where
from bot.staff.rules import Room

IN_GROUP, ALONE = (Where.TOPIC, Where.ANYWHERE), (Where.ANYWHERE, Where.PRIVATE)


def menus(room: Room) -> list[Menu]:
    """Of the groups and of private chats, in each language; for whoever reads none of them in the bot's own."""
    scopes = [(IN_PRIVATE, ALONE), *((in_chat(chat_id), IN_GROUP) for chat_id in sorted(room.rules.chats))]
    readers = [("", room.rules.language), *((one, one) for one in LANGUAGES)]
    return [
        Menu(scope, reader, {one.name: _described(room, language, one) for one in COMMANDS if one.where in wheres})
        for scope, wheres in scopes
        for reader, language in readers
    ]


def help_text(room: Room) -> str:
    """Everything that can be typed, and where."""
    lists = {where: "\n".join(_line(room, one) for one in COMMANDS if one.where == where) for where in Where}
    chinese = " ".join(f"/{name}" for one in COMMANDS for name in one.chinese)
    return room.words("help", chinese=chinese, **lists)


def _described(room: Room, language: str, one: Listed) -> str:
    """What it does, and what is typed after it."""
    return " · ".join(filter(None, (room.say(language, f"staff.command.{one.name}"), _typed(room, language, one))))


def _line(room: Room, one: Listed) -> str:
    typed = _typed(room, room.rules.language, one)
    return f"{' '.join(filter(None, (f'/{one.name}', typed)))} — {room.words(f'command.{one.name}')}"


def _typed(room: Room, language: str, one: Listed) -> str:
    return room.say(language, f"staff.typed.{one.name}") if one.has_words else ""
