"""What one test leaves behind is its own failure and nobody else's."""

from __future__ import annotations

import pytest

from tests.support.operator import OperatorProcess
from tests.support.scene import Scene
from tests.support.wait import until

pytestmark = pytest.mark.cluster


def test_a_scene_that_ends_in_disorder_fails_and_leaves_nothing_behind(operator: OperatorProcess) -> None:
    scene = Scene(operator.plane, operator, "test-disorder")
    first = scene.window()
    pool = scene.pool(ranges=[f"{first}-{first + 49}"])
    scene.deployment("web", pool)
    scene.served("web")
    planted = f'{{"status": {{"leases": {{"{first + 40}/TCP": {{"owner": "somebody"}}}}}}}}'
    scene.kubectl("patch", "hpp", pool, "--subresource=status", "--type=merge", "-p", planted)
    operator.kill()

    with pytest.raises(AssertionError, match="NoOwner"):
        scene.end(patience=5)

    until(operator.is_ready, "the operator is ready", lambda: operator.log[-2000:])
    scene.kubectl("wait", "--for=delete", f"hostportpool/{pool}", "--timeout=120s")
