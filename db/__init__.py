"""The record: PostgreSQL holds whatever must not be lost."""
