"""Telegram for staff: a forum group, each ticket a topic of it. A mirror with buttons, never the record."""

CHANNEL = "staff"  # as the inbox and the health light name it
