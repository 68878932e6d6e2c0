"""What the facade answers a kubelet."""

from fairlead_api.cache.mirror import STALE_AFTER, Mirror
from fairlead_telemetry.side_port import Probes


def probes(mirror: Mirror) -> Probes:
    """Build the three answers."""

    def synced() -> str | None:
        return None if mirror.synced else "the resources have not been read yet"

    def ready() -> str | None:
        if (wrong := synced()) is not None:
            return wrong
        # Another replica may hear the API server.
        stale = mirror.age > STALE_AFTER
        return f"nothing heard from the Kubernetes API server for {mirror.age:.0f} s" if stale else None

    def live() -> str | None:
        # A silent API server is no reason: a new process would not even begin to serve what this one still can.
        return "the resources are not followed any more" if mirror.ended else None

    return Probes(startup=synced, ready=ready, live=live)
