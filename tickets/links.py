"""One-time links in messages: a stored message holds a mark and the number of its link, never the address.

Whoever can read the messages cannot open the code. The address is put in where the buyer gets it, and nowhere else.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from shop.reveals import read_token
from shop.tables import RevealLink
from shop.vault import Vault
from tickets import second_way
from tickets.outbox import Say
from tickets.tables import Author, Buyer, Conversation, Message

MARK = "⟦link⟧"


@dataclass(frozen=True, slots=True)
class Links:
    """Puts addresses into texts on their way to the buyer."""

    vault: Vault
    url: Callable[[str], str]  # token → address
    say: Say
    chat_url: Callable[[str], str] | None = None  # payload → address of the web chat that goes on with a conversation

    async def texts(self, session: AsyncSession, now: datetime, messages: Sequence[Message]) -> list[str]:
        """The texts of these messages as their buyer may read them; store, log and show to staff none of them."""
        told = await self._revealed(session, now, messages)
        return [self._with_chat(message, text) for message, text in zip(messages, told, strict=True)]

    def _with_chat(self, message: Message, text: str) -> str:
        if self.chat_url is None or message.author != Author.SYSTEM or second_way.MARK not in text:
            return text
        payload = second_way.sign(self.vault, message.conversation_id, message.created_at + second_way.GOOD_FOR)
        return text.replace(second_way.MARK, self.chat_url(payload))

    async def _revealed(self, session: AsyncSession, now: datetime, messages: Sequence[Message]) -> list[str]:
        marked = [message.id for message in messages if message.link_id is not None]
        if not marked:
            return [message.text for message in messages]
        found = await session.exec(
            select(Message.id, RevealLink, Buyer.language)
            .join(RevealLink, col(RevealLink.id) == col(Message.link_id))
            .join(Conversation, col(Conversation.id) == col(Message.conversation_id))
            .join(Buyer, col(Buyer.id) == col(Conversation.buyer_id))
            .where(col(Message.id).in_(marked))
        )
        addresses = {number: self._address(now, link, language) for number, link, language in found.all()}
        return [message.text.replace(MARK, addresses.get(message.id, MARK)) for message in messages]

    def _address(self, now: datetime, link: RevealLink, language: str) -> str:
        if link.opened_at is not None:
            return self.say(language, "link.opened")
        if link.expires_at <= now or not link.sealed_token:
            return self.say(language, "link.expired")
        return self.url(read_token(self.vault, link))
