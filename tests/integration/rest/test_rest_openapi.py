"""The facade's own document against the facade."""

from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from fairlead_devstack.stack import Stack
from rest import LATEST, Rest, connector

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]


@pytest.fixture(scope="module")
def things(stack: Stack) -> dict[str, str]:
    """A volume and an attachment that generated requests can meet."""
    rest = Rest(stack.facade_url, "default")
    volume = rest.volume(name="met by chance")
    return {
        "volume_id": volume,
        "attachment_id": rest.reserve(volume)["id"],
        "type_id": "default",
        "key": "k",
        "project_id": "default",
    }


@pytest.fixture(scope="module")
def document(stack: Stack) -> Any:
    return Rest(stack.facade_url).ok("GET", "//openapi.json", status=200)


@pytest.fixture(scope="module")
def api(document: Any) -> Any:
    """The document without the project's copies of its paths: they lead to the same routes."""
    paths = {path: item for path, item in document["paths"].items() if "{project_id}" not in path or "quota" in path}
    return schemathesis.openapi.from_dict({**document, "paths": paths})


def test_generated_requests_get_documented_answers(api: Any, stack: Stack, things: dict[str, str]) -> None:
    """No 5xx, no undocumented status, no answer that breaks its own schema."""
    wrong = []
    for found in api.get_all_operations():
        operation = found.ok()
        try:
            _probe(operation, stack.facade_url, things)
        except (Exception, BaseExceptionGroup) as error:
            wrong.append(f"{operation.label}: {error}")
    assert not wrong, "\n\n".join(wrong)


def _probe(operation: Any, url: str, things: dict[str, str]) -> None:
    @given(case=operation.as_strategy())
    @settings(
        max_examples=15,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    def meets(case: Any) -> None:
        case.path_parameters = {name: things.get(name, value) for name, value in (case.path_parameters or {}).items()}
        # Most of the space of this header is malformed; the few values that matter have tests of their own.
        case.headers["OpenStack-API-Version"] = f"volume {LATEST}"
        response = case.call(base_url=url, allow_redirects=False)
        case.validate_response(response, checks=CHECKS)

    meets()


def test_every_path_is_there_with_and_without_a_project(document: Any) -> None:
    paths = {path for path in document["paths"] if path.startswith("/v3/") and path != "/v3/"}
    bare = {path for path in paths if not path.startswith("/v3/{project_id}/")}
    assert {path.replace("/v3/", "/v3/{project_id}/", 1) for path in bare} == paths - bare


def test_what_needs_a_microversion_says_so(document: Any) -> None:
    paths = document["paths"]
    assert paths["/v3/attachments"]["get"]["x-openstack-min-version"] == "3.27"
    assert paths["/v3/volumes/summary"]["get"]["x-openstack-min-version"] == "3.12"


def test_faults_have_the_shape_that_the_document_says(rest: Rest, document: Any) -> None:
    faults = document["components"]["responses"]
    for answer in (
        rest.get("/attachments?limit=x"),
        rest.get("/volumes/nope"),
        rest.get("/volumes", version="3.99"),
        rest.send("POST", "/volumes", content=b"x", headers={"Content-Type": "text/plain"}),
    ):
        schema = faults[f"Fault{answer.status}"]["content"]["application/json"]["schema"]
        assert list(answer.body) == schema["required"]


def test_the_document_describes_connectors_as_free(document: Any) -> None:
    schemas = document["components"]["schemas"]
    assert schemas["Connection"]["properties"]["connector"]["type"] == "object"
    assert set(schemas["NewAttachmentWithMode"]["properties"]) == {"volume_uuid", "instance_uuid", "connector", "mode"}
    assert connector()["initiator"]
