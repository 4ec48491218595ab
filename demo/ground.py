"""On what the story plays: nodes of paper (kwok), or one real node with a kubelet, containerd and CNI's portmap."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from controlplane.binaries import KUBECTL
from controlplane.cluster import ControlPlane
from controlplane.golang import Say
from controlplane.provide import provide
from realnode.node import RealNode
from realnode.requirements import what_is_missing


class Choice(StrEnum):
    """What may be asked for."""

    AUTO = "auto"
    KWOK = "kwok"
    NODE = "node"


@dataclass(frozen=True)
class Ground:
    """A cluster, and if its node is real, how it is reached and how a command is run on it."""

    plane: ControlPlane
    kubectl: Path
    check: Callable[[], None]
    address: str = ""
    within: tuple[str, ...] = ()

    @property
    def is_real(self) -> bool:
        """Whether containers run here, and numbers answer."""
        return bool(self.address)


def decided(choice: Choice, nodes: int) -> tuple[bool, str]:
    """Whether it is to be a real node, and why."""
    if choice is not Choice.AUTO:
        return choice is Choice.NODE, "as you wish"
    if nodes > 1:
        return False, f"{nodes} nodes are made of paper (kwok)"
    missing = what_is_missing()
    return not missing, f"a real one can't be had here: {missing}" if missing else "this machine has what it takes"


@contextmanager
def paper(binaries: Mapping[str, Path], nodes: int) -> Iterator[Ground]:
    """Nodes that kwok plays; nothing of them is left afterwards."""
    with ControlPlane(binaries=binaries) as plane:
        plane.add_nodes(nodes)
        yield Ground(plane, binaries[KUBECTL], plane.check)


@contextmanager
def real(say: Say) -> Iterator[Ground]:
    """One real node; nothing of it is left afterwards."""
    with RealNode(say) as node:
        yield Ground(node.plane, provide([KUBECTL])[KUBECTL], node.check, node.address, tuple(node.machine.within))
