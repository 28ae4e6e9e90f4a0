"""A small 微信客服 platform for tests and demos, strict where 企业微信 is; it needs no company and no network.

What buyers say waits in a feed for three days; a callback says only that there is something. The desk may answer within
48 hours and five messages of a buyer's last word, in a session that no person has, and each id of a message once.
"""

import itertools
import json
import secrets
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx
from aiohttp import web

from bot.channels.weixin.envelope import Envelope
from bot.channels.weixin.xml import write
from bot.fakes.people import PIXELS
from bot.fakes.telegram import running_clock
from bot.fakes.tencent import Platform, error
from bot.fakes.weixin import AES_KEY, MESSAGES, SECRET, TEXT_LIMIT, TOKEN, WINDOW, Allowance, Shown

CORP_ID, OPEN_KFID = "ww0123456789abcdef", "wkAAA0001"
KEPT = 3 * 86400  # seconds that the feed holds
MENU_ENTRIES = 10
WELCOME = 20  # seconds in which a conversation that was opened may be greeted, or one that ended asked about


@dataclass
class Session:
    """A buyer at one account."""

    state: int = 0  # 0 new, 1 with the bot, 2 waiting for a person, 3 with a person, 4 ended
    allowance: Allowance = field(default_factory=Allowance)
    shown: list[Shown] = field(default_factory=list)


@dataclass
class FakeWeCom(Platform):
    """One company with any number of accounts. `url` is where its callbacks go."""

    url: str = ""
    clock: Callable[[], float] = field(default_factory=running_clock)
    envelope: Envelope = field(default_factory=lambda: Envelope.make(TOKEN, AES_KEY, CORP_ID))
    accounts: tuple[str, ...] = (OPEN_KFID,)
    page: int = 1000  # messages of one answer at most
    patience: float = 5.0
    client: httpx.AsyncClient = field(default_factory=httpx.AsyncClient)  # that the platform calls with
    calls: Counter[str] = field(default_factory=Counter)
    base: str = ""
    words_good: float = 600  # seconds that the word of a callback is taken
    is_mute: bool = False  # nobody is called: as after an outage of the desk

    def __post_init__(self) -> None:
        self._begin()
        self._feed: dict[str, list[dict[str, Any]]] = {account: [] for account in self.accounts}
        self.sessions: dict[tuple[str, str], Session] = defaultdict(Session)
        self._codes: dict[str, tuple[str, str, float]] = {}
        self._sent: set[tuple[str, str]] = set()
        self._numbers = itertools.count(1)
        self._called_at: dict[str, float] = defaultdict(float)

    # What buyers do

    async def say(self, buyer: str, text: str, account: str = OPEN_KFID, **more: str) -> None:
        await self._message(buyer, account, "text", {"content": text} | more)

    async def press(self, buyer: str, menu_id: str, text: str = "", account: str = OPEN_KFID) -> None:
        await self.say(buyer, text or menu_id, account, menu_id=menu_id)

    async def photo(self, buyer: str, content: bytes = PIXELS, account: str = OPEN_KFID) -> None:
        await self._message(buyer, account, "image", {"media_id": self._keep(content)})

    async def file(self, buyer: str, content: bytes, account: str = OPEN_KFID) -> None:
        await self._message(buyer, account, "file", {"media_id": self._keep(content)})

    async def video(self, buyer: str, content: bytes, account: str = OPEN_KFID) -> None:
        await self._message(buyer, account, "video", {"media_id": self._keep(content)})

    async def enter(self, buyer: str, scene_param: str = "", account: str = OPEN_KFID) -> None:
        """Open the conversation. Whoever has said nothing for long gets a code to be greeted with."""
        code = {}
        if self.sessions[account, buyer].allowance.until <= self.clock():
            code = {"welcome_code": self._code(buyer, account)}
        scene = {"scene": "kadesk", "scene_param": scene_param}
        await self._event(buyer, account, {"event_type": "enter_session"} | scene | code)

    def _code(self, buyer: str, account: str) -> str:
        """Good once, for what is said in answer to an event."""
        secret = secrets.token_hex(16)
        self._codes[secret] = account, buyer, self.clock() + WELCOME
        return secret

    async def recall(self, buyer: str, number: str, account: str = OPEN_KFID) -> None:
        await self._event(buyer, account, {"event_type": "user_recall_msg", "recall_msgid": number})

    async def fail(self, buyer: str, number: str, account: str = OPEN_KFID) -> None:
        """A message that was taken does not arrive after all."""
        await self._event(buyer, account, {"event_type": "msg_send_fail", "fail_msgid": number, "fail_type": 1})

    async def serve(self, buyer: str, text: str, account: str = OPEN_KFID) -> None:
        """A person writes to the buyer inside 企业微信."""
        facts = {"external_userid": buyer, "origin": 5, "servicer_userid": "lin", "msgtype": "text"}
        await self._add(account, facts | {"text": {"content": text}})

    async def change(self, buyer: str, change: int, account: str = OPEN_KFID) -> None:
        """A person takes the session: 1 from the pool, 2 from another, 4 after its end; 3 ends it."""
        self.sessions[account, buyer].state = 4 if change == 3 else 3
        code = {"msg_code": self._code(buyer, account)} if change in (1, 3) else {}
        await self._event(buyer, account, {"event_type": "session_status_change", "change_type": change} | code)

    def forget(self, buyer: str, count: int, account: str = OPEN_KFID) -> None:
        """The last messages to this buyer were never sent, as if their sender had been killed before."""
        session = self.sessions[account, buyer]
        for shown in session.shown[-count:]:
            self._sent.discard((account, shown.body["msgid"]))
            session.allowance.left += 1
        del session.shown[-count:]

    async def _message(self, buyer: str, account: str, kind: str, content: dict[str, Any]) -> None:
        session = self.sessions[account, buyer]
        session.allowance = Allowance(self.clock() + WINDOW, MESSAGES)
        session.state = session.state if session.state != 4 else 0  # what ended begins anew with a word
        facts = {"external_userid": buyer, "origin": 3, "msgtype": kind, kind: content}
        await self._add(account, facts)

    async def _event(self, buyer: str, account: str, event: dict[str, Any]) -> None:
        event = {"open_kfid": account, "external_userid": buyer} | event
        await self._add(account, {"origin": 4, "msgtype": "event", "event": event})

    async def _add(self, account: str, facts: dict[str, Any]) -> None:
        number = f"msg{next(self._numbers):08d}"
        self._feed[account].append({"msgid": number, "open_kfid": account, "send_time": int(self.clock())} | facts)
        if not self.is_mute and self.url:
            await self.call(account)

    def numbers(self, account: str = OPEN_KFID) -> list[str]:
        """The ids of all that is in the feed."""
        return [one["msgid"] for one in self._feed[account]]

    # How the platform calls the desk

    async def call(self, account: str = OPEN_KFID) -> int | None:
        """Three times at most; the number of the call that was answered."""
        answered = await self._insist(lambda: self._call(account))
        return answered[0] if answered else None

    async def _call(self, account: str) -> bool | None:
        self._called_at[account] = self.clock()
        plain = write(
            {
                "ToUserName": CORP_ID,
                "CreateTime": int(self.clock()),
                "MsgType": "event",
                "Event": "kf_msg_or_event",
                "Token": f"word-{account}",
                "OpenKfId": account,
            }
        )
        timestamp, nonce = str(int(self.clock())), secrets.token_hex(8)
        sealed, signature = self.envelope.seal(plain.encode(), timestamp, nonce)
        params = {"timestamp": timestamp, "nonce": nonce, "msg_signature": signature}
        body = write({"ToUserName": CORP_ID, "Encrypt": sealed, "AgentID": ""})
        try:
            answer = await self.client.post(self.url, params=params, content=body.encode(), timeout=self.patience)
        except httpx.HTTPError:
            return None
        return True if answer.status_code == 200 else None

    # What the desk asks for

    async def answer_in(self, request: web.Request, path: str) -> web.StreamResponse:
        if path == "/cgi-bin/gettoken":
            return self._give_token(request.query)
        if not self._has_token(request):
            return error(42001)
        if path == "/cgi-bin/media/get":
            return self._give_media(request)
        if path == "/cgi-bin/media/upload":
            return await self._take_media(request)
        does = {
            "/cgi-bin/kf/sync_msg": self._sync,
            "/cgi-bin/kf/send_msg": self._send,
            "/cgi-bin/kf/send_msg_on_event": self._welcome,
            "/cgi-bin/kf/service_state/get": self._state,
            "/cgi-bin/kf/service_state/trans": self._pass_on,
        }.get(path)
        return does(json.loads(await request.read())) if does else error(40066)

    def _give_token(self, query: Mapping[str, str]) -> web.Response:
        if (query.get("corpid"), query.get("corpsecret")) != (CORP_ID, SECRET):
            return error(40001)
        now = self.clock()
        good = [token for token, until in self._tokens.items() if until > now]
        token = good[-1] if good else secrets.token_hex(32)
        self._tokens.setdefault(token, now + 7200)
        ends_in = int(self._tokens[token] - now)
        return web.json_response({"errcode": 0, "errmsg": "ok", "access_token": token, "expires_in": ends_in})

    def _sync(self, body: Mapping[str, Any]) -> web.Response:
        account = body.get("open_kfid")
        if account not in self._feed:
            return error(95000)
        is_good = self.clock() < self._called_at[account] + self.words_good
        if (word := body.get("token")) is not None and (word != f"word-{account}" or not is_good):
            return error(95007)
        feed = [one for one in self._feed[account] if one["send_time"] > self.clock() - KEPT]
        cursor = str(body.get("cursor", ""))
        if cursor and cursor not in self.numbers(account):
            return error(40058)
        rest = [one for one in feed if one["msgid"] > cursor]
        page = rest[: min(self.page, int(body.get("limit", 1000)))]
        following = page[-1]["msgid"] if page else cursor
        more = int(len(rest) > len(page))
        return web.json_response(
            {"errcode": 0, "errmsg": "ok", "next_cursor": following, "has_more": more, "msg_list": page}
        )

    def _send(self, body: Mapping[str, Any]) -> web.Response:
        session = self.sessions[str(body.get("open_kfid")), str(body.get("touser"))]
        if session.state not in (0, 1):
            return error(95018)
        if session.allowance.until <= self.clock():
            return error(95002)
        if not session.allowance.left:
            return error(95001)
        return self._show(session, str(body.get("open_kfid")), body, session.allowance)

    def _welcome(self, body: Mapping[str, Any]) -> web.Response:
        account, buyer, until = self._codes.pop(str(body.get("code")), ("", "", 0.0))
        if until <= self.clock():
            return error(95007)
        return self._show(self.sessions[account, buyer], account, body, None)

    def _show(self, session: Session, account: str, body: Mapping[str, Any], paying: Allowance | None) -> web.Response:
        number, kind = str(body.get("msgid") or secrets.token_hex(12)), body.get("msgtype")
        if len(number) > 32 or (account, number) in self._sent:
            return error(40058)
        if kind == "text":
            shown = Shown(body["text"]["content"], body=body)
        elif kind == "msgmenu" and len(body["msgmenu"]["list"]) > MENU_ENTRIES:
            return error(95008)
        elif kind == "msgmenu":
            menu = {one["click"]["content"]: one["click"]["id"] for one in body["msgmenu"]["list"]}
            shown = Shown(body["msgmenu"].get("head_content", ""), menu, body=body)
        elif kind == "image" and not self._has_media(body["image"]["media_id"]):
            return error(40007)
        elif kind == "image":
            shown = Shown("", body=body, picture=self._media[body["image"]["media_id"]][0])
        else:
            return error(40008)
        if len(shown.text.encode()) > TEXT_LIMIT:
            return error(45002)
        if paying is not None:
            paying.left -= 1
        self._sent.add((account, number))
        session.shown.append(shown)
        return web.json_response({"errcode": 0, "errmsg": "ok", "msgid": number})

    def _state(self, body: Mapping[str, Any]) -> web.Response:
        session = self.sessions[str(body.get("open_kfid")), str(body.get("external_userid"))]
        return web.json_response({"errcode": 0, "errmsg": "ok", "service_state": session.state})

    def _pass_on(self, body: Mapping[str, Any]) -> web.Response:
        session = self.sessions[str(body.get("open_kfid")), str(body.get("external_userid"))]
        if session.state == 4 or (session.state == 3 and body.get("service_state") not in (3, 4)):
            return error(95016)
        session.state = int(body["service_state"])
        return error(0)
