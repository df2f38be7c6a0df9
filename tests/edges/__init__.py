"""A process of Onsale's that dies wherever it touches the world: what `tests/faults/test_every_edge.py` works with."""
