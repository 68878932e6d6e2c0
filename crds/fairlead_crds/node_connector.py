"""NodeConnector: what a node's initiator can do."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, ClassVar

from pydantic import Field

from fairlead_crds.fields import CONNECTOR_KEYS, PRESERVE
from fairlead_crds.resource import Resource
from fairlead_crds.schema import Model


class NodeConnectorSpec(Model):
    """What the node's initiator is."""

    connector: Mapping[str, Any] = Field(
        description="The connector as os-brick's get_connector_properties gives it: host, ip, initiator, ... "
        "16 KiB at most.",
        max_length=CONNECTOR_KEYS,
        json_schema_extra=PRESERVE,
    )


class NodeConnectorStatus(Model):
    """What is known of the node."""

    last_seen: datetime | None = Field(default=None, description="When the node's agent last spoke.")


class NodeConnector(Resource[NodeConnectorSpec, NodeConnectorStatus]):
    """What a node's initiator can do."""

    kind: ClassVar[str] = "NodeConnector"
    plural: ClassVar[str] = "nodeconnectors"
    namespaced: ClassVar[bool] = False
    status: NodeConnectorStatus = Field(default_factory=NodeConnectorStatus)
