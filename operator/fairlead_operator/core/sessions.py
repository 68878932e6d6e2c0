"""Answers a request to look who is logged in: live, once for each request, and never without one.

The facade asks when only that can tell whether a node may be cut off (docs/decisions/detach-guard.md).
"""

from datetime import timedelta

from fairlead_crds.kinds import LOOK_REQUEST, SESSIONS, SessionsFound, SessionsLook
from fairlead_crds.names import ANNOTATION_LOOK
from fairlead_operator.core import steps
from fairlead_operator.core.facts import AttachmentFacts, Seen

RETURNS_WITHIN = timedelta(seconds=120)
"""How long a node whose export was made again may be on its way back: for that long open-iscsi keeps its I/O waiting
(node.session.timeo.replacement_timeout), so whatever uses the volume has not noticed anything yet."""


def answer(facts: AttachmentFacts) -> steps.AttachmentStep | None:
    """Return the next step towards an answer; None: nobody asks, it was given, or no node has a connection."""
    attachment = facts.attachment
    meta, status = attachment.metadata, attachment.status
    request = meta.annotations.get(ANNOTATION_LOOK, "")
    told = status.sessions_look
    if not 0 < len(request) <= LOOK_REQUEST or status.connection_info is None:
        return None
    if told is not None and told.request == request:
        return None
    seen = facts.done.seen
    if (refusal := _cannot_look(facts)) is not None:
        seen = Seen(request=request, generation=meta.generation, at=facts.now, unknown=refusal)
    elif seen is None or (seen.request, seen.generation) != (request, meta.generation):
        return steps.Look(request)
    found, message = _judge(facts, seen)
    look = SessionsLook(
        request=request,
        observed_at=seen.at,
        observed_generation=seen.generation,
        initiator=seen.export.initiator if seen.export is not None else None,
        found=found,
        message=message[:1024],
    )
    live = seen.export.sessions[:SESSIONS] if seen.export is not None else ()
    return steps.WriteAttachmentStatus(status.model_copy(update={"sessions_look": look, "sessions": live}))


def _cannot_look(facts: AttachmentFacts) -> str | None:
    if facts.unready is not None:
        return f"the Backend cannot be used at present: {facts.unready}"
    return None if facts.sees_sessions else "the Backend's driver cannot tell who is logged in"


def _judge(facts: AttachmentFacts, seen: Seen) -> tuple[SessionsFound, str]:
    """Only what was seen whole, and not in the middle of a repair, shows that nobody is there."""
    if seen.unknown is not None:
        return SessionsFound.UNKNOWN, seen.unknown
    if seen.export is None:
        return SessionsFound.UNKNOWN, "the export was missing"
    if seen.export.sessions:
        return SessionsFound.LIVE, ""
    if facts.remade is not None and seen.at < facts.remade + RETURNS_WITHIN:
        until = facts.remade + RETURNS_WITHIN
        return (
            SessionsFound.UNKNOWN,
            f"the export had to be made again, and until {until:%Y-%m-%dT%H:%M:%SZ} the node may be on its way back",
        )
    return SessionsFound.NONE, ""
