"""Two views of an event: what its page shows and what a list shows."""

from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

EVENT_PAGES = """
CREATE VIEW event_pages AS
SELECT e.*, o.name AS organiser_name, v.name AS venue_name, v.city, v.country, v.region, v.latitude, v.longitude,
       v.capacity,
       ARRAY(SELECT a.name FROM event_artists ea JOIN artists a ON a.id = ea.artist_id
              WHERE ea.event_id = e.id ORDER BY ea.position) AS artists
  FROM events e JOIN organisers o ON o.id = e.organiser_id JOIN venues v ON v.id = e.venue_id"""

EVENT_LISTINGS = """
CREATE VIEW event_listings AS
SELECT e.id, e.name, e.slug, e.starts_at, e.on_sale_at, v.name AS venue_name, v.city, v.country,
       ARRAY(SELECT a.name FROM event_artists ea JOIN artists a ON a.id = ea.artist_id
              WHERE ea.event_id = e.id ORDER BY ea.position) AS artists,
       e.currency, p.price_min_minor, p.price_max_minor
  FROM events e
  JOIN venues v ON v.id = e.venue_id
 CROSS JOIN LATERAL (SELECT min(price_minor) AS price_min_minor, max(price_minor) AS price_max_minor
                       FROM sections s WHERE s.event_id = e.id) p"""


def upgrade() -> None:
    op.execute(EVENT_PAGES)
    op.execute(EVENT_LISTINGS)
