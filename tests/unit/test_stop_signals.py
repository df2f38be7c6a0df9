"""The first Ctrl-C asks to stop, its echo is not a second wish, a later one hurries."""

from __future__ import annotations

import signal

import pytest

from onsale.sandbox import signals
from onsale.sandbox.signals import StopAsked, StopSignals


def test_the_first_signal_asks_to_stop_and_its_echo_through_make_does_not_hurry():
    with StopSignals() as watch:
        with pytest.raises(StopAsked):
            signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGTERM)

        assert not watch.hurried()


def test_a_later_signal_hurries_and_interrupts_nothing(monkeypatch):
    monkeypatch.setattr(signals, "ECHO_SECONDS", -1)
    with StopSignals() as watch:
        with pytest.raises(StopAsked):
            signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGINT)

        assert watch.hurried()


def test_a_signal_while_stopping_for_another_reason_interrupts_nothing():
    with StopSignals() as watch:
        watch.only_hurry()

        signal.raise_signal(signal.SIGHUP)

        assert not watch.hurried()


def test_afterwards_signals_mean_what_they_meant():
    before = signal.getsignal(signal.SIGINT)
    with StopSignals():
        pass

    assert signal.getsignal(signal.SIGINT) is before
