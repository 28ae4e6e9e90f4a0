"""What can go wrong between Kadesk and a shop.

ShopError
├─ PoolEmpty                                     no reserve code left: a person must settle it
├─ AlreadyReplaced                               this code, or this claim, has its replacement
├─ ChainTooLong                                  a replacement's replacement failed too: a person decides
├─ LinkGone                                      a reveal link that is unknown, used or too old
├─ SealBroken                                    a ciphertext that was changed or moved
│  └─ UnknownKey                                 sealed with a key that the vault does not have
├─ BadKeys                                       the vault's keys cannot be read
├─ UnknownBatch                                  no such batch
├─ BadAmount                                     no sum of money
├─ OverPaid                                      more than is left of what was paid
├─ AlreadyRefunded                               this code has its refund, done or under way
├─ RefundMoved                                   somebody else decided on it meanwhile
├─ UnknownRefund                                 no such thing
├─ BadFile · BadLine                             no table that can be imported; no line of one
├─ AlreadyImported                               this file was read before
├─ NoLinkSecret · UnfitForLink                   no signed links here; not with this order number
├─ BadShopUrl                                    no address of a shop's database
├─ BadColumns · NoOrdersFound                    a map of a shop's columns that does not fit together; none to propose
├─ BadEvents                                     settings of a shop's events that cannot be
├─ BadShopSite · NothingToSignIn                 no address of a shop that is asked over HTTP; nothing to enter it with
└─ ShopDown                                      the shop does not answer; try later
   ├─ SchemaMismatch                             its database is not what its kind has
   ├─ BadCredentials                             it does not let Kadesk in, or is not who it should be
   └─ StrangeAnswer                              it answers what its kind does not
"""

from audit.errors import KadeskError


class ShopError(KadeskError):
    """The shop refused this."""


class PoolEmpty(ShopError):
    """No reserve code of {sku} is left."""


class AlreadyReplaced(ShopError):
    """Order {order_no} has had a replacement for this code."""


class ChainTooLong(ShopError):
    """A replacement of order {order_no} failed again; a person must decide."""


class LinkGone(ShopError):
    """This link is not valid any more."""


class SealBroken(ShopError):
    """The sealed text of {row} was changed or moved."""


class UnknownKey(SealBroken):
    """The sealed text of {row} needs the key {key_id}, which is missing."""


class BadKeys(ShopError):
    """The vault's keys cannot be used: {problem}."""


class UnknownBatch(ShopError):
    """There is no batch {batch}."""


class NoLinkSecret(ShopError):
    """Shop {shop} signs no links: set KADESK_OWNERSHIP__LINK_SECRET, or KADESK_SHOP__LINK_SECRET for one shop."""


class UnfitForLink(ShopError):
    """The order number {order_no} does not fit into a link: it carries up to {longest} of A-Z, a-z, 0-9, - and _."""


class BadShopUrl(ShopError):
    """The url of the shop {shop} must be like 'mysql://user:password@host/name' (or mariadb, postgresql, sqlite)."""


class BadShopOption(BadShopUrl):
    """The url of the shop {shop} may not say {option!r}: behind its "?" it may say {known}."""


class BadColumns(ShopError):
    """The columns of the shop {shop} are wrong: {problem}."""


class BadEvents(ShopError):
    """The events of the shop {shop} are not set up: {problem}."""


class NoOrdersFound(ShopError):
    """No table of the shop {shop} looks like that of its orders: name the columns by hand, as docs/shops.md says."""


class BadShopSite(ShopError):
    """The url of the shop {shop} must be like 'https://shop.example.com'; 'http' only for a host of the own network."""


class NothingToSignIn(ShopError):
    """The shop {shop} cannot be asked without its {names}: set them in the environment, as settings.toml says."""


class ShopDown(ShopError):
    """Shop {shop} does not answer."""


class SchemaMismatch(ShopDown):
    """The database of the shop {shop} is not what its kind has: {problem}."""


class BadCredentials(ShopDown):
    """Shop {shop} and Kadesk do not accept each other: {problem}."""


class NothingGranted(BadCredentials):
    """The user of the shop {shop} may read nothing of this database yet, or there is none of this name."""


class StrangeAnswer(ShopDown):
    """Shop {shop} answers what its kind does not: {problem}."""


class BadAmount(ShopError):
    """Write a sum in {currency}, such as 48.50."""


class OverPaid(ShopError):
    """Of order {order_no} only {left} can still be paid back."""


class AlreadyRefunded(ShopError):
    """This code of order {order_no} has its refund, done or under way."""


class RefundMoved(ShopError):
    """Refund {refund} is {state} by now."""


class UnknownRefund(ShopError):
    """There is no refund {refund}."""


class BadFile(ShopError):
    """{path} cannot be imported: {problem}."""


class BadLine(ShopError):
    """This line cannot be imported: {problem}."""


class AlreadyImported(ShopError):
    """{path} was imported on {at}; there is nothing new in it."""
