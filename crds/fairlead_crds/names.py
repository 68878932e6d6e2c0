"""Fixed names that operator, facade and manifests share."""

from typing import Final

GROUP: Final = "fairlead.dev"
VERSION: Final = "v1alpha1"
API_VERSION: Final = f"{GROUP}/{VERSION}"

FINALIZER: Final = f"{GROUP}/export"
"""Holds Volumes and Attachments until the backend is proven clean. Written and removed by the operator; the facade
creates objects with it already set."""

LABEL_ID: Final = f"{GROUP}/id"
"""Immutable. The id that REST clients use: the UUID the facade chose (and named the object by), or the uid that the
operator stamped. Lookups are always by namespace and id."""

LABEL_BACKEND: Final = f"{GROUP}/backend"
"""Name of the Backend in charge; lets the API server filter watches."""

LABEL_PROJECT: Final = f"{GROUP}/project-id"
"""On a Namespace: the project it is. Without it the namespace's own name is the project id."""

ANNOTATION_HANDLE: Final = f"{GROUP}/handle"
"""What the backend calls the object: volume file, target name. Set once by operator or facade, never reused."""

ANNOTATION_CREATED: Final = f"{GROUP}/created-at"
"""Creation time with microseconds, RFC 3339, set by the facade; creationTimestamp has only seconds."""

ANNOTATION_UPDATED: Final = f"{GROUP}/updated-at"
"""When a REST call last changed what the owner says of a volume, RFC 3339 with microseconds."""

ANNOTATION_STATUS: Final = f"{GROUP}/rest-status"
"""A REST status that an administrator or Nova set (`detaching`, `maintenance`, `error`, ...). Only the facade's gate
reads it."""

ANNOTATION_ADMIN_METADATA: Final = f"{GROUP}/admin-metadata"
"""JSON object of strings: Cinder's admin metadata of a volume (`readonly`, `attached_mode`)."""

ANNOTATION_USER: Final = f"{GROUP}/user-id"
"""The REST user that created the object; shown as `user_id`."""

ANNOTATION_REQUEST_ID: Final = f"{GROUP}/request-id"
"""The REST request that last wrote the object, as the facade's log and `x-openstack-request-id` name it."""

ANNOTATION_TRACEPARENT: Final = f"{GROUP}/traceparent"
"""That request's span, as in W3C Trace Context; there only while traces are on."""

ANNOTATION_LOOK: Final = f"{GROUP}/look-at-sessions"
"""On an Attachment: asks the operator to look who is logged in. Its value is new each time and comes back in
`status.sessionsLook.request`, so that no answer is taken for that of another request."""

SYSTEM_NAMESPACE: Final = "fairlead-system"
"""Default namespace of the Leases, of the backend keys and of the processes themselves."""

OPERATOR_ACCOUNT: Final = "fairlead-operator"
"""Default name of the operator's ServiceAccount."""

FACADE_ACCOUNT: Final = "fairlead-api"
"""Default name of the facade's ServiceAccount."""


def backend_lease(backend: str) -> str:
    """Name of the Lease whose holder serves the Backend."""
    return f"fairlead-backend-{backend}"


CONTROLLER_LEASE: Final = "fairlead-controller"
"""Name of the Lease for objects that belong to no Backend."""


def backend_key_secret(backend: str) -> str:
    """Name of the Secret, in the system namespace, that holds the Backend's key."""
    return f"fairlead-backend-key-{backend}"


def connection_secret(handle: str) -> str:
    """Name of the Secret, beside the Attachment, that holds an export's CHAP credentials."""
    return f"fairlead-{handle}"
