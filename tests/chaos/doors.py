"""The two doors, for clients to whom anything may happen: each answer is done, refused, unsent, or unknown."""

import http.client
import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import urllib3
from kubernetes import client

from chaos.installation import NAMESPACE
from fairlead_crds import names
from fairlead_devstack.api_client import connect
from rest_door import Answer, RestDoor

Object = dict[str, Any]

PATIENCE = 20.0
"""Seconds that a client waits for an answer: longer than a facade waits for the operator and the API server."""


class Refused(Exception):
    """The answer was no: nothing changed, and nothing will."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"{status}: {message}")
        self.status = status


class Unsent(Exception):
    """Nobody was there to ask."""


class Unknown(Exception):
    """No answer, or none that says what happened. It may still happen."""


class RestSide:
    """One client at both facades, whichever comes; not thread-safe."""

    name = "rest"

    def __init__(self, urls: Sequence[str], chance: random.Random) -> None:
        self._doors = [RestDoor(url, NAMESPACE, timeout=PATIENCE) for url in urls]
        self._chance = chance

    def send(self, method: str, path: str, body: Any = None, *, facade: int | None = None) -> Answer:
        """Send a request to one of the facades; when nobody listens there, to the other one.

        Raises:
            Refused: with a 4xx.
            Unsent: nobody listens at either.
            Unknown: no answer, or a 5xx.
        """
        doors = self._doors if facade is None else [self._doors[facade]]
        answer = None
        for door in self._chance.sample(doors, len(doors)):
            # Never on an old connection: its end would be found out by a request whose outcome nobody then knows.
            door.hang_up()
            try:
                answer = door.send(method, path, body)
                break
            except ConnectionRefusedError:
                continue
            except (OSError, http.client.HTTPException, ValueError) as error:
                raise Unknown(f"{type(error).__name__} {error}") from error
        if answer is None:
            raise Unsent("no facade listens")
        if answer.status >= 500:
            raise Unknown(f"{answer.status} {answer.body!s:.300}")
        if answer.status >= 400:
            raise Refused(answer.status, f"{answer.body!s:.300}")
        return answer


class KubeSide:
    """One client at the API server, as kubectl is; not thread-safe."""

    name = "kubectl"

    def __init__(self, kubeconfig: Path) -> None:
        self._api = connect(kubeconfig)
        # A request that is sent again behind our back has an outcome that nobody knows.
        self._api.configuration.retries = False
        self._api.rest_client = type(self._api.rest_client)(self._api.configuration)
        self._objects = client.CustomObjectsApi(self._api)

    def create(self, kind: str, name: str, spec: Mapping[str, Any]) -> Object:
        body = {"apiVersion": names.API_VERSION, "kind": kind, "metadata": {"name": name}, "spec": dict(spec)}
        return self._ask(self._objects.create_namespaced_custom_object, *_place(kind), body)

    def get(self, kind: str, name: str) -> Object | None:
        """Read an object from a quorum of etcd; None when it is not there."""
        try:
            return self._ask(self._objects.get_namespaced_custom_object, *_place(kind), name)
        except Refused as error:
            if error.status == 404:
                return None
            raise

    def all(self, kind: str) -> list[Object]:
        return list(self._ask(self._objects.list_namespaced_custom_object, *_place(kind))["items"])

    def patch(self, kind: str, name: str, body: Sequence[Mapping[str, Any]]) -> Object:
        """Patch by JSON patch: a connector is replaced whole."""
        call = self._objects.patch_namespaced_custom_object
        return self._ask(call, *_place(kind), name, list(body), _content_type="application/json-patch+json")

    def delete(self, kind: str, name: str, uid: str | None = None) -> None:
        """Ask for deletion; an object that is not there is no error.

        Raises as the others do, and Refused(409) when it is another object of that name.
        """
        options = client.V1DeleteOptions(preconditions=client.V1Preconditions(uid=uid)) if uid else None
        try:
            self._ask(self._objects.delete_namespaced_custom_object, *_place(kind), name, body=options)
        except Refused as error:
            if error.status != 404:
                raise

    def close(self) -> None:
        self._api.close()

    def _ask(self, call: Any, *arguments: Any, **options: Any) -> Any:
        try:
            return call(*arguments, **options, _request_timeout=(2.0, PATIENCE))
        except client.ApiException as error:
            if error.status in (400, 403, 404, 409, 422):
                raise Refused(error.status, f"{error.body!s:.300}") from error
            raise Unknown(f"{error.status} {error.body!s:.300}") from error
        except urllib3.exceptions.NewConnectionError as error:
            raise Unsent(str(error)) from error
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise Unknown(f"{type(error).__name__} {error}") from error


def _place(kind: str) -> tuple[str, str, str, str]:
    return names.GROUP, names.VERSION, NAMESPACE, f"{kind.lower()}s"
