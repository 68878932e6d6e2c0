"""An API server in memory: faithful where Fairlead leans on it.

One resourceVersion for all, compare-and-swap, generations, the status subresource, finalizers and deletion, uid and
version preconditions, owner references of Secrets, one ordered watch per kind. Bodies are never changed in place, so
they can be handed out as they are.
"""

import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from fairlead_crds.kinds import KINDS, Attachment, Resource, Volume
from fairlead_kube.client import JSON_PATCH
from fairlead_kube.errors import AlreadyExists, Conflict, Invalid, NotFound
from fairlead_kube.node import Node
from fairlead_kube.store import version_of

Body = Mapping[str, Any]
Place = tuple[str, str, str]
"""(plural, namespace, name)"""

MODELS: dict[str, type[Resource[Any, Any]]] = {model.plural: model for model in (*KINDS, Node)}


@dataclass(frozen=True)
class Event:
    """A watch event; `before` is what the object was, None: new. The bodies are of both."""

    type: str
    item: Any
    before: Any
    body: Body
    before_body: Body | None

    def told_to(self, shows: Callable[[Any], bool]) -> str | None:
        """As what a watch that shows only such objects tells of it; None: it does not.

        DELETED: it is gone, or not what is watched any more; told as it was before, in the version of the event.
        """
        was = self.before is not None and shows(self.before)
        if self.type != "DELETED" and shows(self.item):
            return "MODIFIED" if was else "ADDED"
        return "DELETED" if was else None


@dataclass(frozen=True)
class Write:
    """A change of an object, for those who check what is written.

    Attributes:
        who: the process, or the person's tool.
        before: None: it was created.
        after: None: it is gone.
        by_version: the writer demanded the very version that it changed.
    """

    who: str
    before: Any
    after: Any
    by_version: bool


class ApiServer:
    """See the module. `check` is called with every change of an object of ours."""

    def __init__(self, check: Callable[[Write], None]) -> None:
        self._check = check
        self._objects: dict[Place, Body] = {}
        self._parsed: dict[tuple[str, str], Any] = {}
        self.version = 100
        self._uids = 0
        self.events: dict[str, list[Event]] = defaultdict(list)
        self.written: dict[str, int] = defaultdict(int)

    # --- requests, as a client sends them ----------------------------------------------------------------------------

    def request(
        self,
        who: str,
        method: str,
        path: str,
        *,
        params: Mapping[str, str],
        body: Any,
        content_type: str,
        now: str,
    ) -> Any:
        """Answer one request.

        Raises:
            KubeError: as the real one would answer.
        """
        plural, namespace, name, subresource = _split(path)
        place = (plural, namespace, name)
        if method == "GET":
            return self._get(place) if name else self._list(plural, params)
        self.written[who] += 1
        if method == "POST":
            return self._create(who, plural, namespace, body, now)
        if method == "DELETE":
            return self._delete(who, place, (body or {}).get("preconditions", {}), now)
        if method == "PATCH" and content_type == JSON_PATCH:
            return self._replace_status(who, place, body, subresource)
        if method == "PATCH":
            return self._merge(who, place, body)
        raise AssertionError(f"{method} {path} is not simulated")

    def lose_status(self, who: str, plural: str) -> None:
        """Every object of the kind as a backup brings it back: without its status."""
        for place, body in list(self._objects.items()):
            if place[0] == plural and "status" in body:
                bare = {key: value for key, value in body.items() if key != "status"}
                self._store(who, place, body, bare, by_version=True)

    def find(self, plural: str, name: str, namespace: str = "n") -> Any:
        """Return the object as it is, or None."""
        body = self._objects.get((plural, namespace, name))
        return None if body is None else self.parse(plural, body)

    def all(self, plural: str) -> Iterator[Any]:
        """Yield the objects of a kind as they are."""
        for (kind, _, _), body in list(self._objects.items()):
            if kind == plural:
                yield self.parse(plural, body)

    def volume_with(self, uid: str) -> Volume | None:
        """Return the Volume with that uid."""
        return next((v for v in self.all("volumes") if v.metadata.uid == uid), None)

    def attachment_with(self, uid: str) -> Attachment | None:
        """Return the Attachment with that uid."""
        return next((a for a in self.all("attachments") if a.metadata.uid == uid), None)

    def parse(self, plural: str, body: Body) -> Any:
        """Return the typed object; parsed once per version."""
        meta = body["metadata"]
        key = (meta["uid"], meta["resourceVersion"])
        if key not in self._parsed:
            model = MODELS.get(plural)
            self._parsed[key] = model.model_validate(body) if model is not None else body
        return self._parsed[key]

    # --- verbs -------------------------------------------------------------------------------------------------------

    def _get(self, place: Place) -> Body:
        found = self._objects.get(place)
        if found is None:
            raise NotFound(404, "NotFound", f"{place[0]} {place[2]!r} not found")
        return found

    def _list(self, plural: str, params: Mapping[str, str]) -> Body:
        items = [
            body
            for (kind, _, _), body in self._objects.items()
            if kind == plural
            and has_labels(params.get("labelSelector", ""), body["metadata"].get("labels", {}))
            and _has_field(params.get("fieldSelector", ""), body)
        ]
        return {"items": items, "metadata": {"resourceVersion": str(self.version)}}

    def stream(self, path: str, params: Mapping[str, str]) -> list[tuple[str, Body]]:
        """Answer a watch up to now: what there is or what has changed, and a bookmark."""
        plural, *_ = _split(path)
        if params.get("sendInitialEvents"):
            listed = [("ADDED", body) for body in self._list(plural, params)["items"]]
            return [*listed, ("BOOKMARK", self._bookmark({"k8s.io/initial-events-end": "true"}))]
        selector, since = params.get("labelSelector", ""), int(params["resourceVersion"])
        told: list[tuple[str, Body]] = []
        for event in (event for event in self.events[plural] if version_of(event.item) > since):
            type_ = event.told_to(lambda item: has_labels(selector, item.metadata.labels))
            if type_ == "DELETED":
                version = event.body["metadata"]["resourceVersion"]
                told.append((type_, _in_version(event.before_body or {}, version)))
            elif type_ is not None:
                told.append((type_, event.body))
        return [*told, ("BOOKMARK", self._bookmark({}))]

    def _bookmark(self, annotations: Mapping[str, str]) -> Body:
        return {"metadata": {"resourceVersion": str(self.version), "annotations": annotations}}

    def _create(self, who: str, plural: str, namespace: str, body: Body, now: str) -> Body:
        place = (plural, namespace, body["metadata"]["name"])
        if place in self._objects:
            raise AlreadyExists(409, "AlreadyExists", f"{plural} {place[2]!r} already exists")
        self._uids += 1
        meta = {
            **body["metadata"],
            "namespace": namespace,
            "uid": f"uid-{self._uids:04d}",
            "generation": 1,
            "creationTimestamp": now,
        }
        return self._store(who, place, None, {**body, "metadata": meta}, by_version=False)

    def _delete(self, who: str, place: Place, preconditions: Mapping[str, str], now: str) -> Body:
        found = self._get(place)
        meta = found["metadata"]
        for key in ("uid", "resourceVersion"):
            if key in preconditions and preconditions[key] != meta[key]:
                raise Conflict(409, "Conflict", f"precondition on {key} failed")
        if not meta.get("finalizers"):
            self._remove(who, place, found)
        elif "deletionTimestamp" not in meta:
            marked = {**meta, "deletionTimestamp": now, "generation": meta["generation"] + 1}
            self._store(who, place, found, {**found, "metadata": marked}, by_version="resourceVersion" in preconditions)
        return {"kind": "Status"}

    def _merge(self, who: str, place: Place, patch: Body) -> Body:
        found = self._get(place)
        meta, asked = found["metadata"], dict(patch.get("metadata", {}))
        by_version = "resourceVersion" in asked
        for key in ("uid", "resourceVersion"):
            if asked.pop(key, meta[key]) != meta[key]:
                raise Conflict(409, "Conflict", f"{key} is not the one that was meant")
        changed = {**found, "metadata": _merged(meta, asked)}
        if "spec" in patch:
            changed["spec"] = _merged(found["spec"], patch["spec"])
        if changed == found:
            return found
        if changed.get("spec") != found.get("spec"):
            changed["metadata"]["generation"] = meta["generation"] + 1
        if "deletionTimestamp" in meta and not changed["metadata"].get("finalizers"):
            # The answer shows the object without its last finalizer, in the version that it had before.
            self._remove(who, place, found, by_version=by_version)
            return changed
        return self._store(who, place, found, changed, by_version=by_version)

    def _replace_status(self, who: str, place: Place, patch: list[Body], subresource: str) -> Body:
        found = self._get(place)
        values = {step["path"]: step["value"] for step in patch}
        if subresource != "status" or set(values) != {"/metadata/resourceVersion", "/status"}:
            raise Invalid(422, "Invalid", "only the whole status is simulated")
        if values["/metadata/resourceVersion"] != found["metadata"]["resourceVersion"]:
            raise Conflict(409, "Conflict", "the object has been modified")
        if found.get("status") == values["/status"]:
            return found
        return self._store(who, place, found, {**found, "status": values["/status"]}, by_version=True)

    def _store(self, who: str, place: Place, before: Body | None, after: Body, *, by_version: bool) -> Body:
        self.version += 1
        after = {**after, "metadata": {**after["metadata"], "resourceVersion": str(self.version)}}
        self._objects[place] = after
        self._tell(who, place[0], "MODIFIED" if before else "ADDED", before, after, by_version)
        return after

    def _remove(self, who: str, place: Place, found: Body, *, by_version: bool = False) -> None:
        self.version += 1
        del self._objects[place]
        self._tell(who, place[0], "DELETED", found, None, by_version)
        uid = found["metadata"]["uid"]
        for owned, body in list(self._objects.items()):
            if any(owner["uid"] == uid for owner in body["metadata"].get("ownerReferences", ())):
                del self._objects[owned]

    def _tell(
        self, who: str, plural: str, type_: str, before: Body | None, after: Body | None, by_version: bool
    ) -> None:
        if plural not in MODELS:
            return
        old = self.parse(plural, before) if before else None
        new = self.parse(plural, after) if after else None
        # A DELETED event carries the last state, in a version of its own.
        body = after or _in_version(before or {}, str(self.version))
        self.events[plural].append(Event(type_, self.parse(plural, body), old, body, before))
        self._check(Write(who, old, new, by_version))


def _in_version(body: Body, version: str) -> Body:
    return {**body, "metadata": {**body["metadata"], "resourceVersion": version}}


def _merged(old: Body, patch: Body) -> dict[str, Any]:
    """JSON merge patch (RFC 7386), except that a connector is one value, as its atomic map type makes it for apply."""
    merged = dict(old)
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        elif isinstance(value, Mapping) and isinstance(merged.get(key), Mapping) and key != "connector":
            merged[key] = _merged(merged[key], value)
        else:
            merged[key] = value
    return merged


def has_labels(selector: str, labels: Mapping[str, str]) -> bool:
    """Whether labels meet a selector: of `key`, `!key`, `key=value`, `key in (a,b)`, `key notin (a,b)`, all of them."""
    for part in re.split(r",(?![^(]*\))", selector) if selector else ():
        match = re.fullmatch(r"(!?)([^ =]+)(?:=(.*)| (in|notin) \((.*)\))?", part)
        assert match is not None, selector
        absent, key, value, operator, values = match.groups()
        have, among = labels.get(key), (values or "").split(",")
        met = {"in": have in among, "notin": have not in among, None: have == value if value else have is not None}
        if met[operator] is bool(absent):
            return False
    return True


def _has_field(selector: str, body: Body) -> bool:
    path, _, value = selector.partition("=")
    found: Any = body
    for step in path.split(".") if path else ():
        found = found.get(step, {})
    return not path or found == value


def _split(path: str) -> tuple[str, str, str, str]:
    """(plural, namespace, name, subresource) of a path."""
    parts = path.strip("/").split("/")
    parts = parts[3:] if parts[0] == "apis" else parts[2:]
    namespace = ""
    if parts[0] == "namespaces" and len(parts) > 2:
        namespace, parts = parts[1], parts[2:]
    plural, name, subresource = [*parts, "", ""][:3]
    return plural, namespace, name, subresource
