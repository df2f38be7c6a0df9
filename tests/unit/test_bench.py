"""How the bench judges: pairs that alternate, medians that no storm decides, floors, and the JSON it prints."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from click.testing import CliRunner

from onsale.queue.state import AdmissionEntry
from onsale.sandbox.bench import freshness, rate_error, seats, table
from onsale.sandbox.bench.command import bench
from onsale.sandbox.bench.many_events import ManyEvents
from onsale.sandbox.bench.rows import Measured, Pair, Spec, alternating, judged, median_ratio


def a_spec(*, lower_is_better: bool = False) -> Spec:
    return Spec("row", "says", "unit", 2.0, 1.0, lambda effort, say: Measured(0.0), lower_is_better=lower_is_better)


@pytest.mark.parametrize(
    ("value", "lower_is_better", "ok"),
    [(2.0, False, True), (1.9999, False, False), (2.0, True, True), (2.1, True, False)],
)
def test_a_row_is_ok_when_it_reaches_its_floor(value: float, lower_is_better: bool, ok: bool) -> None:
    assert judged(a_spec(lower_is_better=lower_is_better), Measured(value))["ok"] is ok


@pytest.mark.parametrize(
    ("cpu_share", "read_ms", "said"),
    [(0.9, 200.0, False), (0.91, 200.0, True), (0.9, 201.0, True)],
)
def test_viewers_that_could_not_keep_up_say_so(cpu_share: float, read_ms: float, said: bool) -> None:
    watched = seats.Watched(arrived_ms=[100.0], read_ms=[read_ms], viewers_cpu_share=[0.1, cpu_share])

    notes = list(seats._viewers_own(watched))

    assert f"slowest 100; the viewers took {cpu_share:.2f} of a core" in notes[0]
    assert any("could not keep up" in note for note in notes) is said


def test_a_fault_fails_a_row_however_fast_it_was() -> None:
    assert judged(a_spec(), Measured(9.0, ("a poll called Redis",)))["ok"] is False


def test_pairs_alternate_and_one_storm_decides_nothing() -> None:
    order: list[str] = []
    ours, base = iter([2.0, 200.0, 4.0]), iter([1.0, 1.0, 2.0])

    def of(name: str, values: object) -> float:
        order.append(name)
        return float(next(values))  # type: ignore[call-overload]  # an iterator of floats

    pairs = alternating(lambda: of("ours", ours), lambda: of("base", base), pairs=3, say=lambda _: None)

    assert order == ["ours", "base"] * 3
    assert pairs[0] == Pair(2.0, 1.0)
    assert median_ratio(pairs) == 2.0


def test_every_row_has_a_floor_no_harder_than_its_goal() -> None:
    for spec in table.SPECS.values():
        harder = spec.goal <= spec.floor if spec.lower_is_better else spec.goal >= spec.floor
        assert harder, spec.name


def entry(at_seconds: float, admitted: int, seq: int) -> AdmissionEntry:
    return AdmissionEntry(
        id=f"{seq}-0",
        seq=seq,
        at_us=int(at_seconds * 1_000_000),
        first=1,
        last=1,
        return_first=0,
        return_last=0,
        admitted=admitted,
        passed=(),
        return_passed=(),
    )


def test_the_rates_row_sees_one_too_many_and_one_too_few() -> None:
    steady = [entry(n * 0.1, 10, n) for n in range(101)]
    burst = [*steady, entry(10.0, 300, 101)]
    slow = [entry(n * 0.1, 9, n) for n in range(101)]

    assert rate_error.windows_over(steady, per_second=100, burst=200) == []
    assert rate_error.windows_over(burst, per_second=100, burst=200) == [101]
    assert rate_error.error_percent(steady, per_second=100) == pytest.approx(0)
    assert rate_error.error_percent(slow, per_second=100) == pytest.approx(10)


def test_one_row_measured_for_real_prints_one_object_and_nothing_else() -> None:
    said = CliRunner().invoke(bench, ["admission", "--quick", "--json"])

    assert said.exit_code == 0, said.output
    (row,) = json.loads(said.stdout)
    assert row.keys() == {"name", "value", "unit", "floor", "goal", "ok", "notes"}
    assert (row["name"], row["ok"]) == ("admission", True)


def test_a_row_that_is_not_there_is_refused_by_name() -> None:
    said = CliRunner().invoke(bench, ["speed"])

    assert said.exit_code == 2
    assert "speed" in said.output


def test_a_change_was_found_when_it_or_a_later_one_was_first_seen():
    committed = [10.0, 11.0, 12.0]
    seen = [(9.0, 0), (11.5, 2), (12.25, 3)]

    assert freshness.delays(committed, seen) == [0.25, 0.5, 1.5]


def test_the_made_up_catalogue_is_the_same_each_time():
    now = datetime(2026, 1, 1, tzinfo=UTC)
    one, other = ManyEvents(now=now), ManyEvents(now=now)

    assert one.documents(1, 3) == {**other.documents(1, 2), **other.documents(3, 1)}
    assert list(one.searches(50)) == list(other.searches(50))
