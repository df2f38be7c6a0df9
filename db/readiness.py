"""What a buyer has made ready before their turn comes, in one reading."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, text

from onsale.db.ids import BuyerId


@dataclass(frozen=True, slots=True)
class Readiness:
    """`account`: can sign in elsewhere; `address`: letters can be sent; `card`: saved for a hands-free booking."""

    account: bool = False
    address: bool = False
    card: bool = False


def of_buyer(connection: Connection, buyer_id: BuyerId) -> Readiness:
    """What this buyer has ready."""
    row = connection.execute(_OF_BUYER, {"buyer_id": buyer_id}).one_or_none()
    return Readiness(row.account, row.address, row.card) if row else Readiness()


_OF_BUYER = text("""
    SELECT b.password_hash IS NOT NULL AS account, b.email IS NOT NULL AS address,
           EXISTS (SELECT FROM setups s WHERE s.buyer_id = b.id AND s.payment_method IS NOT NULL) AS card
      FROM buyers b WHERE b.id = :buyer_id
""")
