"""The seeded delivery simulation: the real handlers over moto, the stand-in networks, one thread and a clock that only moves
when told. `runs` is where to begin; what must hold stands in `invariants`, docs/simulation.md says it in words."""
