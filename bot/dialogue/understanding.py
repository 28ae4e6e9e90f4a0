"""From a message and its scene to what is meant. Pure: asks no shop and no database, only the matcher."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

from bot.channels.port import Inbound, Kind
from bot.dialogue import follow_up, hiding, reading
from bot.dialogue.acts import PRESSABLE, Act, Goal, Intent
from bot.dialogue.state import Scene, Step
from faq.errors import UnknownEntry
from faq.matcher import Match
from faq.phrasing import Entry
from shop.masking import normalise_code
from shop.port import OrderStatus
from tickets.grievance import Grievance, find_grievance
from tickets.tables import Reason

HUMAN_ENTRY = "human"  # the entry whose only answer is a person
THREAT_ENTRY = "threat_platform"  # the entry of those who go to others about us
QUESTIONS = 2  # answered of one message
REFUND_ENTRIES = frozenset({"refund_policy", "change_mind"})  # what a buyer asks who wants their money back
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

# What a follow-up leans on where no entry was answered: the flow that goes on, or the order that was shown.
ENTRY_OF_GOAL = {
    Goal.LOOK: "find_order",
    Goal.CLAIM: "invalid_generic",
    Goal.UNDELIVERED: "paid_not_delivered",
    Goal.REFUND: "refund_policy",
}
ENTRY_OF_STATUS = {
    OrderStatus.UNPAID: "pay_pending",
    OrderStatus.PAID_UNDELIVERED: "paid_not_delivered",
    OrderStatus.PARTIAL: "partial",
    OrderStatus.REFUNDED: "refund_where",
    OrderStatus.CLOSED: "order_expired",
}

PICTURES = (Kind.PHOTO, Kind.DOCUMENT)

# What is no question and has one answer.
SIMPLE = {"chat": Act.CHAT, "abuse": Act.ABUSE, "empty": Act.EMPTY}

# What is said when a password was asked for and is not surely something else.
MAY_BE_PROOF = frozenset(
    {Act.PROOF, Act.ORDER, Act.UNCLEAR, Act.MEDIA, Act.TOO_LONG, Act.TYPED_CODE, Act.REPORT, Act.REASON}
)


class Answers(Protocol):
    """The known answers; `faq.answers.KnownAnswers` is them."""

    def match(self, text: str, language: str | None = None) -> Match: ...

    def match_all(self, text: str) -> tuple[Match, ...]: ...

    def get(self, key: str) -> Entry: ...


def find_entry(answers: Answers, key: str) -> Entry | None:
    """The entry, or None when the shop has taken it back."""
    try:
        return answers.get(key) if key else None
    except UnknownEntry:
        return None


class Understanding:
    """Reads messages; `limit` is how many characters of one are read, `risky` the owner's words for a person."""

    def __init__(self, answers: Answers, limit: int, risky: Sequence[str] = ()) -> None:
        self._answers = answers
        self._limit = limit
        self._risky = risky

    def understand(self, scene: Scene, inbound: Inbound) -> Intent:
        if inbound.kind == Kind.PRESS:
            return _pressed(scene)
        text = reading.clean(inbound.text)
        if inbound.kind == Kind.START:
            return Intent(Act.START, "")
        if scene.proving and inbound.kind in PICTURES and not _is_unread(inbound):
            return self._keep(scene, Intent(Act.PICTURE, ""), text[: self._limit])
        came_along = inbound.attachments or inbound.pictures or inbound.files
        if inbound.kind != Kind.TEXT and not (came_along and text):  # a picture's caption is read as text
            return self._keep(scene, Intent(Act.MEDIA, ""), text[: self._limit])
        if len(text) > self._limit:
            cut = self._keep(scene, Intent(Act.TOO_LONG, ""), text[: self._limit])
            return replace(cut, stored=f"{cut.stored}…")
        if command := reading.find_command(text):
            return Intent(command, text)
        intent = self._keep(scene, self._at_step(scene, text), text)
        # "看这个" under a picture says nothing by itself, and is no miss.
        return replace(intent, act=Act.MEDIA, match=None) if came_along and _is_unknown(intent) else intent

    def _keep(self, scene: Scene, intent: Intent, text: str) -> Intent:
        """The intent with the buyer's words as they may be kept."""
        step, sure = scene.state.step, intent.match and intent.match.entry
        if step == Step.PROOF and text and intent.act in MAY_BE_PROOF:
            return replace(intent, stored=reading.HIDDEN)
        if step == Step.PROOF:  # a question, and maybe the password with it
            return replace(intent, stored=hiding.hide_unknown(text, _texts(self._answers.get(sure)) if sure else ()))
        is_asked = step in (Step.ORDER, Step.CODE)
        known = hiding.Known(_own(scene), intent.order_no, intent.typed, intent.secret, is_asked)
        return replace(intent, stored=hiding.hide(text, known))

    def _at_step(self, scene: Scene, text: str) -> Intent:
        if grievance := self._find_grievance(scene, text):
            return Intent(Act.GRIEVANCE, "", argument=grievance)
        match scene.state.step:
            case Step.ORDER:
                return self._given_order(scene, text)
            case Step.PROOF:
                return self._given_proof(scene, text)
            case Step.CODE:
                # Names and words stay what they are; only what could be a code is compared with the order's.
                if codes := reading.find_typed_codes(text):
                    return Intent(Act.TYPED_CODE, "", codes=codes)
                if reading.means_all(text):
                    return Intent(Act.ALL_CODES, "")
                return Intent(Act.CODES_DONE, "") if reading.is_finished(text) else self._aside(scene, text)
            case Step.REASON:
                match = self._answers.match(text)
                reason = reading.find_reason(text) or REASON_OF_ENTRY.get(match.entry or "")
                if not reason and match.kind == "code":  # one more
                    return Intent(Act.TYPED_CODE, "", codes=reading.find_typed_codes(text))
                return Intent(Act.REASON, "", argument=reason) if reason else self._aside(scene, text)
            case Step.COMMENT:
                return Intent(Act.COMMENT, "")
            case Step.IDLE:
                return self._idle(scene, text)

    def _find_grievance(self, scene: Scene, text: str) -> Grievance | None:
        if scene.state.step == Step.PROOF and not reading.has_words(text):
            return None  # a password may be any word
        return find_grievance(text, self._risky)

    def _given_order(self, scene: Scene, text: str) -> Intent:
        number = reading.find_given_order_no(text)
        return self._order(scene, number, text, scene.state.goal) if number else self._aside(scene, text)

    def _given_proof(self, scene: Scene, text: str) -> Intent:
        if reading.asks_for_mail(text):
            return Intent(Act.MAIL_CODE, "")
        is_question = reading.has_words(text) and self._answers.match(text).outcome == "answer"
        proof = reading.find_named_proof(text) or (None if is_question else reading.find_typed_proof(text))
        return Intent(Act.PROOF, "", secret=proof) if proof else self._aside(scene, text)

    def _aside(self, scene: Scene, text: str) -> Intent:
        """Something else than was asked for: a sure question, or unclear."""
        matches = self._matches(scene, text)
        if simple := SIMPLE.get(matches[0].kind):
            return Intent(simple, "")
        return self._ask(matches) if matches[0].outcome == "answer" else Intent(Act.UNCLEAR, "", match=matches[0])

    def _idle(self, scene: Scene, text: str) -> Intent:
        if scene.proving and reading.lacks_proof(text):
            return Intent(Act.NO_PROOF, "")
        if scene.given and reading.fails_again(text):
            return Intent(Act.AGAIN, "", argument=reading.find_reason(text) or "")
        if scene.state.offered and reading.refuses_all(text):
            return Intent(Act.NONE_FITS, "", argument=str(scene.state.offered))
        if scene.rating and (score := reading.find_score(text)):
            return Intent(Act.RATE, "", argument=f"{scene.rating}/{score}")
        if reading.acknowledges(text) or reading.calls(text):
            return Intent(Act.CHAT, "")
        matches = self._matches(scene, text)
        number = reading.find_order_no(text) or _own_order(scene, text)
        if number and (intent := self._about_order(scene, text, number, matches)):
            return intent
        kind = matches[0].kind
        if intent := self._about_code(scene, text, matches) or self._what_next(scene, text):
            return intent
        if kind == "number" and matches[0].slots:
            goal = self._goal(self._last(scene), None)
            return Intent(Act.NUMBER, "", goal=goal, order_no=matches[0].slots[0].value)
        return Intent(SIMPLE[kind], "") if kind in SIMPLE else self._ask(matches)

    def _about_order(self, scene: Scene, text: str, number: str, matches: Sequence[Match]) -> Intent | None:
        """An order number, and what is wanted of the order: by these words, else by the answer before them."""
        is_bare = reading.is_bare(text, number, reading.find_proof(text, number))
        sure = [] if is_bare else [(match, entry) for match in matches if (entry := self._entry(match))]
        leading = [entry for _, entry in sure if entry.flow in ("order", "claim")]
        if sure and not leading:
            return None
        entry = leading[0] if leading else self._last(scene)
        reason = reading.find_reason(text) or REASON_OF_ENTRY.get(entry.key if entry else "")
        beside = next((match for match, other in sure if other not in leading), None)
        order = self._order(scene, number, text, self._goal(entry, reason))
        return replace(order, reason=reason, beside=beside)

    def _about_code(self, scene: Scene, text: str, matches: Sequence[Match]) -> Intent | None:
        """A code alone, or with words that say what is wrong with it."""
        entry, last = self._entry(matches[0]), self._last(scene)
        reason = reading.find_reason(text) or REASON_OF_ENTRY.get(entry.key if entry else "")
        has_code = any(slot.kind == "code" for slot in matches[0].slots)
        if matches[0].kind == "code":
            reason = reason or REASON_OF_ENTRY.get(last.key if last else "")
            return Intent(Act.REPORT, "", argument=reason or "")
        if has_code and (reason or (entry and entry.flow == "claim")):
            return Intent(Act.REPORT, "", argument=reason or "")
        return None

    def _what_next(self, scene: Scene, text: str) -> Intent | None:
        """ "那怎么办" after an answer: on into its flow, with the order in hand."""
        last = self._last(scene)
        if last is None or last.flow not in ("order", "claim") or not follow_up.asks_what_next(text):
            return None
        goal = self._goal(last, None)
        if scene.state.in_hand in scene.orders:
            return Intent(Act.USE_ORDER, "", argument=f"{goal}/{scene.state.in_hand}")
        if goal == Goal.CLAIM:
            return Intent(Act.REPORT, "", argument=REASON_OF_ENTRY.get(last.key, ""))
        return Intent(Act.FIND, "", argument=goal)

    def _ask(self, matches: Sequence[Match]) -> Intent:
        """Questions, two at most. Some entries are not answered but done; what was asked beside them is answered."""
        for match in matches:
            entry = self._entry(match)
            beside = next((other for other in matches if other is not match and other.outcome == "answer"), None)
            if entry and entry.key == THREAT_ENTRY:
                return Intent(Act.GRIEVANCE, "", argument=Grievance.COMPLAINT)
            if entry and entry.key == HUMAN_ENTRY:
                return Intent(Act.HUMAN, "", beside=beside)
            if entry and entry.flow == "tickets":
                return Intent(Act.TICKETS, "", beside=beside)
        return Intent(Act.ASK, "", match=matches[0], beside=matches[1] if len(matches) > 1 else None)

    def _matches(self, scene: Scene, text: str) -> tuple[Match, ...]:
        """What is asked, in one question or two; a follow-up with what was spoken of."""
        matches = self._answers.match_all(text)[:QUESTIONS]
        topic = self._topic(scene)
        if len(matches) > 1 or topic is None or matches[0].kind != "question" or not follow_up.is_follow_up(text):
            return matches
        plain = self._answers.match(follow_up.core_of(text))
        related = [entry for key in topic.related if (entry := find_entry(self._answers, key))]
        return (follow_up.resolve(matches[0], plain, text, topic, related),)

    def _entry(self, match: Match) -> Entry | None:
        """The entry that is surely meant."""
        return self._answers.get(match.entry) if match.outcome == "answer" and match.entry else None

    def _last(self, scene: Scene) -> Entry | None:
        """The entry answered last, if it leads to an order."""
        entry = find_entry(self._answers, scene.state.entry)
        return entry if entry and entry.flow in ("order", "claim") else None

    def _topic(self, scene: Scene) -> Entry | None:
        """What is spoken of: the entry answered last, else the flow that goes on, else the order shown."""
        state = scene.state
        if entry := find_entry(self._answers, state.entry):
            return entry
        key = ENTRY_OF_STATUS.get(OrderStatus(state.status), "") if state.status else ""
        return find_entry(self._answers, key if state.step == Step.IDLE else ENTRY_OF_GOAL[state.goal])

    def _goal(self, entry: Entry | None, reason: Reason | None) -> Goal:
        """What an order is wanted for by somebody who asked for this entry."""
        if entry and entry.theme == DELIVERY_THEME:
            return Goal.UNDELIVERED
        return Goal.CLAIM if reason or (entry and entry.flow == "claim") else Goal.LOOK

    def _order(self, scene: Scene, number: str, text: str, goal: Goal) -> Intent:
        proof = reading.find_proof(text, number)
        return Intent(Act.ORDER, "", goal=goal, order_no=number, secret=proof or "")


def _is_unknown(intent: Intent) -> bool:
    is_none = intent.match is not None and intent.match.outcome == "none"
    return intent.act in (Act.ASK, Act.UNCLEAR) and is_none and intent.beside is None


def _is_unread(inbound: Inbound) -> bool:
    """Whether nothing of what came along could be had: nobody can look at it."""
    return not (inbound.pictures or inbound.files) and any("problem" in one for one in inbound.attachments)


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
