"""Histories of a small sale, made up step by step and held against a model: `tests/services/test_histories.py`.

`booth` has the steps, on the real record with the real functions and a bank in memory; `model` says what each may do;
`machine` lets Hypothesis choose; `guards` takes guards out. Why so: docs/decisions/0070.
"""
