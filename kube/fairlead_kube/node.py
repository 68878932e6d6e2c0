"""The part of Kubernetes' Node that tells whether a machine is gone for good."""

from typing import ClassVar

from pydantic import Field

from fairlead_crds.resource import Resource
from fairlead_crds.schema import Model

OUT_OF_SERVICE = "node.kubernetes.io/out-of-service"
"""The taint by which an administrator vouches that a node is shut down and will not come back by itself."""


class Taint(Model):
    """A reason to keep off a node."""

    key: str


class NodeSpec(Model):
    """What is said of a node."""

    taints: tuple[Taint, ...] = ()


class NodeStatus(Model):
    """Nothing of a node's status is evidence enough: unreachable is not gone."""


class Node(Resource[NodeSpec, NodeStatus]):
    """A machine of the cluster."""

    kind: ClassVar[str] = "Node"
    plural: ClassVar[str] = "nodes"
    namespaced: ClassVar[bool] = False
    spec: NodeSpec = Field(default_factory=NodeSpec)
    status: NodeStatus = Field(default_factory=NodeStatus)

    @property
    def out_of_service(self) -> bool:
        """Whether an administrator vouches that it is shut down."""
        return any(taint.key == OUT_OF_SERVICE for taint in self.spec.taints)
