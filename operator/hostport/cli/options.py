"""The options that many commands share, spelled as kubectl spells them."""

from __future__ import annotations

from typing import Annotated

import typer

Kubeconfig = Annotated[
    str | None, typer.Option("--kubeconfig", metavar="FILE", help="Instead of $KUBECONFIG or ~/.kube/config.")
]
Context = Annotated[str | None, typer.Option("--context", metavar="NAME", help="Which of the kubeconfig's contexts.")]
NodeName = Annotated[str | None, typer.Option("--node", metavar="NODE", help="This node alone.")]
PoolName = Annotated[str | None, typer.Option("--pool", metavar="POOL", help="This pool alone.")]
Namespace = Annotated[
    str | None, typer.Option("--namespace", "-n", metavar="NAMESPACE", help="Only what is about this namespace.")
]
AllNamespaces = Annotated[
    bool, typer.Option("--all-namespaces", "-A", help="What is about any namespace; that is so without -n as well.")
]


def examples(*lines: str) -> str:
    """The end of a command's help; what stands between empty lines keeps a line of its own."""
    return "\n\n".join(("[bold]Examples[/bold]", *(f"  {line}" for line in lines)))
