"""People who play, chop, hammer, pluck and speak, as a camera sees them: articulated arms, thin
tools, several instruments, bodies that move along and hands that move without a sound.
"""

from __future__ import annotations

import numpy as np

from .canvas import Canvas
from .events import Event
from .limbs import UP, Hand, smooth
from .strikers import Actor, colour, draw_arm
from .timing import ringing, since_last

_TOOLS = ("stick", "stick", "mallet", "hand", "hand", "fist", "knife", "hammer", "spoon")
_ON_A_BOARD = ("knife", "hammer", "spoon")  # tools of one hand
_LEAST_APART = 0.03  # seconds: two hits closer than this are one


def rhythm(rng: np.random.Generator, seconds: float) -> np.ndarray:
    """Times of one who plays: a beat with its subdivisions, bursts, single blows, or nothing."""
    kind = rng.choice(["beat", "free", "dense", "few", "none"], p=[0.4, 0.22, 0.2, 0.13, 0.05])
    start = rng.uniform(0.05, 0.8)
    if kind == "none":
        return np.zeros(0)
    if kind == "few":
        times = np.sort(rng.uniform(0.2, seconds - 0.1, int(rng.integers(1, 4))))
    elif kind == "beat":
        beat = np.exp(rng.uniform(np.log(0.24), np.log(0.9)))
        grid = beat / rng.choice([1, 1, 2])
        pattern = rng.random(8) < rng.uniform(0.4, 1.0)
        pattern[0] = True
        steps = np.arange(int(seconds / grid) + 1)
        times = start + grid * steps[np.resize(pattern, len(steps))]
        times = times + rng.uniform(0, 0.02) * rng.standard_normal(len(times))
    else:
        low, high = (0.11, 0.28) if kind == "dense" else (0.16, 1.8)
        gaps = np.exp(rng.uniform(np.log(low), np.log(high), 200))
        if kind == "dense":
            gaps[rng.random(200) < 0.1] += rng.uniform(0.3, 1.5)
        times = start + np.cumsum(gaps)
    times = np.sort(times[(times > 0.05) & (times < seconds - 0.04)])
    return times[np.diff(times, prepend=-1.0) >= 0.11]


class Performer(Actor):
    """Somebody with one or two hands, tools in them, and things to hit."""

    moving = None

    def __init__(self, rng: np.random.Generator, seconds: float) -> None:
        self.tool = str(rng.choice(_TOOLS))
        self.ink = [colour(rng) for _ in range(8)]
        self.view = str(rng.choice(["whole", "half", "close"], p=[0.35, 0.35, 0.3]))
        count = 1 if self.tool in _ON_A_BOARD else int(rng.choice([1, 2, 2]))
        self.size = {"whole": 0.7, "half": 0.95, "close": 1.5}[self.view] * rng.uniform(0.75, 1.2)
        self.targets = self._places(rng)
        times = rhythm(rng, seconds)
        side = np.cumsum(rng.random(len(times)) < rng.uniform(0.4, 1.0)) % count
        both = rng.random(len(times)) < rng.choice([0.0, 0.0, 0.25])
        lift = self.size * np.exp(rng.uniform(np.log(0.08), np.log(0.45)))
        tilt = UP + rng.normal(0, 0.3)
        self.hands = [
            Hand.sample(rng, times[(side == k) | both], self.targets, seconds, lift, tilt)
            for k in range(count)
        ]
        self.events = _of_hands(self.hands)
        # A hand that does nothing but hold, or gesture.
        self.idle = Hand.sample(rng, np.zeros(0), self.targets - [0.25, 0.05], seconds, lift, tilt)
        self.has_idle = count == 1 and rng.random() < 0.7
        self.length = self.size * rng.uniform(0.15, 0.4)
        self.width = self.size * rng.uniform(0.008, 0.025)
        self.swing = rng.uniform(0.2, 1.4)
        self.lead = rng.uniform(0.0, 0.04)
        self.limb = self.size * rng.uniform(0.03, 0.075)
        self.sway = rng.uniform(0, 0.03, 2) * rng.choice([0.0, 1.0, 1.0])
        self.beat, self.phase = rng.uniform(1.5, 9.0), rng.uniform(0, 6.3, 3)
        self.nods = rng.choice([0.0, 0.03]) * self.size
        self.shake = rng.choice([0.0, 0.004, 0.015]), rng.uniform(4, 14), rng.uniform(0.04, 0.3)
        self.facing = float(rng.choice([-1.0, 1.0]))
        self.shoulder = 0.1 - self.size * rng.uniform(0.5, 0.8)
        # A camera shows the whole of who plays, or his hands.
        above = {"whole": 0.35, "half": 0.25, "close": 0.08}[self.view]
        self.focus = (float(self.targets[:, 0].mean()), 0.1 - above * self.size)
        self.bits = rng.random() < (0.6 if self.tool == "knife" else 0.15)
        self.bit_places = rng.uniform(-0.1, 0.1, (12, 2))

    def _places(self, rng: np.random.Generator) -> np.ndarray:
        count = int(rng.choice([1, 1, 2, 3, 5]))
        if self.tool in _ON_A_BOARD:
            count = 1
        wide = self.size * rng.uniform(0.2, 0.7)
        x = np.linspace(-wide, wide, count) if count > 1 else np.zeros(1)
        y = 0.1 + self.size * rng.uniform(-0.12, 0.12, count)
        return np.stack([x + 0.03 * rng.standard_normal(count), y], 1)

    def draw(self, canvas: Canvas) -> None:
        t = canvas.times
        sway_x = self.sway[0] * np.sin(self.beat * t + self.phase[0])
        sway_y = self.sway[1] * np.sin(self.beat * t + self.phase[1])
        middle = float(self.targets[:, 0].mean())
        if self.view != "close":
            self._body(canvas, middle, sway_x, sway_y)
        self._things(canvas)
        if self.has_idle:
            x, y = self.idle.point(t)
            self._arm(canvas, x, y, middle, sway_x, sway_y, -1.0)
            canvas.disc(x, y, self.limb * 1.2, self.ink[1], flat=0.8)
        for number, hand in enumerate(self.hands):
            side = -1.0 if len(self.hands) > 1 and number == 0 else 1.0
            self._strike(canvas, hand, side, middle, sway_x, sway_y)
        if self.bits:
            self._scatter(canvas)

    def _body(self, canvas, middle, sway_x, sway_y) -> None:
        size, top = self.size, self.shoulder
        nod = self.nods * np.sin(self.beat * canvas.times + self.phase[2])
        x, y = middle + 0.5 * sway_x, top + 0.5 * sway_y
        canvas.line(x, y + 0.05 * size, middle, y + 0.9 * size, 0.22 * size, self.ink[0])
        canvas.line(x, y, x, y - 0.15 * size, 0.06 * size, self.ink[1])
        head = y - 0.25 * size + nod
        canvas.disc(x + sway_x, head, 0.12 * size, self.ink[1], flat=1.25)
        canvas.disc(x + sway_x, head - 0.06 * size, 0.125 * size, self.ink[2], flat=0.8)

    def _things(self, canvas) -> None:
        """What is hit, and what it stands on."""
        t, (amount, rate, decay) = canvas.times, self.shake
        wide = self.size * (0.16 if len(self.targets) > 2 else 0.24)
        for number, (x, y) in enumerate(self.targets):
            own = [hand.stroke.times[hand.aims == number] for hand in self.hands]
            hits = np.sort(np.concatenate(own))
            shake = amount * ringing(t, hits, np.ones(len(hits)), rate, decay)
            ink = self.ink[3 + number % 3]
            if self.tool in _ON_A_BOARD:
                canvas.box(x, y + 0.06 * self.size + shake, 3 * wide, 0.06 * self.size, ink)
                canvas.disc(x, y - 0.01, 0.4 * wide, self.ink[6], flat=0.5)
            else:
                canvas.box(x, y + 0.8 * wide + shake, 0.9 * wide, 0.75 * wide, ink)
                canvas.disc(x, y + shake, wide, self.ink[6 + number % 2], flat=0.3)

    def _arm(self, canvas, x, y, middle, sway_x, sway_y, side) -> None:
        if self.view == "close":
            from_x = middle + side * self.facing * 1.2 * self.size
            canvas.line(from_x, self.shoulder + 0.1, x, y, self.limb * 1.3, self.ink[1])
            return
        shoulder = middle + side * 0.2 * self.size + float(np.mean(sway_x))
        top = self.shoulder + float(np.mean(sway_y))
        draw_arm(canvas, x, y, (shoulder, top), self.ink[0], self.limb, -side)
        canvas.disc(x, y, self.limb * 1.1, self.ink[1])

    def _strike(self, canvas, hand: Hand, side: float, middle, sway_x, sway_y) -> None:
        t = canvas.times
        height = hand.stroke.height(t)
        if self.tool in ("hand", "fist"):
            x, y = hand.point(t)
            self._arm(canvas, x, y - self.limb, middle, sway_x, sway_y, side)
            canvas.disc(x, y - self.limb * 0.8, self.limb * 1.3, self.ink[1], flat=0.7)
            if self.tool == "hand":
                for finger in (-0.9, -0.3, 0.3, 0.9):
                    tip = y + self.limb * (0.2 - 1.5 * height)
                    canvas.line(
                        x + finger * self.limb,
                        y - self.limb,
                        x + 1.3 * finger * self.limb - side * self.limb,
                        tip,
                        0.25 * self.limb,
                        self.ink[1],
                    )
            return
        tip_x, tip_y = hand.point(t)
        lifted = hand.lift * hand.stroke.height(t + self.lead)
        angle = 0.15 + self.swing * height
        grip_x = tip_x + side * self.length * np.cos(angle)
        grip_y = tip_y + self.length * np.sin(angle) - 0.3 * (lifted - hand.lift * height)
        grip_y = np.minimum(grip_y, tip_y + 0.6 * self.length)
        self._arm(canvas, grip_x, grip_y, middle, sway_x, sway_y, side)
        thick = self.width * (2.5 if self.tool == "knife" else 1.0)
        canvas.line(grip_x, grip_y, tip_x, tip_y, thick, self.ink[7])
        if self.tool in ("mallet", "spoon"):
            canvas.disc(tip_x, tip_y, 2.5 * self.width, self.ink[5])
        elif self.tool == "hammer":
            canvas.box(tip_x, tip_y, 0.04 * self.size, 0.08 * self.size, self.ink[5], angle=angle)
        canvas.disc(grip_x, grip_y, self.limb * 1.1, self.ink[1])

    def _scatter(self, canvas) -> None:
        """Bits that jump a little and stay about."""
        times = np.array([event.time for event in self.events])
        if not len(times):
            return
        since, _ = since_last(canvas.times, times)
        jump = 0.05 * self.size * np.exp(-since / 0.06) * (since < 0.4)
        x, y = self.targets[0]
        for dx, dy in self.bit_places * self.size:
            canvas.disc(x + dx, y + dy - jump, 0.015 * self.size, self.ink[6])


class Plucker(Actor):
    """Fingers that cross strings: fastest when the string sounds; the hand hardly moves."""

    moving = None

    def __init__(self, rng: np.random.Generator, seconds: float) -> None:
        times = rhythm(rng, seconds)
        self.times = times
        self.events = tuple(Event(float(x), float(rng.uniform(0.3, 0.9))) for x in times)
        self.ink = [colour(rng) for _ in range(5)]
        self.upright = rng.random() < 0.6
        self.count = int(rng.choice([1, 4, 4, 6]))
        self.gap = rng.uniform(0.03, 0.07)
        self.string = rng.integers(0, self.count, len(times))
        self.finger = rng.integers(0, 3, len(times))
        self.reach = rng.uniform(0.03, 0.14)
        self.fast = rng.uniform(0.015, 0.04)
        self.back = rng.uniform(0.1, 0.3)
        self.wrist = rng.choice([0.0, 1.0, 1.0]) * rng.uniform(0.02, 0.1)
        self.swing = rng.uniform(0.0, 0.012), rng.uniform(20, 60)
        self.size = rng.uniform(0.05, 0.11)
        self.wander = rng.uniform(0, 0.05), rng.uniform(0.4, 2.0), rng.uniform(0, 6.3)
        self.other = rng.random() < 0.5
        self.slides = np.sort(rng.uniform(0, seconds, int(rng.integers(1, 6))))
        self.spots = rng.uniform(-0.3, 0.3, len(self.slides) + 1)

    def draw(self, canvas: Canvas) -> None:
        t = canvas.times

        def line(u0, v0, u1, v1, *rest, **more):
            if self.upright:
                canvas.line(v0, u0, v1, u1, *rest, **more)
            else:
                canvas.line(u0, v0, u1, v1, *rest, **more)

        across = self.gap * (np.arange(self.count) - (self.count - 1) / 2)
        line(-0.7, 0.0, 0.7, 0.0, 0.5 * self.count * self.gap + 0.04, self.ink[0])
        for number, v in enumerate(across):
            own = self.times[self.string == number] if len(self.times) else self.times
            size, rate = self.swing
            move = size * ringing(t, own, np.ones(len(own)), rate / 6.28, 0.25)
            line(-0.7, v, 0.7, v + move, 0.004, self.ink[1])
        drift = self.wander[0] * np.sin(self.wander[1] * t + self.wander[2])
        since, index = since_last(t, self.times)
        count = len(self.times)
        coming = np.searchsorted(self.times, t, side="left")
        following = np.minimum(coming, max(count - 1, 0))
        to_go = np.where(coming < count, self.times[following] - t if count else 9.0, 9.0)
        aim = across[self.string[following]] if count else np.zeros(len(t))
        # The hand goes with its fingers: away from the strings as they sound, and back to them.
        pull = np.tanh(since / self.fast) - smooth((since - 0.04) / self.back) if count else 0.0
        hand_v = drift + 0.5 * aim + 0.12 + self.wrist * pull
        line(0.1 + drift, hand_v + 0.5, 0.1 + drift, hand_v, 1.4 * self.size, self.ink[2])
        for finger in range(3):
            bent = np.zeros(len(t))
            if count:
                cross = np.tanh(-to_go / self.fast) * (self.finger[following] == finger)
                gone = np.tanh(since / self.fast) - 2 * smooth((since - 0.05) / self.back)
                late = (self.finger[index] == finger) & (since < to_go)
                bent = np.where(late, gone, np.where(self.finger[following] == finger, cross, -1))
            v = hand_v - 0.12 + self.reach * bent
            u = 0.1 + drift + (finger - 1) * 0.9 * self.size
            line(u, hand_v, u + 0.02, v, 0.3 * self.size, self.ink[3])
        if self.other:
            where = np.zeros(len(t)) + self.spots[0]
            for start, spot in zip(self.slides, self.spots[1:], strict=True):
                where = where + smooth((t - start) / 0.3) * (spot - where)
            line(-0.4 + where, -0.5, -0.4 + where, 0.0, self.size, self.ink[4])


class Voice(Actor):
    """A head that calls, barks or cries: the mouth opens and the head jerks when it begins."""

    moving = None

    def __init__(self, rng: np.random.Generator, seconds: float) -> None:
        times = rhythm(rng, seconds)
        times = times[np.diff(times, prepend=-1.0) > 0.18]
        strengths = rng.uniform(0.3, 1.0, len(times))
        self.times, self.strengths = times, strengths
        self.events = tuple(
            Event(float(a), float(s)) for a, s in zip(times, strengths, strict=True)
        )
        self.ink = [colour(rng) for _ in range(6)]
        self.size = rng.uniform(0.15, 0.35)
        self.open, self.rise = rng.uniform(0.2, 0.6), rng.uniform(0.02, 0.07)
        self.close = np.clip(rng.uniform(0.1, 0.5) * np.ones(len(times)), 0.05, None)
        self.jerk = rng.uniform(0, 0.25) * self.size
        self.angle = rng.uniform(-np.pi, 0)
        self.turns = rng.uniform(0, 0.12), rng.uniform(0.3, 1.5), rng.uniform(0, 6.3, 2)
        self.ears = rng.random() < 0.5
        self.blinks = np.sort(rng.uniform(0, seconds, int(rng.integers(0, 5))))

    def draw(self, canvas: Canvas) -> None:
        t = canvas.times
        since, index = since_last(t, self.times)
        power = self.strengths[index] if len(self.times) else np.zeros(len(t))
        close = self.close[index] if len(self.times) else np.ones(len(t))
        coming = np.searchsorted(self.times, t, side="left")
        ahead = np.zeros(len(t))
        if len(self.times):
            following = np.minimum(coming, len(self.times) - 1)
            to_go = np.where(coming < len(self.times), self.times[following] - t, 9.0)
            ahead = np.clip(1 - to_go / self.rise, 0, 1) * self.strengths[following]
        open_now = np.maximum(ahead, power * np.clip(1 - since / close, 0, 1))
        kick = self.jerk * np.maximum(ahead, power * np.exp(-since / 0.1))
        size, speed, phases = self.turns
        x = size * np.sin(speed * t + phases[0]) + kick * np.cos(self.angle)
        y = 0.5 * size * np.sin(1.3 * speed * t + phases[1]) + kick * np.sin(self.angle)
        s = self.size
        canvas.line(0.0, 0.8, 0.7 * x, y + 0.6 * s, 0.9 * s, self.ink[1])
        canvas.disc(x, y, s, self.ink[0], flat=1.1)
        if self.ears:
            for side in (-1, 1):
                canvas.disc(x + side * 0.8 * s, y - 0.8 * s, 0.3 * s, self.ink[0])
        blink, _ = since_last(t, self.blinks)
        for side in (-1, 1):
            lid = np.where(blink < 0.15, 0.2, 0.9)
            canvas.disc(x + side * 0.35 * s, y - 0.25 * s, 0.12 * s, self.ink[2], flat=lid)
        canvas.disc(x, y + 0.1 * s, 0.12 * s, self.ink[4])
        gape = np.maximum(self.open * open_now, 0.04)
        canvas.disc(x, y + 0.5 * s, 0.35 * s, self.ink[3], flat=gape)


def _of_hands(hands: list[Hand]) -> tuple[Event, ...]:
    """Hits of all hands, in order."""
    found: list[Event] = []
    every = sorted(
        (float(time), float(strength))
        for hand in hands
        for time, strength in zip(hand.stroke.times, hand.stroke.strengths, strict=True)
    )
    for time, strength in every:
        if found and time - found[-1].time < _LEAST_APART:
            continue
        found.append(Event(time, strength))
    return tuple(found)
