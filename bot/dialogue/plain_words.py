"""Latin words that are surely no code and no password: names with their versions, and what buyers say about orders."""

import re

# Devices, systems and shops: iPhone15ProMax, RedmiNote12Turbo, Windows11Pro, office2021.
_MAKES = """
iphone ipad ipod imac macbook airpods applewatch huawei honor xiaomi redmi note hongmi oppo vivo iqoo realme oneplus
samsung galaxy pixel meizu nubia motorola moto sony xperia nokia lenovo thinkpad legion nova mate pura reno find
surface windows win office visio project android ios ipados macos harmonyos hyperos miui steam steamdeck deck
playstation psn ps xbox xboxone series nintendo switch wii rtx gtx geforce radeon ryzen intel core chatgpt gpt netflix
spotify youtube bilibili adobe creativecloud fortnite minecraft fifa nba gta callofduty directx
"""
_TRIMS = """
pro max plus mini ultra lite turbo air se xs xr fold flip edge fe gen home enterprise education professional standard
ltsc nfc vip i s x t e g k gb hd
"""
_WORDS = """
a able about accepted access account activate activated activation active add after again ago alipay all already also
always am amount an and another answer any anybody anyone app apple april are arent arrive arrived as asap ask asks at
august available away back bad balance ban banned be because been before behind being blocked bought bug but buy by
call came can cancel canceled cancelled cancelling cannot cant card cards change charged check checked china claim
claimed code codes come comes computer contact could country currency customer date day days dead december delayed
deliver delivered delivery did didn didnt different do does doesn doesnt doing don done dont download downloaded
downloads edition else email empty enter entered error even every exist exists expire expired failed fast february
file find fine first fix for forever forgot found free friday friend from full game games get gets gift give given go
gone good google got had hadn has hasn hasnt have haven havent having hello help helped here hi his hour hours how
hurry i if immediately in inactive incorrect instead instruction internet into invalid invoice is isn isnt issue it
item its january july june just keep key keys know language last late later let licence license like link list locked
log login long look lost make many march may me mean member membership message microsoft minute minutes missing monday
money month months more much must my name need needs netflix never new nintendo no nobody none not nothing november
now number october of off office ok okay old on once one online only open or order orders other our out over page paid
password pay payment paypal pending person phone platform play playstation please pls plz point possible premium price
problem product purchase purchased put qq question quick quickly read ready really receive received redeem redeemed
refund refused region reject rejected replace replaced replacement reply request resend reset return right said same
saturday saw say saying says screenshot see seem sell seller send sent september serial server service shipped shop
should show showed shows sign since site so software some somebody someone something soon sorry spotify status steam
still stop store subscription sunday support sure switch system take taken tell than thank thanks that the their them
then there these they thing think this those though three thursday thx ticket till time times to today told tomorrow
tonight too took top tried try trying tuesday twice two type under understand unknown unpaid until unused up update
urgent us use used useless user using valid value verify version very vip wait waiting want wants warning warranty was
wasn way we website wechat wednesday week weeks well went were what whats when where which while who whole whos why
will windows with within without won wont work worked working works worth would wrong xbox year years yes yesterday
yet you your
"""

COMMON = frozenset(re.split(r"\s+", _WORDS.strip()))
_makes, _trims = ("|".join(re.split(r"\s+", names.strip())) for names in (_MAKES, _TRIMS))
_NAME = re.compile(rf"(?:{_makes})(?:{_makes}|{_trims}|\d{{1,4}}(?!\d))*", re.IGNORECASE)


def is_name(word: str) -> bool:
    """Whether it is the name of a device or a system, with its version if it has one."""
    return bool(_NAME.fullmatch(word))
