"""Indexes for a venue or an artist that changes: whose events' documents are to be written anew."""

from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

# Not CONCURRENTLY: that waits for every older snapshot, and another process that waits for the migrations' lock has
# one. A million events are indexed in a second, in which no event is written; sales go on.
BY_VENUE = "CREATE INDEX events_by_venue ON events (venue_id)"
BY_ARTIST = "CREATE INDEX event_artists_by_artist ON event_artists (artist_id)"


def upgrade() -> None:
    op.execute(BY_VENUE)
    op.execute(BY_ARTIST)
