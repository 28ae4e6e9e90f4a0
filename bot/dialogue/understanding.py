"""From a message and its scene to what is meant. Pure: asks no shop and no database, only the matcher."""

from dataclasses import replace
from typing import Protocol

from bot.channels.port import Inbound, Kind
from bot.dialogue import hiding, reading
from bot.dialogue.acts import PRESSABLE, Act, Goal, Intent
from bot.dialogue.state import Scene, Step
from faq.matcher import Match
from faq.phrasing import Entry
from shop.masking import normalise_code
from tickets.tables import Reason

HUMAN_ENTRY = "human"  # the entry whose only answer is a person
DELIVERY_THEME = "delivery"  # entries about paid orders that bring nothing

# What a buyer who asks for this entry says is wrong with the code.
REASON_OF_ENTRY = {
    "already_used": Reason.ALREADY_USED,
    "issuer_says": Reason.ALREADY_USED,
    "not_exist": Reason.DOES_NOT_EXIST,
    "not_activated": Reason.NOT_ACTIVATED,
    "expired_code": Reason.EXPIRED,
    "wrong_value": Reason.WRONG_VALUE,
    "wrong_region": Reason.WRONG_REGION,
    "wrong_product": Reason.WRONG_PRODUCT,
    "account_login_fail": Reason.ACCOUNT_PROBLEM,
    "account_banned": Reason.ACCOUNT_PROBLEM,
}

# What is no question and has one answer.
SIMPLE = {"chat": Act.CHAT, "abuse": Act.ABUSE, "empty": Act.EMPTY}

# What is said when a password was asked for and is not surely something else.
MAY_BE_PROOF = frozenset(
    {Act.PROOF, Act.ORDER, Act.UNCLEAR, Act.MEDIA, Act.TOO_LONG, Act.TYPED_CODE, Act.REPORT, Act.REASON}
)


class Answers(Protocol):
    """The known answers; `faq.answers.KnownAnswers` is them."""

    def match(self, text: str, language: str | None = None) -> Match: ...

    def get(self, key: str) -> Entry: ...

    def fill(self, answer: str, **variables: object) -> str: ...


class Understanding:
    """Reads messages; `limit` is how many characters of one are read."""

    def __init__(self, answers: Answers, limit: int) -> None:
        self._answers = answers
        self._limit = limit

    def understand(self, scene: Scene, inbound: Inbound) -> Intent:
        if inbound.kind == Kind.PRESS:
            return _pressed(scene)
        text = reading.clean(inbound.text)
        if inbound.kind == Kind.START:
            return Intent(Act.START, "")
        if inbound.kind != Kind.TEXT and not (inbound.attachments and text):  # a picture's caption is read as text
            return self._keep(scene, Intent(Act.MEDIA, ""), text[: self._limit])
        if len(text) > self._limit:
            cut = self._keep(scene, Intent(Act.TOO_LONG, ""), text[: self._limit])
            return replace(cut, stored=f"{cut.stored}…")
        if command := reading.find_command(text):
            return Intent(command, text)
        return self._keep(scene, self._at_step(scene, text), text)

    def _keep(self, scene: Scene, intent: Intent, text: str) -> Intent:
        """The intent with the buyer's words as they may be kept."""
        step, sure = scene.state.step, intent.match and intent.match.entry
        if step == Step.PROOF and text and intent.act in MAY_BE_PROOF:
            return replace(intent, stored=reading.HIDDEN)
        if step == Step.PROOF:  # a question, and maybe the password with it
            return replace(intent, stored=hiding.hide_unknown(text, _texts(self._answers.get(sure)) if sure else ()))
        is_asked = step in (Step.ORDER, Step.CODE)
        known = hiding.Known(_own(scene), intent.order_no, intent.codes, intent.secret, is_asked)
        return replace(intent, stored=hiding.hide(text, known))

    def _at_step(self, scene: Scene, text: str) -> Intent:
        match scene.state.step:
            case Step.ORDER:
                return self._given_order(scene, text)
            case Step.PROOF:
                return self._given_proof(text)
            case Step.CODE:
                codes = reading.find_typed_codes(text)
                # Names and words stay what they are; only what could be a code is compared with the order's.
                return Intent(Act.TYPED_CODE, "", codes=codes) if codes else self._aside(text)
            case Step.REASON:
                match = self._answers.match(text)
                reason = reading.find_reason(text) or REASON_OF_ENTRY.get(match.entry or "")
                return Intent(Act.REASON, "", argument=reason) if reason else self._aside(text)
            case Step.IDLE:
                return self._idle(scene, text)

    def _given_order(self, scene: Scene, text: str) -> Intent:
        number = reading.find_given_order_no(text)
        return self._order(scene, number, text, scene.state.goal) if number else self._aside(text)

    def _given_proof(self, text: str) -> Intent:
        is_question = reading.has_words(text) and self._answers.match(text).outcome == "answer"
        proof = reading.find_named_proof(text) or (None if is_question else reading.find_typed_proof(text))
        return Intent(Act.PROOF, "", secret=proof) if proof else self._aside(text)

    def _aside(self, text: str) -> Intent:
        """Something else than was asked for: a sure question, or unclear."""
        match = self._answers.match(text)
        if simple := SIMPLE.get(match.kind):
            return Intent(simple, "")
        return self._ask(match) if match.outcome == "answer" else Intent(Act.UNCLEAR, "", match=match)

    def _idle(self, scene: Scene, text: str) -> Intent:
        match = self._answers.match(text)
        entry = self._answers.get(match.entry) if match.outcome == "answer" and match.entry else None
        reason = reading.find_reason(text) or REASON_OF_ENTRY.get(match.entry or "")
        leads_to_order = entry is None or entry.flow in ("order", "claim")
        number = reading.find_order_no(text) or _own_order(scene, text)
        if number and leads_to_order:
            is_undelivered = entry is not None and entry.theme == DELIVERY_THEME
            is_claim = reason is not None or (entry is not None and entry.flow == "claim")
            goal = Goal.UNDELIVERED if is_undelivered else Goal.CLAIM if is_claim else Goal.LOOK
            return replace(self._order(scene, number, text, goal), reason=reason)
        has_code = any(slot.kind == "code" for slot in match.slots)
        if match.kind == "code" or (has_code and (reason or (entry and entry.flow == "claim"))):
            return Intent(Act.REPORT, "", argument=reason or "")
        simple = SIMPLE.get(match.kind)
        return Intent(simple, "") if simple else self._ask(match)

    def _ask(self, match: Match) -> Intent:
        """A question; two entries are not answered but done."""
        entry = self._answers.get(match.entry) if match.outcome == "answer" and match.entry else None
        if entry and entry.key == HUMAN_ENTRY:
            return Intent(Act.HUMAN, "")
        if entry and entry.flow == "tickets":
            return Intent(Act.TICKETS, "")
        return Intent(Act.ASK, "", match=match)

    def _order(self, scene: Scene, number: str, text: str, goal: Goal) -> Intent:
        proof = reading.find_proof(text, number)
        return Intent(Act.ORDER, "", goal=goal, order_no=number, secret=proof or "")


def _texts(entry: Entry) -> list[str]:
    return [*(phrasing.text for phrasing in entry.phrasings), *(text.question for text in entry.texts.values())]


def _own(scene: Scene) -> frozenset[str]:
    """Order numbers that may stand in clear: those that were proved to be this buyer's."""
    return frozenset(scene.orders)


def _own_order(scene: Scene, text: str) -> str | None:
    """A number of this buyer's own orders, however it is shaped."""
    words = normalise_code(text)
    return next((number for number in scene.orders if len(number) > 5 and normalise_code(number) in words), None)


def _pressed(scene: Scene) -> Intent:
    button = scene.button
    if button is None or button.action not in PRESSABLE:
        return Intent(Act.STALE, "")
    return Intent(Act(button.action), button.label, argument=button.argument)
