"""The images of the Dockerfile are built once for a content, and again when it is another."""

from __future__ import annotations

from pathlib import Path

import pytest

from realnode.images import provide_images

pytestmark = pytest.mark.node


def test_what_was_built_is_taken_as_it_is(images: dict[str, Path]) -> None:
    written = {target: path.stat().st_ino for target, path in images.items()}
    assert provide_images(pytest.fail) == images
    assert {target: path.stat().st_ino for target, path in images.items()} == written
