"""Where steps come from: a random generator that looks at the simulation and proposes what to do next, as data."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

from dateline.domain.lifecycle import WITH_NETWORK
from tests.simulation import settings
from tests.simulation.trouble import AWS

if TYPE_CHECKING:
    from tests.simulation.world import Simulation

FAULTS = ("rate_limit", "server_error", "slow", "slow", "reject", "expired_token", "lost_answer", "lost_answer")

CLIENT = {"create": 24, "repeat": 4, "edit": 7, "cancel": 3, "publish": 4, "retry": 4, "stop": 3, "resolve": 4, "reconnect": 3,
          "pause": 7, "resume": 4, "bulk": 5, "undo": 5, "validate": 3, "unpublish": 4}
QUEUED = {"enqueue": 8, "requeue": 3, "reserve": 5, "unreserve": 1}
APPROVED = {"approve": 14, "reject": 2}
"""What clients do besides where there is a queue, and where posts must be approved."""
CHOOSING = frozenset({
    "repeat", "undo", "unreserve", "deliver", "duplicate", "replay", "delay", "drop", "fire", "drop_entry", "replay_stream",
})
"""These take any of what there is, by its number."""
BAD: tuple[dict[str, Any], ...] = ({"profileIds": ["prof_nobody"]}, {"onLate": "never"}, {"labels": [""]})
"""What makes a row of an import a bad one."""
CREATING = frozenset({"create", "enqueue", "validate", "bulk"})
ON_A_POST = frozenset({"edit", "cancel", "publish", "retry", "stop", "resolve", "approve", "reject", "requeue", "unpublish"})
AROUND = {
    "deliver": 26, "duplicate": 4, "replay": 3, "delay": 2, "drop": 2, "fire": 4, "drop_entry": 1, "stream": 4,
    "replay_stream": 2, "forget_stream": 1, "sweep": 4, "tick": 12, "run": 10, "fault": 20, "quirk": 1, "clear": 1,
    "revoke": 3,
}
EDITABLE = frozenset({"draft", "scheduled", "queued", "pending_approval"})
SUITED: dict[str, frozenset[str]] = {
    "edit": EDITABLE, "cancel": EDITABLE, "publish": EDITABLE, "requeue": EDITABLE,
    "approve": frozenset({"pending_approval"}), "reject": frozenset({"pending_approval"}),
    "retry": frozenset({"failed", "partial", "publishing"}),
    "stop": frozenset({"publishing"}), "resolve": frozenset({"unconfirmed", "publishing"}),
    "unpublish": frozenset({"published", "partial", "failed"}),
}
"""In which states a request usually makes sense; now and then it comes in any other."""
HARMLESS = frozenset({
    "create", "repeat", "edit", "cancel", "publish", "deliver", "duplicate", "replay", "delay", "fire", "stream",
    "replay_stream", "sweep", "tick", "run", "pause", "resume", "bulk", "undo", "validate", "unpublish", *QUEUED, *APPROVED,
})
"""All that a calm run does: disorder, and nothing that fails."""
KEPT = ("edit", "edit", "edit", "cancel", "publish")
"""What clients do to a post that its network keeps until its time."""
FEW, MANY = (1, 1, 1, 2, 3), (2, 4, 8)
UNTROUBLED = frozenset({"validate", "tick", "fault", "quirk", "clear", "drop", "delay", "revoke"})
NESTED = (
    "edit", "cancel", "publish", "retry", "stop", "deliver", "deliver", "deliver", "sweep", "stream", "fire", "duplicate",
    "pause", "resume", "create", "bulk", "undo", "undo", "enqueue", "enqueue", "requeue", "reserve", "approve", "approve",
    "reject", "edit", "cancel", "unpublish", "revoke",
)


class Steps:
    """The steps of one seed. `setting` is what the run is set up with; `next` looks at what there is and proposes."""

    def __init__(self, seed: int, most: int | None = None) -> None:
        self._random = draw = random.Random(f"dateline {seed}")
        self._profiles = profiles = settings.cast(draw)
        self._texted = [profile_id for profile_id in profiles if profile_id != settings.VIDEOS]
        self._threaded = [profile_id for profile_id in profiles if profile_id in settings.THREADED]
        self.setting: dict[str, Any] = {
            "seed": seed, "profiles": profiles, "calm": draw.random() < 0.1,
            "lead": draw.choice((0, 0, 75)), "scale": draw.choice((1.0, 1.0, 0.1)),
            "faults_stay": draw.random() < 0.3, "rules": settings.drawn(draw, profiles),
        }
        self.count = draw.randint(30, 90) if most is None else most
        self._trouble = 0.0 if self.setting["calm"] else draw.choice((0.0, 0.15, 0.35, 0.6))
        self._posts = draw.randint(3, 14)
        self._alike = draw.choice((0.15, 0.15, 0.5))
        self._versions = self._keys = self._made = 0
        rules = self.setting["rules"]
        weights = {
            **CLIENT, **AROUND, **(QUEUED if rules.get("queue") else {}), **(APPROVED if rules.get("approvals") else {}),
        }
        self._nested = [name for name in NESTED if name in weights]
        if self.setting["calm"]:
            weights = {name: weight for name, weight in weights.items() if name in HARMLESS}
        if draw.random() < 0.3:
            weights.pop("fault", None)
        self._names, self._weights = list(weights), [weight * draw.choice((0.5, 1, 1, 2)) for weight in weights.values()]

    def next(self, sim: Simulation) -> dict[str, Any]:
        """The next step."""
        name = "create" if not sim.labels else self._random.choices(self._names, self._weights)[0]
        if self._kept(sim) and self._random.random() < 0.15:
            name = self._random.choice(KEPT)
        if name in CREATING and len(sim.labels) >= self._posts + (6 if name == "bulk" else 0):
            name = "run"
        if name == "undo" and not sim.imports:
            name = "stream"
        step = self._step(name, sim)
        likely = self._trouble * (2 if name in ("run", "deliver") else 1)
        if self._random.random() < likely and name not in UNTROUBLED:
            step["trouble"] = [self._some_trouble(name, sim) for _ in range(self._random.choice(MANY if name == "run" else FEW))]
        return step

    def _step(self, name: str, sim: Simulation) -> dict[str, Any]:
        draw = self._random
        step: dict[str, Any] = {"op": name}
        if name in ("create", "validate"):
            return step | self._creation()
        if name in ON_A_POST:
            step["label"] = draw.choice(self._suited(name, sim))
            if name in KEPT and (kept := self._kept(sim)) and draw.random() < 0.7:
                step["label"] = draw.choice(kept)
            if name != "cancel" and draw.random() < 0.5:
                step["key"] = self._key()
        if name in CHOOSING:
            step["which"] = draw.randrange(1000)
        make: Any = getattr(self, f"_{name}", None)
        if name in ("fault", "pause", "revoke", "reconnect"):
            return {**step, **make(sim)}
        return step | (make() if make else {})

    def _kept(self, sim: Simulation) -> list[str]:
        """Posts that some network keeps until their time, or is just being given."""
        posts = sim.known.values()
        return sorted(str(p.metadata["label"]) for p in posts if any(t.status in WITH_NETWORK for t in p.targets.values()))

    def _suited(self, name: str, sim: Simulation) -> list[str]:
        suited = [str(p.metadata["label"]) for p in sim.known.values() if p.status in SUITED[name]]
        return sorted(suited) if suited and self._random.random() < 0.85 else sim.labels

    def _key(self) -> str:
        self._keys += 1
        return f"key-{self._keys}"

    def _texts(self, label: str, segments: int) -> list[str]:
        self._versions += 1
        if segments == 1 and self._random.random() < self._alike:
            return [f"The same words {self._random.randint(1, 2)}"]
        return [f"{label} version {self._versions} part {number}" for number in range(segments)]

    def _wait(self) -> float:
        draw = self._random
        return draw.choice((
            draw.randint(2, 59), draw.randint(2, 59), draw.randint(60, 200), draw.randint(200, 4000),
            round(draw.uniform(5, 120), 3), draw.randint(4000, 100_000),
        ))

    def _far(self) -> float:
        """Far enough ahead for a network to keep it until then."""
        draw = self._random
        return draw.choice((draw.randint(1000, 4000), draw.randint(1000, 20_000), round(draw.uniform(905, 1500), 3)))

    def _creation(self) -> dict[str, Any]:
        self._made += 1
        draw, label = self._random, f"p{self._made}"
        segments = draw.choice((1, 1, 1, 1, 2, 3))
        pool = self._texted if segments == 1 else self._threaded
        step: dict[str, Any] = {
            "label": label, "profiles": sorted(draw.sample(pool, min(len(pool), draw.choice((1, 1, 2, 3, 4))))),
            "texts": self._texts(label, segments), "more": {},
        }
        video = settings.VIDEOS in self._profiles and segments == 1 and draw.random() < 0.25
        if video:
            step |= {"profiles": [settings.VIDEOS], "media": "video"}
        keepers = {name for profile_id in step["profiles"] if (name := settings.platform_of(profile_id)) in settings.KEEPERS}
        kept = bool(keepers) and segments == 1 and draw.random() < 0.45
        when = "in" if kept else draw.choice(("now", "now", "in", "in", "in", "draft"))
        if when == "in":
            step["in"] = self._far() if kept or (video and draw.random() < 0.7) else self._wait()
        elif when == "now":
            step["when"] = "now"
        if draw.random() < 0.6:
            step["key"] = self._key()
        if draw.random() < 0.2 and not video:
            step["media"] = True if segments == 1 else draw.randrange(segments)
        if draw.random() < 0.2:
            step["more"] = {"maxLateness": draw.choice(("PT2M", "PT1H")), "onLate": draw.choice(("publish", "fail", "draft"))}
        step["more"] |= self._doubled(step["texts"])
        if kept:
            step["more"] |= {"platforms": {name: {"nativeSchedule": True} for name in sorted(keepers)}}
        alone = kept and "mastodon" in keepers
        if not alone and not set(settings.NO_COMMENT) & set(step["profiles"]) and draw.random() < 0.3:
            # Now and then the post's own words, which X refuses for good.
            words = step["texts"][0] if draw.random() < 0.15 else f"{label} version {self._versions} comment"
            step["more"] |= {"firstComment": words}
        if segments > 1:
            step["more"]["onSegmentFailure"] = draw.choice(("resume", "resume", "rollback", "stop"))
        return step

    def _doubled(self, texts: list[str]) -> dict[str, Any]:
        """Words that others have too are refused, unless it is said that they may be."""
        return {"allowDuplicate": True} if texts[0].startswith("The same") and self._random.random() < 0.6 else {}

    def _enqueue(self) -> dict[str, Any]:
        """A creation that takes the next place of the queue, or one that was reserved."""
        step = {name: value for name, value in self._creation().items() if name not in ("in", "when")}
        reserved = {"reservation": self._random.choice((0, 0, 1))} if self._random.random() < 0.4 else {}
        return step | {"queue": True, **reserved}

    def _requeue(self) -> dict[str, Any]:
        return {"queue": True} | ({"reservation": self._random.choice((0, 0, 1))} if self._random.random() < 0.3 else {})

    def _reserve(self) -> dict[str, Any]:
        return {"minutes": self._random.choice((1, 5, 60, 600))}

    def _approve(self) -> dict[str, Any]:
        return {"hash": self._random.choice((None, "same", "same", "stale"))}

    def _reject(self) -> dict[str, Any]:
        return self._approve()

    def _bulk(self) -> dict[str, Any]:
        """Two to six rows, some of them at the same time, some of them bad."""
        draw, rows = self._random, []
        at, bad = self._wait(), draw.random() < 0.3
        for _ in range(draw.randint(2, 6)):
            row = self._enqueue() if self.setting["rules"].get("queue") and draw.random() < 0.3 else self._creation()
            row.pop("key", None)
            row.pop("reservation", None)
            if "in" in row and draw.random() < 0.4:
                row["in"] = at
            if bad and draw.random() < 0.3:
                row["more"] = {**row["more"], **draw.choice(BAD)}
            rows.append(row)
        step: dict[str, Any] = {"rows": rows}
        if draw.random() < 0.6:
            step["onError"] = draw.choice(("abort", "skip"))
        if draw.random() < 0.3:
            step["stagger"] = draw.randint(1, 15)
        return step | ({"key": self._key()} if draw.random() < 0.6 else {})

    def _edit(self) -> dict[str, Any]:
        draw = self._random
        step: dict[str, Any] = {"if_match": draw.random() < 0.2}
        if draw.random() < 0.6:
            step["texts"] = self._texts("edited", 1)
            step["more"] = self._doubled(step["texts"])
        if draw.random() < 0.5:
            step["in"] = draw.choice((self._wait, self._wait, self._far))()
        if draw.random() < 0.25:
            step["profiles"] = sorted(draw.sample(self._texted, draw.choice((1, 2, 3))))
        keepers = sorted({name for id in self._texted if (name := settings.platform_of(id)) in settings.KEEPERS})
        if keepers and draw.random() < 0.15:
            asked = draw.random() < 0.6
            step["more"] = {**step.get("more", {}), "platforms": {name: {"nativeSchedule": asked} for name in keepers}}
        if draw.random() < 0.25:
            step["status"] = draw.choice(("draft", "publish", "scheduled"))
        return step

    def _publish(self) -> dict[str, Any]:
        return {"wait": self._random.random() < 0.1}

    def _reconnect(self, sim: Simulation) -> dict[str, Any]:
        """Mostly a profile that needs it."""
        dead = [profile_id for profile_id, profile in sim.known_profiles.items() if profile.status == "disconnected"]
        return {"profile": self._random.choice(sorted(dead) if dead and self._random.random() < 0.8 else self._profiles)}

    def _revoke(self, sim: Simulation) -> dict[str, Any]:
        return {"profile": self._random.choice(self._open_on(sim))}

    def _unpublish(self) -> dict[str, Any]:
        """All of a post, or what stands on one profile."""
        return {"profiles": [self._random.choice(self._profiles)]} if self._random.random() < 0.3 else {}

    def _pause(self, sim: Simulation) -> dict[str, Any]:
        """A profile with something still to be done, now and then the whole workspace."""
        if self._random.random() < 0.15:
            return {}
        return {"profile": self._random.choice(self._open_on(sim))}

    def _open_on(self, sim: Simulation) -> list[str]:
        busy = [t.profile_id for post in sim.known.values() if post.status != "draft" for t in post.open_targets()]
        return sorted(busy) or self._profiles

    def _resume(self) -> dict[str, Any]:
        return {} if self._random.random() < 0.25 else {"profile": self._random.choice(self._profiles)}

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
        return sorted(waiting) or [settings.platform_of(profile_id) for profile_id in self._profiles]

    def _fault(self, sim: Simulation) -> dict[str, Any]:
        draw = self._random
        return {
            "platform": draw.choice(self._busy(sim)), "kind": draw.choice(FAULTS),
            "times": draw.choice((1, 2, 4, 9)), "retry_after": draw.choice((1, 30, 1200, 5000)),
            "seconds": draw.choice((3.0, 7.9, 9.0, 10.0)),
            "at": draw.choice(("publish", "publish", "publish", "any", "read", "prepare", "delete")),
        }

    def _quirk(self) -> dict[str, Any]:
        draw = self._random
        return {"polls": draw.choice((0, 1, 3)), "parent": draw.choice((0.0, 2.0, 20.0)), "stopped": draw.random() < 0.5}

    def _some_trouble(self, name: str, sim: Simulation) -> dict[str, Any]:
        draw = self._random
        kind = draw.choices(("crash", "error", "throttle", "conflict", "stall", "step", "outage"), (30, 20, 5, 5, 5, 25, 5))[0]
        phase = draw.choice(("before", "after"))
        if kind == "outage":
            service = draw.choice((*AWS, *sorted({settings.platform_of(profile_id) for profile_id in self._profiles})))
            return {"kind": kind, "phase": phase, "service": service, "times": draw.choice((2, 5, 30))}
        on = draw.choice(("network", "network", "any", "dynamodb")) if name in ("run", "deliver", "publish") else "any"
        calls = {"run": 60, "bulk": 30, "undo": 30}.get(name, 12)
        most = calls if on != "network" else 4 if name == "run" else 2
        trouble = {"kind": kind, "phase": phase, "on": on, "nth": draw.randint(1, most)}
        if kind == "stall":
            trouble["seconds"] = draw.choice((1.0, 10.0, 40.0, 130.0))
        if kind == "step":
            trouble["step"] = self._step(draw.choice(self._nested) if sim.labels else "sweep", sim)
        return trouble
