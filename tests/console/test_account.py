"""The page "My account": a code to link Telegram with, and an admin who takes links away."""

import re

from tests.console.conftest import Stage, Visitor, text_of
from tickets import staff_links
from tickets.tables import Agent, Role


async def test_the_code_on_the_page_links_and_stands_in_no_address(
    stage: Stage, signed_in: Visitor, agent: Agent
) -> None:
    shown = await signed_in.submit("/console/account/link")
    code = re.search(r"/link ([A-Z0-9]{10})<", shown.text)
    assert code
    async with stage.database.writing() as session:
        linked = await staff_links.use_code(session, stage.clock(), stage.vault, code[1], 42)

    later = await signed_in.get("/console/account")

    assert linked.id == agent.id
    assert str(shown.url).endswith("/console/account/link")
    assert "已绑定 Telegram 用户 42" in text_of(later)
    assert code[1] not in later.text


async def test_only_an_admin_sees_and_unlinks_colleagues(
    stage: Stage, signed_in: Visitor, visitor: Visitor, agent: Agent
) -> None:
    boss = await stage.add_agent("boss", Role.ADMIN)
    for one, user in ((agent, 42), (boss, 43)):
        async with stage.database.writing() as session:
            code = await staff_links.offer_code(session, stage.clock(), stage.vault, one.id or 0)
            await staff_links.use_code(session, stage.clock(), stage.vault, code, user)

    await signed_in.submit(f"/console/account/{boss.id}/unlink")
    refused = text_of(await signed_in.get("/console/account"))
    await visitor.sign_in("boss")
    seen = text_of(await visitor.get("/console/account"))
    await visitor.submit(f"/console/account/{agent.id}/unlink")

    assert "43" not in refused
    assert "42" in seen
    async with stage.database.reading() as session:
        assert set(await staff_links.links(session)) == {boss.id}
