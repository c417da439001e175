"""`python -m tools.simulate --seeds N`: run the seeded simulation; for a seed that breaks a promise, print how to do it again.

Exit status 1 if a seed failed. `--seed K` runs one seed and shrinks its failure to a short script; docs/simulation.md says more.
"""

from __future__ import annotations

import argparse
import multiprocessing
import sys
import time
from collections import Counter
from collections.abc import Iterator

from tests.simulation.runs import Run, run_seed, script, shrink


def main(arguments: list[str] | None = None) -> int:
    """The command line; its exit status."""
    parser = argparse.ArgumentParser(prog="python -m tools.simulate", description=__doc__)
    parser.add_argument("--seeds", type=int, default=200, help="how many seeds (default 200)")
    parser.add_argument("--start", type=int, default=0, help="the first of them")
    parser.add_argument("--seed", type=int, help="only this one")
    parser.add_argument("--steps", type=int, help="steps per seed (default: the seed's own choice)")
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    parser.add_argument("--shrink", type=float, default=60.0, help="seconds to spend on shortening the first failure")
    parser.add_argument("--verbose", action="store_true", help="print every step")
    asked = parser.parse_args(arguments)
    seeds = [asked.seed] if asked.seed is not None else list(range(asked.start, asked.start + asked.seeds))
    began, failed, ends = time.monotonic(), [], Counter[str]()
    for seed, run in _runs(seeds, asked.steps, asked.jobs, asked.verbose):
        ends.update(run.ends)
        if run.broken is not None:
            failed.append((seed, run))
            print(f"seed {seed} broke a promise after {len(run.steps)} steps: {run.broken}")
            print(f"  python -m tools.simulate --seed {seed}")
    print(f"{len(seeds)} seeds, {len(failed)} failed, {time.monotonic() - began:.0f} s")
    print("targets ended: " + ", ".join(f"{name} {count}" for name, count in ends.most_common()))
    if failed and asked.shrink > 0:
        small = shrink(failed[0][1], asked.shrink)
        print(f"\n# seed {failed[0][0]}, {len(small.steps)} steps: {small.broken}\n{script(small)}")
    return 1 if failed else 0


def _one(work: tuple[int, int | None]) -> tuple[int, Run]:
    seed, steps = work
    return seed, run_seed(seed, steps)


def _runs(seeds: list[int], steps: int | None, jobs: int, verbose: bool) -> Iterator[tuple[int, Run]]:
    if jobs > 1 and len(seeds) > 1:
        with multiprocessing.get_context("spawn").Pool(jobs) as pool:
            yield from pool.imap(_one, [(seed, steps) for seed in seeds], chunksize=1)
        return
    for seed in seeds:
        yield seed, run_seed(seed, steps, print if verbose else None)


if __name__ == "__main__":
    sys.exit(main())
