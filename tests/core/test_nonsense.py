"""Every annotation that makes no sense is called by its name, and nobody is given anything for it."""

from __future__ import annotations

import pytest

from hostport.api.errors import InvalidAnnotation
from tests.core.build import deployment
from tests.core.world import World
from tests.support.nonsense import Note, notes

# What is not even text never gets past the API server.
_WRITTEN = [note for note in notes() if all(isinstance(value, str) for value in note.annotations.values())]


@pytest.mark.parametrize("note", _WRITTEN)
def test_what_makes_no_sense_is_said_to_make_none(note: Note) -> None:
    world = World()
    world.pool("main", "20000-20009", cooldownSeconds=0)
    manifest = deployment("web", "http:80 admin:9000 dns:53/UDP", pool="main")
    manifest["metadata"]["annotations"].update(note.annotations)
    with pytest.raises(InvalidAnnotation) as caught:
        world.apply(manifest)
    assert str(caught.value).startswith(f'{note.about}: "')
    assert not world.leases()
