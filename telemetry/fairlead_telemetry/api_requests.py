"""Requests to the Kubernetes API server, counted."""

from typing import Final

from prometheus_client import Counter, Histogram

_REQUESTS: Final = Counter(
    "fairlead_kube_requests_total",
    "Requests to the Kubernetes API server, watches aside. Code 0: no answer came.",
    ["verb", "resource", "code"],
)
_SECONDS: Final = Histogram(
    "fairlead_kube_request_duration_seconds",
    "Time until the Kubernetes API server had answered a request.",
    ["verb", "resource"],
    buckets=(0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5, 15),
)
_VERBS: Final = {"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}


def count_request(method: str, path: str, code: int, seconds: float) -> None:
    """Count a request. From any thread.

    Args:
        method: HTTP's.
        path: of the Kubernetes API, without the query.
        code: of the answer; 0: none.
        seconds: it took.
    """
    resource, named = resource_of(path)
    verb = _VERBS.get(method) or ("get" if named else "list")
    _REQUESTS.labels(verb, resource, code).inc()
    _SECONDS.labels(verb, resource).observe(seconds)


def resource_of(path: str) -> tuple[str, bool]:
    """Return the resource of an API path, with its subresource, and whether one object is named.

    No name of an object or a namespace is ever part of it, so that there are few of them.
    """
    parts = path.strip("/").split("/")
    rest = parts[2:] if parts[0] == "api" else parts[3:]
    if rest[:1] == ["namespaces"] and len(rest) > 2:
        rest = rest[2:]
    resource = rest[0] if rest else "other"
    return (f"{resource}/{rest[2]}" if len(rest) > 2 else resource), len(rest) > 1
