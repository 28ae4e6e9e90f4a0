"""A small 公众号 platform for tests and demos, strict where WeChat is; it needs no account and no network.

It calls the desk as WeChat does: sealed, three times at most, five seconds each, and says so when nobody answers. It
takes what the desk sends within 48 hours and five messages of the follower's last word, with a token that runs out.
"""

import itertools
import re
import secrets
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote

import httpx
from aiohttp import web

from bot.channels.weixin.envelope import Envelope, Stamp, sign
from bot.channels.weixin.xml import parse, write
from bot.fakes.people import PIXELS
from bot.fakes.telegram import running_clock
from bot.fakes.tencent import Platform, error

APP_ID, SECRET, TOKEN = "wx0123456789abcdef", "a-secret-of-no-account", "a-token-of-nobody"
AES_KEY = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG"
ORIGINAL_ID = "gh_0123456789ab"
WINDOW, MESSAGES = 48 * 3600, 5  # seconds after the follower's word, and messages in them
TOUCH_WINDOW, TOUCH_MESSAGES = 60, 3  # the same after a press of the menu, a scan or a follow
TEXT_LIMIT = 2048  # bytes
FORCED = 20  # tokens a day that are given though the one before is good
VIDEOS = "/vweixinp/"  # where videos stand, beside the interface
NOBODY = "该公众号暂时无法提供服务，请稍后再试"
_LINK = re.compile(r'<a href="weixin://bizmsgmenu\?msgmenucontent=([^"&]*)&msgmenuid=([^"&]*)">[^<]*</a>')


@dataclass(frozen=True)
class Shown:
    """What a follower sees of one message."""

    text: str
    menu: Mapping[str, str] = field(default_factory=dict)  # entry → its id
    passive: bool = False  # it was the answer to the platform's call
    body: Mapping[str, Any] = field(default_factory=dict)
    picture: bytes = b""


@dataclass
class Allowance:
    """How often the account may still write to a follower."""

    until: float = 0
    left: int = 0


@dataclass
class FakeWeixin(Platform):
    """One account. `url` is where its callbacks go; followers are any names."""

    url: str = ""
    clock: Callable[[], float] = field(default_factory=running_clock)
    envelope: Envelope = field(default_factory=lambda: Envelope.make(TOKEN, AES_KEY, APP_ID))
    is_plain: bool = False  # callbacks are neither sealed nor signed as to what they say
    patience: float = 5.0
    token_seconds: float = 7200
    quota: int = 500_000  # calls of one kind a day
    client: httpx.AsyncClient = field(default_factory=httpx.AsyncClient)  # that the platform calls with
    base: str = ""
    shown: dict[str, list[Shown]] = field(default_factory=lambda: defaultdict(list))
    menu: Any = None
    typing: list[str] = field(default_factory=list)
    calls: Counter[str] = field(default_factory=Counter)
    videos: list[str] = field(default_factory=list)  # files that are not given, but told of
    unanswered: list[str] = field(default_factory=list)  # followers who were told that nobody answers

    def __post_init__(self) -> None:
        self._begin()
        self._allowances: dict[str, dict[str, Allowance]] = defaultdict(dict)
        self._left: set[str] = set()
        self._numbers = itertools.count(24_000_000_000_000_000)

    # What followers do

    async def say(self, follower: str, text: str, **more: str) -> int | None:
        return await self._message(follower, "text", Content=text, **more)

    async def press(self, follower: str, menu_id: str, text: str = "") -> int | None:
        """An entry of a menu in a message."""
        return await self.say(follower, text or menu_id, bizmsgmenuid=menu_id)

    async def photo(self, follower: str, content: bytes = PIXELS) -> int | None:
        media = self._keep(content)
        return await self._message(follower, "image", PicUrl=f"{self.base}/pic/{media}", MediaId=media)

    async def speak(self, follower: str, recognition: str = "") -> int | None:
        media = self._keep(b"#!AMR\n")
        return await self._message(follower, "voice", MediaId=media, Format="amr", Recognition=recognition)

    async def video(self, follower: str, content: bytes, kind: str = "video") -> int | None:
        """`kind` is "video", or "shortvideo" as older apps send them."""
        media = self._keep(content)
        self.videos.append(media)
        return await self._message(follower, kind, MediaId=media, ThumbMediaId=self._keep(PIXELS))

    async def follow(self, follower: str, scene: str = "") -> int | None:
        self._left.discard(follower)
        return await self._event(follower, "subscribe", EventKey=f"qrscene_{scene}" if scene else "")

    async def leave(self, follower: str) -> int | None:
        self._left.add(follower)
        return await self._event(follower, "unsubscribe", EventKey="")

    async def scan(self, follower: str, scene: str) -> int | None:
        return await self._event(follower, "SCAN", EventKey=scene, Ticket="a-ticket")

    async def click(self, follower: str, key: str) -> int | None:
        return await self._event(follower, "CLICK", EventKey=key)

    async def _message(self, follower: str, kind: str, **content: str) -> int | None:
        self._allow(follower, "word", WINDOW, MESSAGES)
        return await self.push(follower, kind, MsgId=str(next(self._numbers)), **content)

    async def _event(self, follower: str, event: str, **content: str) -> int | None:
        if event != "unsubscribe":
            self._allow(follower, "touch", TOUCH_WINDOW, TOUCH_MESSAGES)
        return await self.push(follower, "event", Event=event, **content)

    def _allow(self, follower: str, kind: str, seconds: float, count: int) -> None:
        self._allowances[follower][kind] = Allowance(self.clock() + seconds, count)

    # How the platform calls the desk

    async def push(self, follower: str, kind: str, **content: str) -> int | None:
        """Call until it is answered; the number of the call that was, or None: the follower is told that nobody is."""
        fields = {"ToUserName": ORIGINAL_ID, "FromUserName": follower, "CreateTime": str(int(self.clock()))}
        plain = write(fields | {"MsgType": kind} | content).encode()
        answered = await self._insist(lambda: self.call(plain))
        if answered is None:
            self.unanswered.append(follower)
            self.shown[follower].append(Shown(NOBODY))
            return None
        number, answer = answered
        if text := answer.get("Content"):
            self.shown[follower].append(Shown(text, _links(text), passive=True))
        return number

    async def call(self, plain: bytes) -> dict[str, str] | None:
        """One call; the fields of the passive reply, none of "success"; None: it does not count as answered."""
        timestamp, nonce = str(int(self.clock())), secrets.token_hex(8)
        params, body = {"timestamp": timestamp, "nonce": nonce}, plain
        if self.is_plain:
            params["signature"] = sign(self.envelope.token, timestamp, nonce)
        else:
            sealed, params["msg_signature"] = self.envelope.seal(plain, timestamp, nonce)
            params["encrypt_type"] = "aes"
            body = write({"ToUserName": ORIGINAL_ID, "Encrypt": sealed}).encode()
        try:
            response = await self.client.post(self.url, params=params, content=body, timeout=self.patience)
        except httpx.HTTPError:
            return None
        if response.status_code != 200:
            return None
        content = response.content
        if content in (b"", b"success"):
            return {}
        outer = parse(content)
        if self.is_plain == ("Encrypt" in outer):
            return None
        if self.is_plain:
            return outer
        stamp = Stamp(outer["TimeStamp"], outer["Nonce"], outer["MsgSignature"])
        return parse(self.envelope.open(stamp, outer["Encrypt"], datetime.fromtimestamp(self.clock(), UTC)))

    # What the desk asks for

    async def answer_in(self, request: web.Request, path: str) -> web.StreamResponse:
        if path.startswith(VIDEOS):
            return self._show_video(path.removeprefix(VIDEOS))
        if path == "/cgi-bin/stable_token":
            return self._give_token(await request.json())
        if not self._has_token(request):
            return error(40001)
        if self.calls[path] > self.quota:
            return error(45009)
        if path == "/cgi-bin/media/get":
            return self._give_media(request)
        if path == "/cgi-bin/media/upload":
            return await self._take_media(request)
        does = {
            "/cgi-bin/message/custom/send": self._send,
            "/cgi-bin/message/custom/typing": self._type,
            "/cgi-bin/menu/create": self._make_menu,
            "/cgi-bin/clear_quota": self._clear_quota,
        }.get(path)
        return does(await request.json()) if does else error(40066)

    def _give_media(self, request: web.Request) -> web.Response:
        """Of a video WeChat gives the address; the file is there for whoever knows it."""
        name = request.query.get("media_id", "")
        if name in self.videos and self._has_media(name):
            return web.json_response({"video_url": f"{self.base}{VIDEOS}{name}?vkey=0A1B&sha=0&save=1"})
        return super()._give_media(request)

    def _show_video(self, name: str) -> web.Response:
        known = name in self.videos and self._has_media(name)
        return web.Response(body=self._media[name][0], content_type="video/mp4") if known else web.Response(status=404)

    def _give_token(self, body: Mapping[str, Any]) -> web.Response:
        if (body.get("appid"), body.get("secret")) != (self.envelope.receiver, SECRET):
            return error(40125)
        now = self.clock()
        # In normal mode the same token is given until it is about to end.
        good = [token for token, until in self._tokens.items() if until > now + 300]
        is_forced = bool(body.get("force_refresh"))
        self.calls["a token forced"] += is_forced
        if self.calls["a token forced"] > FORCED:
            return error(45009)
        token = good[-1] if good and not is_forced else secrets.token_hex(32)
        self._tokens.setdefault(token, now + self.token_seconds)
        return web.json_response({"access_token": token, "expires_in": int(self._tokens[token] - now)})

    def _send(self, body: Mapping[str, Any]) -> web.Response:
        follower, kind = str(body.get("touser", "")), body.get("msgtype")
        if follower in self._left or follower not in self._allowances:
            return error(45015)
        open_ones = [one for one in self._allowances[follower].values() if one.until > self.clock()]
        if not open_ones:
            return error(45015)
        if kind == "text":
            shown = Shown(body["text"]["content"], body=body)
        elif kind == "msgmenu":
            menu = {one["content"]: one["id"] for one in body["msgmenu"]["list"]}
            shown = Shown(body["msgmenu"]["head_content"], menu, body=body)
        elif kind == "image" and not self._has_media(body["image"]["media_id"]):
            return error(40007)
        elif kind == "image":
            shown = Shown("", body=body, picture=self._media[body["image"]["media_id"]][0])
        else:
            return error(40008)
        if len(shown.text.encode()) > TEXT_LIMIT:
            return error(45002)
        paying = next((one for one in open_ones if one.left), None)
        if paying is None:
            return error(45047)
        paying.left -= 1
        self.shown[follower].append(shown)
        return error(0)

    def _type(self, body: Mapping[str, Any]) -> web.Response:
        self.typing.append(str(body.get("touser")))
        return error(0)

    def _clear_quota(self, body: Mapping[str, Any]) -> web.Response:
        if body.get("appid") != self.envelope.receiver:
            return error(40013)
        self.calls.clear()
        return error(0)

    def _make_menu(self, body: Mapping[str, Any]) -> web.Response:
        buttons = body.get("button", [])
        if not 1 <= len(buttons) <= 3 or any(len(one.get("sub_button", [])) > 5 for one in buttons):
            return error(40016)
        self.menu = buttons
        return error(0)


def _links(text: str) -> dict[str, str]:
    """What can be pressed in a text: entry → its id."""
    return {unquote(content): unquote(menu_id) for content, menu_id in _LINK.findall(text)}
