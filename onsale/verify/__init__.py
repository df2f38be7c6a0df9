"""Checks on the record of an event what must hold (DESIGN's invariants I1 to I12), during a sale or after it.

`check` runs them all; the rules are one SQL file each in `sql/`, and where a rule is more than a query, `order` (was
anybody overtaken?), `admissions` and `rates` (was the rate obeyed?), `gaps` (is their journal whole?), `money` (does
the provider say the same?), `copies` (do the queue and the cache?).
"""
