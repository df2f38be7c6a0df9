"""Finding events: one interface, with PostgreSQL full text behind it."""
