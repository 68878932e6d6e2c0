"""What the operator answers a kubelet. None of the answers depends on who leads."""

from fairlead_operator.runtime import Runtime
from fairlead_telemetry.side_port import Probes

_SILENT_LEASES = 3.0
"""Durations of a Lease without an answer from the API server, after which this process is of no use to anybody."""


def probes(runtime: Runtime, *, watch_patience: float, lease_duration: float) -> Probes:
    """Build the three answers.

    Args:
        runtime: that is asked.
        watch_patience: seconds that a watch may owe a change before only a new start can help.
        lease_duration: seconds.
    """

    def startup() -> str | None:
        return None if runtime.started else "has not begun: the API server has not been reached yet"

    def ready() -> str | None:
        if (wrong := startup()) is not None:
            return wrong
        for lease, election in runtime.elections.items():
            if election.silence > _SILENT_LEASES * lease_duration:
                return f"lease {lease}: no answer from the API server for {election.silence:.0f} s"
        return None

    def live() -> str | None:
        if runtime.ended:
            return "a task of the operator has ended"
        for lease, election in runtime.elections.items():
            if not election.alive:
                return f"lease {lease}: nobody campaigns for it any more"
        for kind, lag in runtime.view.watch.lags.items():
            if lag > watch_patience:
                return f"the watch of {kind} has been silent about a change for {lag:.0f} s"
        return None

    return Probes(startup=startup, ready=ready, live=live)
