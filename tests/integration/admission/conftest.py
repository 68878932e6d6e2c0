"""A control plane with the admission policies in force."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
import yaml
from kubernetes import client

from admission_place import ADMIN, ADOPTER_FROM_ONE, API, CALLERS, EXTRA_VERBS, WILDCARD, Place, manifest
from fairlead_crds import names
from fairlead_crds.kinds import KINDS
from fairlead_devstack.api_client import connect
from fairlead_devstack.control_plane import ControlPlane
from fairlead_devstack.custom_resources import install_manifests
from fairlead_devstack.lookup import locate_control_plane
from plain_requests import APPLY, Caller
from waiting import wait_for

MANIFESTS = Path(__file__).parents[3] / "crds" / "manifests"
POLICY_PLURALS = {
    "ValidatingAdmissionPolicy": "validatingadmissionpolicies",
    "ValidatingAdmissionPolicyBinding": "validatingadmissionpolicybindings",
}


@pytest.fixture(scope="session")
def guarded() -> Iterator[client.ApiClient]:
    """A control plane of its own: the policies bind the whole cluster."""
    with ControlPlane(programs=locate_control_plane()) as plane, connect(plane.kubeconfig) as api:
        install_manifests(api, MANIFESTS)
        # The garbage collector looks for new kinds twice a minute; it begins with a look.
        plane.components["kube-controller-manager"].restart()
        grant_rights(api)
        admin = Caller(api)
        # Written before the policies, longer than they allow.
        old = manifest("attachments", "old", {"volumeName": "v", "connector": {"host": "x" * 20000}})
        old["metadata"]["finalizers"] = [names.FINALIZER]
        assert admin.send("POST", f"{API}/namespaces/default/attachments", old).ok
        for document in yaml.safe_load_all((MANIFESTS / "policies" / "admission.yaml").read_text()):
            path = f"/apis/{document['apiVersion']}/{POLICY_PLURALS[document['kind']]}/{document['metadata']['name']}"
            answer = admin.patch(path, document, content_type=APPLY, fieldManager="test")
            assert answer.ok, answer.message
        wait_until_in_force(api)
        yield api


def grant(
    api: client.ApiClient, name: str, rule: client.V1PolicyRule, users: Iterable[str], namespace: str | None = None
) -> None:
    """Grant a rule to users, cluster-wide or by a Role in one namespace."""
    rbac = client.RbacAuthorizationV1Api(api)
    meta = client.V1ObjectMeta(name=name)
    subjects = [client.RbacV1Subject(kind="User", name=user) for user in users]
    kind = "Role" if namespace else "ClusterRole"
    ref = client.V1RoleRef(api_group="rbac.authorization.k8s.io", kind=kind, name=name)
    if namespace:
        rbac.create_namespaced_role(namespace, client.V1Role(metadata=meta, rules=[rule]))
        binding = client.V1RoleBinding(metadata=meta, role_ref=ref, subjects=subjects)
        rbac.create_namespaced_role_binding(namespace, binding)
    else:
        rbac.create_cluster_role(client.V1ClusterRole(metadata=meta, rules=[rule]))
        binding = client.V1ClusterRoleBinding(metadata=meta, role_ref=ref, subjects=subjects)
        rbac.create_cluster_role_binding(binding)


def grant_rights(api: client.ApiClient) -> None:
    """Everybody may do everything that is not guarded; a few hold one verb more."""
    plain = ["get", "list", "create", "update", "patch", "delete", "deletecollection"]
    every = [kind.plural for kind in KINDS]
    served = [*every, *(f"{plural}/status" for plural in every)]
    rule = client.V1PolicyRule(api_groups=[names.GROUP], resources=served, verbs=plain)
    grant(api, "plain", rule, sorted(CALLERS - {ADMIN}))
    for user, verb in EXTRA_VERBS.items():
        grant(api, user, client.V1PolicyRule(api_groups=[names.GROUP], resources=every, verbs=[verb]), [user])
    one = client.V1PolicyRule(api_groups=[names.GROUP], resources=["backends"], verbs=["adopt"], resource_names=["one"])
    grant(api, ADOPTER_FROM_ONE, one, [ADOPTER_FROM_ONE])


def wait_until_in_force(api: client.ApiClient) -> None:
    """The API server takes up a policy some time after it was written: wait until each one refuses something."""
    place = Place(api, "default")
    place.attachment("probe", "Exported")
    probes = (
        place.deleting("probe"),
        place.creating("volumes", labels={names.LABEL_ID: "x"}),
        place.patching("attachments", "probe", {"status": {"host": "x"}}, status=True),
        place.creating("volumes", {"size": "1Gi", "source": {"handle": "x"}}),
        place.creating("attachments", {"volumeName": "v", "connector": {"host": "x" * 20000}}),
    )
    for probe in probes:
        wait_for(lambda probe=probe: not probe(place.edit).ok, what="the policy is in force")  # type: ignore[misc]


@pytest.fixture
def place(guarded: client.ApiClient) -> Place:
    """A fresh namespace; it goes with the control plane."""
    core = client.CoreV1Api(guarded)
    created = core.create_namespace(client.V1Namespace(metadata=client.V1ObjectMeta(generate_name="test-")))
    namespace = created.metadata.name
    everything = client.V1PolicyRule(api_groups=["*"], resources=["*"], verbs=["*"])
    grant(guarded, WILDCARD, everything, [WILDCARD], namespace)
    # The authorizer learns of the Role by a watch.
    review = client.V1SubjectAccessReview(
        spec=client.V1SubjectAccessReviewSpec(
            user=WILDCARD,
            resource_attributes=client.V1ResourceAttributes(
                group=names.GROUP, resource="attachments", verb="force-detach", namespace=namespace
            ),
        )
    )
    authorization = client.AuthorizationV1Api(guarded)
    wait_for(lambda: authorization.create_subject_access_review(review).status.allowed, what="the Role is in force")
    return Place(guarded, namespace)
