"""Which frame of one sound answers to which of another: dynamic time warping.

`fast_path` is FastDTW (Salvador and Chan 2007): only what lies within a radius of the path found at
half the resolution is searched at full resolution. Approximate, and what public tools use.
"""

from __future__ import annotations

import numpy as np

Path = np.ndarray  # int64 [steps, 2], from (0, 0) to (N - 1, M - 1)


def exact_path(first: np.ndarray, second: np.ndarray) -> tuple[float, Path]:
    """Least total Euclidean distance, and its path, between `[N, D]` and `[M, D]`."""
    rows = np.arange(len(first))
    return _warp(first, second, np.zeros_like(rows), np.full_like(rows, len(second)))


def fast_path(first: np.ndarray, second: np.ndarray, *, radius: int = 1) -> tuple[float, Path]:
    """As `exact_path`, nearly, in time that grows with N + M."""
    if min(len(first), len(second)) < radius + 2:
        return exact_path(first, second)
    _, coarse = fast_path(_halved(first), _halved(second), radius=radius)
    starts, stops = _window(coarse, len(first), len(second), radius)
    return _warp(first, second, starts, stops)


def _halved(frames: np.ndarray) -> np.ndarray:
    even = len(frames) - len(frames) % 2
    return (frames[0:even:2] + frames[1:even:2]) / 2


def _window(coarse: Path, n: int, m: int, radius: int) -> tuple[np.ndarray, np.ndarray]:
    """Columns `[start, stop)` of each fine row that lie within `radius` of the coarse path."""
    starts, stops = np.full(n, m), np.zeros(n, dtype=np.int64)
    for row, column in coarse:
        low, high = 2 * (row - radius), 2 * (row + radius) + 2
        rows = slice(max(low, 0), max(high, 0))
        starts[rows] = np.minimum(starts[rows], max(2 * (column - radius), 0))
        stops[rows] = np.maximum(stops[rows], min(2 * (column + radius) + 2, m))
    # An odd last row or column has no coarse frame: it goes with its neighbour.
    stops = np.maximum.accumulate(stops)
    starts = np.minimum.accumulate(starts[::-1])[::-1]
    starts[starts >= stops] = stops[starts >= stops] - 1
    stops[-1] = m
    return starts, stops


def _warp(
    first: np.ndarray, second: np.ndarray, starts: np.ndarray, stops: np.ndarray
) -> tuple[float, Path]:
    """Cheapest path whose row i stays in columns `starts[i]` to `stops[i]`."""
    moves: list[list[int]] = []  # per cell: 0 up, 1 left, 2 diagonal
    above: list[float] = []
    above_start = 0
    for row, (start, stop) in enumerate(zip(starts, stops)):
        gaps = np.linalg.norm(second[start:stop] - first[row], axis=1).tolist()
        costs: list[float] = []
        chosen: list[int] = []
        for place, gap in enumerate(gaps):
            up = start + place - above_start
            ways = (
                above[up] if 0 <= up < len(above) else np.inf,
                costs[-1] if place else np.inf,
                above[up - 1] if 0 < up <= len(above) else np.inf,
            )
            best = min(ways)
            if row == 0 and place == 0:
                best = 0.0
            chosen.append(ways.index(best) if best in ways else 2)
            costs.append(best + gap)
        moves.append(chosen)
        above, above_start = costs, start
    return above[-1], _walk_back(moves, starts)


def _walk_back(moves: list[list[int]], starts: np.ndarray) -> Path:
    row, column = len(moves) - 1, int(starts[-1]) + len(moves[-1]) - 1
    path = [(row, column)]
    while row or column:
        move = moves[row][column - starts[row]]
        row, column = row - (move != 1), column - (move != 0)
        path.append((row, column))
    return np.array(path[::-1], dtype=np.int64)
