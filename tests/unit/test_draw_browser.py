"""A browser works drawn numbers out as the queue and the verifier do: the file that pages load, run by Node.js."""

from __future__ import annotations

import json
import random
import shutil
import subprocess
from pathlib import Path

import pytest

from onsale.queue.draw import best_of, draw_key, permutation, seed_hash
from onsale.verify.draw_list import Draw
from tests.conftest import missing

RULE = Path(__file__).parents[2] / "web" / "static" / "js" / "draw_rule.js"
CASES = """
import { Draw, drawKey, seedHash } from './draw_rule.mjs';
const asked = JSON.parse(process.argv[2]);
const told = [];
for (const { seed, beacon, size, numbers, weight } of asked) {
  const key = await drawKey(seed, beacon, size);
  const draw = await Draw.of(key, size);
  const drawn = [];
  for (const number of numbers) drawn.push(await draw.drawn(number));
  told.push([await seedHash(seed), key, drawn, weight ? await draw.best(1, weight) : null]);
}
console.log(JSON.stringify(told));
"""


@pytest.fixture
def in_the_browser(tmp_path: Path):
    """What the browser's rule says of some cases."""
    node = shutil.which("node")
    if node is None:
        missing("no Node.js (`node`) here to run what the pages run")
    shutil.copy(RULE, tmp_path / "draw_rule.mjs")
    (tmp_path / "cases.mjs").write_text(CASES, encoding="utf-8")

    def told(cases: list[dict[str, object]]) -> list[list[object]]:
        command = [str(node), str(tmp_path / "cases.mjs"), json.dumps(cases)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
        answer: list[list[object]] = json.loads(done.stdout)
        return answer

    return told


def a_case(chance: random.Random, size: int) -> dict[str, object]:
    numbers = sorted({1, size, *(chance.randint(1, size) for _ in range(40))})
    beacon = chance.choice(["", "8a1f27", 'a "quoted" value, with = and %'])
    seed, weight = chance.randbytes(32).hex(), min(size, chance.randint(2, 12))
    return {"seed": seed, "beacon": beacon, "size": size, "numbers": numbers, "weight": weight}


def test_browser_queue_and_verifier_agree(in_the_browser):
    chance = random.Random(20_261_127)
    sizes = [1, 2, 255, 256, 257, 10_000, 65_537, 1_000_000, (1 << 31) - 1]
    cases = [a_case(chance, size) for size in sizes]

    told = in_the_browser(cases)

    for case, (hashed, key, drawn, best) in zip(cases, told, strict=True):
        seed, size, numbers = bytes.fromhex(case["seed"]), case["size"], case["numbers"]
        ours, theirs = draw_key(seed, case["beacon"], size), Draw(seed, case["beacon"], size)
        assert (hashed, key) == (seed_hash(seed), ours.hex())
        assert drawn == [permutation(ours, size).drawn(number) for number in numbers]
        assert drawn == [theirs.of(number) for number in numbers]
        ours_best = best_of(permutation(ours, size), 1, case["weight"])
        assert best == [ours_best.drawn, ours_best.joined]
