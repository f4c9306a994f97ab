"""How the property tests of the corpus run: the same examples each time, and nothing kept."""

from __future__ import annotations

import hypothesis

CHECKED = hypothesis.settings(
    max_examples=150,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(hypothesis.HealthCheck),
)
