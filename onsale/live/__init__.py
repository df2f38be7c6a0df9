"""Lets viewers wait for the next change of a seat map: one small process over Redis, without the record."""
