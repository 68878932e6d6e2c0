"""Compact models: equal to what pydantic made, in less memory."""

import gc
import json
import tracemalloc
from collections.abc import Callable
from typing import Any

import pytest

from fairlead_crds.kinds import KINDS, Attachment, Resource
from stored_objects import FULL


def body(kind: type[Resource[Any, Any]], number: int = 0) -> dict[str, Any]:
    spec, status = FULL[kind.plural]
    metadata = {
        "name": f"n-{number}", "namespace": "ns", "uid": f"uid-{number}", "resourceVersion": "7", "generation": 1,
        "creationTimestamp": "2025-01-02T03:04:05Z", "labels": {"a": str(number)}, "finalizers": ["f"],
    }  # fmt: skip
    return json.loads(json.dumps({"metadata": metadata, "spec": spec, "status": status}))


@pytest.mark.parametrize("kind", KINDS)
def test_it_is_the_same_object(kind: type[Resource[Any, Any]]) -> None:
    plain, kept = kind.model_validate(body(kind)), kind.read(body(kind))
    assert kept == plain
    for exclude_unset in (False, True):
        assert kept.model_dump_json(by_alias=True, exclude_unset=exclude_unset) == plain.model_dump_json(
            by_alias=True, exclude_unset=exclude_unset
        )
    assert kept.model_copy(update={"status": plain.status}) == plain


def test_it_stays_frozen() -> None:
    kept = Attachment.read(body(Attachment))
    with pytest.raises(ValueError, match="frozen"):
        kept.spec.completed = False  # type: ignore[misc]


def test_it_takes_less_than_half_of_the_memory() -> None:
    def bytes_of(read: Callable[[Any], Attachment]) -> int:
        gc.collect()
        tracemalloc.start()
        kept = [read(body(Attachment, number)) for number in range(300)]
        size, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert len(kept) == 300
        return size

    assert bytes_of(Attachment.read) < 0.5 * bytes_of(Attachment.model_validate)
