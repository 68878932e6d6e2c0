"""The demo as a program: sets up a whole stack in a scratch folder, shows the main job, leaves nothing behind."""

import sys
import time

from fairlead_devstack.api_client import connect
from fairlead_devstack.component import ComponentFailed
from fairlead_devstack.control_plane import ControlPlane
from fairlead_devstack.debian import PackagesMissing, ensure_commands
from fairlead_devstack.demo import by_kubectl, by_rest
from fairlead_devstack.demo.journey import Journey, table
from fairlead_devstack.demo.kubectl import Kubectl
from fairlead_devstack.demo.narration import CheckFailed, chapter, show, tell, timed
from fairlead_devstack.gobuild import BuildFailed
from fairlead_devstack.initiator import InitiatorFailed
from fairlead_devstack.interruption import EXIT_CODE, end_on_signals, ignore_signals
from fairlead_devstack.lookup import locate_control_plane, locate_kubectl
from fairlead_devstack.provision import DATA_PLANE
from fairlead_devstack.scratch import ScratchFolder
from fairlead_devstack.stack import Stack, wait_for_backend

_BACKEND = "local"
_LOG_LINES, _LOG_WIDTH = 20, 240


def main() -> int:
    """Run the demo.

    Returns:
        The exit code: 0 when everything was as it must be.
    """
    end_on_signals()
    try:
        _show_everything()
    except (CheckFailed, InitiatorFailed) as error:
        print(f"\ndemo: FAILED: {error}", flush=True)
        return 1
    except (BuildFailed, PackagesMissing, ComponentFailed, TimeoutError) as error:
        print(f"\ndemo: cannot go on: {error}", flush=True)
        return 1
    except KeyboardInterrupt:
        print("\ndemo: interrupted; everything it started is gone", flush=True)
        return EXIT_CODE
    return 0


def _show_everything() -> None:
    began = time.monotonic()
    chapter("Preparations")
    ensure_commands(DATA_PLANE)
    programs, kubectl = locate_control_plane(), locate_kubectl()
    with ScratchFolder("demo") as scratch:
        control_plane = ControlPlane(data_dir=scratch.path / "control-plane", programs=programs)
        stack = Stack(control_plane, scratch.path)
        try:
            with timed() as start:
                control_plane.start()
            show(
                f"etcd {programs.etcd.version} and Kubernetes {programs.kube_apiserver.version}: {start.seconds:.1f} s"
            )
            _start(stack)
            as_admin = Kubectl(kubectl.path, control_plane.kubeconfig)
            journeys = [*by_kubectl.run(as_admin), *by_rest.run(stack.facade_url, as_admin)]
        except BaseException as error:
            if not isinstance(error, KeyboardInterrupt):
                _show_logs(stack)
            raise
        finally:
            ignore_signals()
            tell("Cleaning up: the processes in order, then the folder.")
            stack.stop()
            control_plane.stop()
    _conclude(journeys, time.monotonic() - began)


def _start(stack: Stack) -> None:
    with timed() as start:
        stack.install()
    show(f"Fairlead's kinds, rights and admission policies: {start.seconds:.1f} s")
    with timed() as start:
        data = stack.add_backend(_BACKEND, default=True)
        stack.start_operator()
        with connect(stack.control_plane.kubeconfig) as api:
            wait_for_backend(api, _BACKEND)
    show(f"fairlead-operator, serving Backend {_BACKEND!r} by a tgtd of its own on {data}: {start.seconds:.1f} s")
    with timed() as start:
        stack.start_facade()
    show(f"fairlead-api on {stack.facade_url}: {start.seconds:.1f} s")


def _show_logs(stack: Stack) -> None:
    for component in stack.processes.values():
        lines = component.log_path.read_text(errors="replace").splitlines()[-_LOG_LINES:]
        show("\n".join([f"the end of {component.name}'s log:", *(line[:_LOG_WIDTH] for line in lines)]))


def _conclude(journeys: list[Journey], seconds: float) -> None:
    chapter("What was attached where, and how long each step took")
    show(table(journeys))
    tell(
        "Times are what a person waits for: kubectl's own start is in its lines, the initiator's login in write and "
        "read. Each export was one iSCSI target with its own password, for one initiator."
    )
    tell(f"Everything was as it must be. {seconds:.0f} s in all; no process and no file is left.")


if __name__ == "__main__":
    sys.exit(main())
