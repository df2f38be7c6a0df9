"""The words of each event, for searching; kept up to date by triggers."""

from __future__ import annotations

from sqlalchemy import ForeignKey, Index
from sqlalchemy.dialects.postgresql import TSVECTOR
from sqlalchemy.orm import Mapped, mapped_column

from onsale.db.models.base import Base, BigKey


class SearchDocument(Base):
    """What a search looks through."""

    __tablename__ = "search_documents"
    __table_args__ = (
        Index("search_documents_terms", "artist_terms", "place_terms", "all_terms", postgresql_using="gin"),
    )

    event_id: Mapped[BigKey] = mapped_column(ForeignKey("events.id", ondelete="CASCADE"))
    artist_words: Mapped[str]
    place_words: Mapped[str]
    all_words: Mapped[str]
    artist_terms: Mapped[str] = mapped_column(TSVECTOR)
    place_terms: Mapped[str] = mapped_column(TSVECTOR)
    all_terms: Mapped[str] = mapped_column(TSVECTOR)
