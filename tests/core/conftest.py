"""How hard Hypothesis tries (`HOSTPORT_EXAMPLES=5000 uv run pytest tests/core` for long); a store, two operators."""

from __future__ import annotations

import os

import pytest
from hypothesis import settings

from tests.core.desk import Desk
from tests.core.store import MemoryStore

settings.register_profile(
    "core",
    max_examples=int(os.environ.get("HOSTPORT_EXAMPLES", "100")),
    deadline=None,
    # In CI the same histories every time: a run there judges the change, not the luck of the draw.
    derandomize="CI" in os.environ,
)
settings.load_profile("core")


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore("main", "other")


@pytest.fixture
def desk(store: MemoryStore) -> Desk:
    return Desk(store)


@pytest.fixture
def rival(store: MemoryStore) -> Desk:
    return Desk(store)
