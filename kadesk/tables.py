"""Every room's tables, registered on one metadata by being imported."""

from sqlmodel import SQLModel

import audit.tables
import bot.staff.tables
import bot.tables
import console.tables
import faq.tables
import shop.tables
import tickets.tables

ROOMS = (audit.tables, bot.tables, bot.staff.tables, console.tables, faq.tables, shop.tables, tickets.tables)
metadata = SQLModel.metadata
