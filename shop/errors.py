"""What can go wrong between Kadesk and a shop.

ShopError
├─ PoolEmpty                                     no reserve code left: a person must settle it
├─ AlreadyReplaced                               this code, or this claim, has its replacement
├─ ChainTooLong                                  a replacement's replacement failed too: a person decides
├─ LinkGone                                      a reveal link that is unknown, used or too old
├─ SealBroken                                    a ciphertext that was changed or moved
│  └─ UnknownKey                                 sealed with a key that the vault does not have
├─ BadKeys                                       the vault's keys cannot be read
└─ ShopDown                                      the shop does not answer; try later
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


class ShopDown(ShopError):
    """Shop {shop} does not answer."""
