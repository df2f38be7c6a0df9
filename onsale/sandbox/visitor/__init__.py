"""Simulated buyers: what one does, without any I/O, and one way of sending many of them over HTTP.

The demo's crowd, rehearsals, benchmarks and the Locust file all send the same buyer; they differ in who carries the
requests.
"""
