"""An installed release, as its operator sees it: pods, Services, what is left of it."""

import base64
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from kubernetes import client

from fairlead_crds import names
from fairlead_devstack.node import NODE
from fairlead_devstack.release import Release
from fairlead_devstack.stack import wait_for_backend
from waiting import wait_for

Pod = Any


class Installation:
    """The chart's objects in a cluster."""

    def __init__(self, api: client.ApiClient, release: Release) -> None:
        self.release = release
        self._api = api
        self._core = client.CoreV1Api(api)

    def wait_ready(self, backend: str = "local") -> None:
        """Wait until a Backend can be used."""
        wait_for(lambda: self._backend(backend) is not None, what=f"Backend {backend} is applied", timeout=60)
        wait_for_backend(self._api, backend, timeout=90)

    @property
    def facade_address(self) -> tuple[str, int]:
        """The facade's Service, as the nodes and pods of the cluster reach it."""
        spec = self._core.read_namespaced_service("fairlead-api", self.release.namespace).spec
        return spec.cluster_ip, spec.ports[0].port

    @property
    def facade_url(self) -> str:
        """The same, for a facade without TLS."""
        host, port = self.facade_address
        return f"http://{host}:{port}"

    @property
    def portal(self) -> str:
        """The Service that nodes log in to."""
        spec = self._core.read_namespaced_service("fairlead-portal-local", self.release.namespace).spec
        return f"{spec.cluster_ip}:{spec.ports[0].port}"

    def pods(self, component: str) -> list[Pod]:
        """The pods of a component that are not on their way out."""
        found = self._core.list_namespaced_pod(
            self.release.namespace, label_selector=f"app.kubernetes.io/component={component}"
        ).items
        return [pod for pod in found if pod.metadata.deletion_timestamp is None]

    def replace(self, component: str, *, grace: int | None = None) -> None:
        """Delete the pods of a component and wait until new ones are ready. Grace 0 kills them."""
        old = self.pods(component)
        for pod in old:
            options = {} if grace is None else {"grace_period_seconds": grace}
            self._core.delete_namespaced_pod(pod.metadata.name, self.release.namespace, **options)
        gone = {pod.metadata.uid for pod in old}

        def replaced() -> bool:
            new = [pod for pod in self.pods(component) if pod.metadata.uid not in gone]
            return len(new) == len(old) and all(map(is_ready, new))

        wait_for(replaced, what=f"the pods of {component} are replaced", timeout=90)

    def wait_settled(self) -> None:
        """Wait until no pod is on its way out. helm does not, and old facades answer beside new ones for a while."""

        def settled() -> bool:
            pods = self._core.list_namespaced_pod(self.release.namespace).items
            return all(pod.metadata.deletion_timestamp is None for pod in pods)

        wait_for(settled, what="no pod is on its way out", timeout=90)

    def evict(self, pod: Pod) -> bool:
        """Ask for a pod's eviction, as a drain does; False: a budget does not allow it at present."""
        meta = client.V1ObjectMeta(name=pod.metadata.name, namespace=self.release.namespace)
        try:
            self._core.create_namespaced_pod_eviction(
                meta.name, self.release.namespace, client.V1Eviction(metadata=meta)
            )
        except client.ApiException as error:
            if error.status == 429:
                return False
            raise
        return True

    @contextmanager
    def cordoned(self) -> Iterator[None]:
        """Let the node take no pods meanwhile; afterwards wait until every pod of the release is there and ready."""
        before = {component: len(self.pods(component)) for component in ("api", "controller", "backend-local")}
        self._core.patch_node(NODE, {"spec": {"unschedulable": True}})
        try:
            yield
        finally:
            self._core.patch_node(NODE, {"spec": {"unschedulable": False}})

        def there(component: str) -> bool:
            pods = self.pods(component)
            return len(pods) == before[component] and all(map(is_ready, pods))

        for component in before:
            wait_for(lambda c=component: there(c), what=f"the pods of {component} are back", timeout=90)

    def images(self) -> set[str]:
        """The tags of the images that the release's pods run."""
        found = self._core.list_namespaced_pod(
            self.release.namespace, label_selector="app.kubernetes.io/name=fairlead"
        ).items
        pods = [pod for pod in found if pod.metadata.deletion_timestamp is None and pod.status.phase == "Running"]
        return {
            container.image.rpartition(":")[2]
            for pod in pods
            for container in (*pod.spec.containers, *(pod.spec.init_containers or []))
        }

    def set_secret(self, name: str, data: Mapping[str, bytes], *, type_: str = "Opaque") -> None:
        """Make or replace a Secret in the release's namespace."""
        meta = client.V1ObjectMeta(name=name, namespace=self.release.namespace)
        encoded = {key: base64.b64encode(value).decode() for key, value in data.items()}
        secret = client.V1Secret(metadata=meta, type=type_, data=encoded)
        try:
            self._core.create_namespaced_secret(self.release.namespace, secret)
        except client.ApiException as error:
            if error.status != 409:
                raise
            self._core.replace_namespaced_secret(name, self.release.namespace, secret)

    def said(self, component: str) -> str:
        """What the pods of a component wrote."""
        namespace = self.release.namespace
        return "".join(self._core.read_namespaced_pod_log(pod.metadata.name, namespace) for pod in self.pods(component))

    def restarts(self) -> dict[str, int]:
        """Containers that ended by themselves, by pod and container, with how often."""
        found = {}
        for pod in self._core.list_namespaced_pod(self.release.namespace).items:
            statuses = [*(pod.status.container_statuses or []), *(pod.status.init_container_statuses or [])]
            for status in statuses:
                if status.restart_count:
                    found[f"{pod.metadata.name}/{status.name}"] = status.restart_count
        return found

    def left(self) -> list[str]:
        """Names of the release's objects that are still there, of the kinds that would hurt."""
        namespace = self.release.namespace
        apps, rbac = client.AppsV1Api(self._api), client.RbacAuthorizationV1Api(self._api)
        lists = (
            apps.list_namespaced_deployment(namespace),
            apps.list_namespaced_stateful_set(namespace),
            client.BatchV1Api(self._api).list_namespaced_job(namespace),
            self._core.list_namespaced_pod(namespace),
            self._core.list_namespaced_service(namespace),
            rbac.list_cluster_role(label_selector="app.kubernetes.io/name=fairlead"),
            client.AdmissionregistrationV1Api(self._api).list_validating_admission_policy(),
        )
        return [item.metadata.name for found in lists for item in found.items]

    def _backend(self, name: str) -> Any:
        try:
            return client.CustomObjectsApi(self._api).get_cluster_custom_object(
                names.GROUP, names.VERSION, "backends", name
            )
        except client.ApiException as error:
            if error.status == 404:
                return None
            raise


def is_ready(pod: Pod) -> bool:
    """Whether a pod is ready."""
    return any(c.type == "Ready" and c.status == "True" for c in pod.status.conditions or [])
