"""Telegram for staff: a forum group, each ticket a topic of it. A mirror with buttons, never the record."""
