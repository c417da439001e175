"""Where steps come from: a random generator that looks at the simulation and proposes what to do next, as data."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

from tests.simulation.trouble import AWS

if TYPE_CHECKING:
    from tests.simulation.world import Simulation

THREADED = ("prof_mastodon", "prof_gotosocial", "prof_bluesky", "prof_x")
PROFILES = (*THREADED, "prof_telegram")
FAULTS = ("rate_limit", "server_error", "slow", "slow", "reject", "expired_token", "lost_answer", "lost_answer")

CLIENT = {"create": 24, "repeat": 4, "edit": 7, "cancel": 3, "publish": 4, "retry": 4, "stop": 3, "resolve": 4, "reconnect": 1,
          "pause": 7, "resume": 4}
AROUND = {
    "deliver": 26, "duplicate": 4, "replay": 3, "delay": 2, "drop": 2, "fire": 4, "drop_entry": 1, "stream": 4,
    "replay_stream": 2, "forget_stream": 1, "sweep": 4, "tick": 12, "run": 10, "fault": 20, "quirk": 1, "clear": 1,
}
SUITED: dict[str, frozenset[str]] = {
    "edit": frozenset({"draft", "scheduled", "queued"}), "cancel": frozenset({"draft", "scheduled", "queued"}),
    "publish": frozenset({"draft", "scheduled", "queued"}), "retry": frozenset({"failed", "partial", "publishing"}),
    "stop": frozenset({"publishing"}), "resolve": frozenset({"unconfirmed", "publishing"}),
}
"""In which states a request usually makes sense; now and then it comes in any other."""
HARMLESS = frozenset({
    "create", "repeat", "edit", "cancel", "publish", "deliver", "duplicate", "replay", "delay", "fire", "stream",
    "replay_stream", "sweep", "tick", "run", "pause", "resume",
})
"""All that a calm run does: disorder, and nothing that fails."""
FEW, MANY = (1, 1, 1, 2, 3), (2, 4, 8)
UNTROUBLED = frozenset({"tick", "fault", "quirk", "clear", "drop", "delay"})
NESTED = (
    "edit", "cancel", "publish", "retry", "stop", "deliver", "deliver", "deliver", "sweep", "stream", "fire", "duplicate",
    "pause", "resume",
)


class Steps:
    """The steps of one seed. `setting` is what the run is set up with; `next` looks at what there is and proposes."""

    def __init__(self, seed: int, most: int | None = None) -> None:
        self._random = draw = random.Random(f"dateline {seed}")
        self.setting: dict[str, Any] = {
            "seed": seed, "calm": draw.random() < 0.1, "lead": draw.choice((0, 0, 75)), "scale": draw.choice((1.0, 1.0, 0.1)),
            "faults_stay": draw.random() < 0.3,
        }
        self.count = draw.randint(30, 90) if most is None else most
        self._trouble = 0.0 if self.setting["calm"] else draw.choice((0.0, 0.15, 0.35, 0.6))
        self._posts = draw.randint(3, 14)
        self._versions = 0
        self._keys = 0
        weights = {**CLIENT, **AROUND}
        if self.setting["calm"]:
            weights = {name: weight for name, weight in weights.items() if name in HARMLESS}
        if draw.random() < 0.3:
            weights.pop("fault", None)
        self._names, self._weights = list(weights), [weight * draw.choice((0.5, 1, 1, 2)) for weight in weights.values()]

    def next(self, sim: Simulation) -> dict[str, Any]:
        """The next step."""
        name = "create" if not sim.labels else self._random.choices(self._names, self._weights)[0]
        if name == "create" and len(sim.labels) >= self._posts:
            name = "run"
        step = self._step(name, sim)
        likely = self._trouble * (2 if name in ("run", "deliver") else 1)
        if self._random.random() < likely and name not in UNTROUBLED:
            step["trouble"] = [self._some_trouble(name, sim) for _ in range(self._random.choice(MANY if name == "run" else FEW))]
        return step

    def _step(self, name: str, sim: Simulation) -> dict[str, Any]:
        draw = self._random
        step: dict[str, Any] = {"op": name}
        if name == "create":
            return step | self._creation(len(sim.labels) + 1)
        if name in CLIENT and name not in ("repeat", "reconnect", "pause", "resume"):
            step["label"] = draw.choice(self._suited(name, sim))
            if name != "cancel" and draw.random() < 0.5:
                step["key"] = self._key()
        if name in ("repeat", "deliver", "duplicate", "replay", "delay", "drop", "fire", "drop_entry", "replay_stream"):
            step["which"] = draw.randrange(1000)
        make = getattr(self, f"_{name}", None)
        if name in ("fault", "pause"):
            return step | (self._fault(sim) if name == "fault" else self._pause(sim))
        return step | (make() if make else {})

    def _suited(self, name: str, sim: Simulation) -> list[str]:
        suited = [str(p.metadata["label"]) for p in sim.known.values() if p.status in SUITED[name]]
        return sorted(suited) if suited and self._random.random() < 0.85 else sim.labels

    def _key(self) -> str:
        self._keys += 1
        return f"key-{self._keys}"

    def _texts(self, label: str, segments: int) -> list[str]:
        self._versions += 1
        if segments == 1 and self._random.random() < 0.15:
            return [f"The same words {self._random.randint(1, 2)}"]
        return [f"{label} version {self._versions} part {number}" for number in range(segments)]

    def _wait(self) -> float:
        draw = self._random
        return draw.choice((
            draw.randint(2, 59), draw.randint(2, 59), draw.randint(60, 200), draw.randint(200, 4000),
            round(draw.uniform(5, 120), 3), draw.randint(4000, 100_000),
        ))

    def _creation(self, number: int) -> dict[str, Any]:
        draw, label = self._random, f"p{number}"
        segments = draw.choice((1, 1, 1, 1, 2, 3))
        pool = PROFILES if segments == 1 else THREADED
        step: dict[str, Any] = {
            "label": label, "profiles": sorted(draw.sample(pool, draw.choice((1, 1, 2, 3, 4)))),
            "texts": self._texts(label, segments), "more": {},
        }
        when = draw.choice(("now", "now", "in", "in", "in", "draft"))
        if when == "in":
            step["in"] = self._wait()
        elif when == "now":
            step["when"] = "now"
        if draw.random() < 0.6:
            step["key"] = self._key()
        if draw.random() < 0.2:
            step["media"] = True if segments == 1 else draw.randrange(segments)
        if draw.random() < 0.2:
            step["more"] = {"maxLateness": draw.choice(("PT2M", "PT1H")), "onLate": draw.choice(("publish", "fail", "draft"))}
        if "prof_telegram" not in step["profiles"] and draw.random() < 0.3:
            # Now and then the post's own words, which X refuses for good.
            words = step["texts"][0] if draw.random() < 0.15 else f"{label} version {self._versions} comment"
            step["more"] = {**step["more"], "firstComment": words}
        if segments > 1:
            step["more"]["onSegmentFailure"] = draw.choice(("resume", "resume", "rollback", "stop"))
        return step

    def _edit(self) -> dict[str, Any]:
        draw = self._random
        step: dict[str, Any] = {"if_match": draw.random() < 0.2}
        if draw.random() < 0.6:
            step["texts"] = self._texts("edited", 1)
        if draw.random() < 0.5:
            step["in"] = self._wait()
        if draw.random() < 0.3:
            step["profiles"] = sorted(draw.sample(PROFILES, draw.choice((1, 2, 3))))
        if draw.random() < 0.25:
            step["status"] = draw.choice(("draft", "publish", "scheduled"))
        return step

    def _publish(self) -> dict[str, Any]:
        return {"wait": self._random.random() < 0.1}

    def _reconnect(self) -> dict[str, Any]:
        return {"profile": self._random.choice(PROFILES)}

    def _pause(self, sim: Simulation) -> dict[str, Any]:
        """A profile with something still to be done, now and then the whole workspace."""
        if self._random.random() < 0.15:
            return {}
        busy = [t.profile_id for post in sim.known.values() if post.status != "draft" for t in post.open_targets()]
        return {"profile": self._random.choice(sorted(busy) or PROFILES)}

    def _resume(self) -> dict[str, Any]:
        return {} if self._random.random() < 0.25 else self._reconnect()

    def _deliver(self) -> dict[str, Any]:
        return {"wait": self._random.choice((0, 20, 100, 500))}

    def _duplicate(self) -> dict[str, Any]:
        return {"delay": self._random.choice((0, 0, 5, 200))}

    def _replay(self) -> dict[str, Any]:
        return self._duplicate()

    def _delay(self) -> dict[str, Any]:
        return {"seconds": self._random.choice((3, 40, 400, 4000))}

    def _fire(self) -> dict[str, Any]:
        return {"keep": self._random.random() < 0.3}

    def _replay_stream(self) -> dict[str, Any]:
        return {"count": self._random.randint(1, 10)}

    def _forget_stream(self) -> dict[str, Any]:
        return {"keep": self._random.randint(0, 3)}

    def _tick(self) -> dict[str, Any]:
        draw = self._random
        return {"seconds": draw.choice((0.2, 1, round(draw.uniform(1, 10), 3), 15, 30, 61, 125, 600, 4000))}

    def _run(self) -> dict[str, Any]:
        seconds = self._random.choice((1, 5, 20, 20, 60, 60, 130, 400, 4000, 30_000))
        return {"seconds": seconds, "sweep": self._random.random() < 0.7}

    def _busy(self, sim: Simulation) -> list[str]:
        """Platforms with something still to be done, one each time it is; all of them where there is nothing."""
        waiting = [target.platform for post in sim.known.values() if post.status != "draft" for target in post.open_targets()]
        return sorted(waiting) or ["mastodon", "bluesky", "x", "telegram"]

    def _fault(self, sim: Simulation) -> dict[str, Any]:
        draw = self._random
        return {
            "platform": draw.choice(self._busy(sim)), "kind": draw.choice(FAULTS),
            "times": draw.choice((1, 2, 4, 9)), "retry_after": draw.choice((1, 30, 1200, 5000)),
            "seconds": draw.choice((3.0, 7.9, 9.0, 10.0)),
            "at": draw.choice(("publish", "publish", "publish", "any", "read", "prepare")),
        }

    def _quirk(self) -> dict[str, Any]:
        return {"polls": self._random.choice((0, 1, 3)), "parent": self._random.choice((0.0, 2.0, 20.0))}

    def _some_trouble(self, name: str, sim: Simulation) -> dict[str, Any]:
        draw = self._random
        kind = draw.choices(("crash", "error", "throttle", "conflict", "stall", "step", "outage"), (30, 20, 5, 5, 5, 25, 5))[0]
        phase = draw.choice(("before", "after"))
        if kind == "outage":
            service = draw.choice((*AWS, "mastodon", "bluesky", "x", "telegram"))
            return {"kind": kind, "phase": phase, "service": service, "times": draw.choice((2, 5, 30))}
        on = draw.choice(("network", "network", "any", "dynamodb")) if name in ("run", "deliver", "publish") else "any"
        most = (4 if on == "network" else 60) if name == "run" else 2 if on == "network" else 12
        trouble = {"kind": kind, "phase": phase, "on": on, "nth": draw.randint(1, most)}
        if kind == "stall":
            trouble["seconds"] = draw.choice((1.0, 10.0, 40.0, 130.0))
        if kind == "step":
            trouble["step"] = self._step(draw.choice(NESTED) if sim.labels else "sweep", sim)
        return trouble
