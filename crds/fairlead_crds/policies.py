"""Admission policies: what the API server itself refuses, because CRD rules cannot know who asks.

Each policy guards one promise. They name no kind outside the group, so that nothing else in a cluster can be held up
by them, and they fail closed. The verbs they ask the authorizer for are described in docs/reference/permissions.md.

Two kinds of caller pass: those who are named (operator, facade, garbage collector, namespace controller) and those
whom RBAC grants the verb. A cluster administrator's wildcard grants every verb.

Who is named passes by a match condition, not by a rule: the API server evaluates every rule and every message of a
policy that matches, which for all writes of an attachment's life together was an eighth of its work.
"""

from dataclasses import dataclass
from typing import Any, Final

from fairlead_crds import names
from fairlead_crds.admission import Policy, Rule
from fairlead_crds.kinds import Attachment, Backend, NodeConnector, Volume

FORCE_DETACH: Final = "force-detach"
"""On attachments, in their namespace: delete or disconnect one that is in use."""

RESTORE: Final = "restore"
"""On the kind, cluster-wide: write what is Fairlead's own (identity, finalizer, status), as a restored backup does.
Whoever may choose a handle may lay claim to any data on the backend, so a Role in one namespace must not be enough."""

RELEASE: Final = "release"
"""On the kind, cluster-wide: remove the finalizer by hand, with the backend not proven clean."""

ADOPT: Final = "adopt"
"""On the Backend: make a Volume of data that are already there."""

CONNECTOR_LENGTH: Final = 16384
"""Characters of a connector at most, written out."""

_GARBAGE_COLLECTORS: Final = (
    "system:serviceaccount:kube-system:generic-garbage-collector",
    "system:serviceaccount:kube-system:namespace-controller",
    # Both of them, where the controller manager runs with one identity for all its controllers.
    "system:kube-controller-manager",
)
_CLAIMS: Final = (Volume.plural, Attachment.plural)
_ALL_KINDS: Final = (Backend.plural, Volume.plural, Attachment.plural, NodeConnector.plural)
_THIS: Final = "request.resource.resource"
_HOLDS: Final = f".metadata.?finalizers.orValue([]).exists(name, name == '{names.FINALIZER}')"


@dataclass(frozen=True)
class Identities:
    """The ServiceAccounts that the policies know by name.

    The values may be expressions of a template language: they only ever become part of a quoted CEL string.
    """

    namespace: str = names.SYSTEM_NAMESPACE
    operator: str = names.OPERATOR_ACCOUNT
    facade: str = names.FACADE_ACCOUNT

    def user(self, account: str) -> str:
        """The user name under which the API server sees one of the accounts."""
        return f"system:serviceaccount:{self.namespace}:{account}"

    @property
    def asks_operator(self) -> str:
        """CEL: whether the operator asks."""
        return f"request.userInfo.username == '{self.user(self.operator)}'"

    @property
    def asks_facade(self) -> str:
        """CEL: whether the facade asks."""
        return f"request.userInfo.username == '{self.user(self.facade)}'"


def policies(identities: Identities | None = None) -> list[Policy]:
    """Return every policy, for these ServiceAccounts (None: the default names)."""
    who = identities or Identities()
    return [_attachments_in_use(who), _identity(who), _status(who), _adoption(), _connector_length()]


def manifests(identities: Identities | None = None) -> list[dict[str, Any]]:
    """Return every policy and binding as the API server takes them."""
    return [document for policy in policies(identities) for document in policy.manifests()]


def _may(verb: str, resource: str, scope: str = "") -> str:
    """CEL: whether RBAC grants the caller the verb. Without a scope the grant has to be cluster-wide."""
    return f"authorizer.group('{names.GROUP}').resource({resource}){scope}.check('{verb}').allowed()"


def _reserved(expression: str, subject: str, verb: str, *, subject_cel: str | None = None) -> Rule:
    """A rule whose message says that `subject` is Fairlead's to write, and which verb lets others do so.

    Args:
        expression: CEL of the rule.
        subject: what it is about, for when the fuller message cannot be made.
        verb: that RBAC may grant.
        subject_cel: CEL of a text that names the very thing; None: `subject` does.
    """
    named = subject_cel or f"'{subject}'"
    return Rule(
        expression,
        f"{subject}: only Fairlead writes it, or a caller with the verb {verb}",
        f"{named} + ': only Fairlead writes it, or a caller with the verb {verb} on ' + request.resource.resource + "
        "' in the whole cluster'",
    )


def _attachments_in_use(who: Identities) -> Policy:
    """Nobody cuts a node off by accident.

    DELETE is refused while there is an export. Where an instance uses it, so is what amounts to the same: another
    connector, or none. See docs/decisions/detach-guard.md for why the second rule is narrower than the first.
    """
    collectors = ", ".join(f"'{user}'" for user in _GARBAGE_COLLECTORS)
    # The name is the object's: a request for a whole collection has none.
    force = _may(FORCE_DETACH, f"'{Attachment.plural}'", ".namespace(request.namespace).name(oldObject.metadata.name)")
    holder = (
        "'attachment ' + oldObject.metadata.name + ' is in use: volume ' + oldObject.spec.volumeName + "
        "' is exported to ' + oldObject.status.?host.orValue('a node') + "
        "(has(oldObject.spec.instanceID) ? ' for instance ' + oldObject.spec.instanceID : '')"
    )
    kept = "its connector, nodeName and completed cannot be taken back"
    detach = "'. Detach it where the instance is managed'"
    disconnect = "'. Let the node log out, unset spec.connector and spec.nodeName, and delete it once it is Reserved'"
    ask = f"', or ask someone who may {FORCE_DETACH} attachments in namespace ' + request.namespace"
    return Policy(
        name="attachments-in-use",
        operations=("DELETE", "UPDATE"),
        resources=(Attachment.plural,),
        # One that is being deleted is past guarding; what comes then is the operator's order of writes.
        conditions={
            "exported": "oldObject.?status.?phase.orValue('') in ['Exported', 'Completed']",
            "not-terminating": "!has(oldObject.metadata.deletionTimestamp)",
            "not-exempt": f"!({who.asks_operator} || {who.asks_facade} || request.userInfo.username in [{collectors}])",
        },
        variables={
            "exempt": force,
            "wasCompleted": "oldObject.spec.?completed.orValue(false)",
            "inInstance": "has(oldObject.spec.instanceID) && "
            "(oldObject.status.phase == 'Completed' || variables.wasCompleted)",
            "moved": "object.spec.?connector != oldObject.spec.?connector || "
            "object.spec.?nodeName != oldObject.spec.?nodeName",
            "undone": "variables.wasCompleted && !object.spec.?completed.orValue(false)",
        },
        rules=(
            Rule(
                "request.operation != 'DELETE' || variables.exempt",
                "the attachment is in use",
                f"{holder} + (variables.inInstance ? {detach} : {disconnect}) + {ask}",
            ),
            Rule(
                "request.operation != 'UPDATE' || !variables.inInstance || !(variables.moved || variables.undone) "
                "|| variables.exempt",
                f"the attachment is in use: {kept}",
                f"{holder} + '; {kept}' + {detach} + {ask}",
            ),
        ),
    )


def _identity(who: Identities) -> Policy:
    """What names a thing on the backend, and what holds it there, is not for users to write.

    A request that leaves these as they are passes, whoever sends it. Nobody changes an id or a handle that is there.
    """
    handle = names.ANNOTATION_HANDLE
    kept = " && ".join(
        f"(!oldObject{place}.hasValue() || oldObject{place} == object{place})"
        for place in (f".metadata.?labels[?'{names.LABEL_ID}']", f".metadata.?annotations[?'{handle}']")
    )
    old_id = f"variables.oldLabels[?'{names.LABEL_ID}']"
    old_handle = f"variables.oldAnnotations[?'{handle}']"
    keep = "with kubectl, use apply or patch instead of replace"
    return Policy(
        name="identity",
        operations=("CREATE", "UPDATE"),
        resources=_CLAIMS,
        conditions={
            "not-the-operator": f"!({who.asks_operator} && (request.operation == 'CREATE' || {kept}))",
            "not-created-by-the-facade": f"!({who.asks_facade} && request.operation == 'CREATE')",
        },
        variables={
            **_written("labels"),
            **_written("annotations"),
            "held": f"object{_HOLDS}",
            "wasHeld": f"request.operation == 'UPDATE' && oldObject{_HOLDS}",
            "mayRestore": _may(RESTORE, _THIS),
        },
        rules=(
            Rule(
                f"!{old_id}.hasValue() || {old_id} == variables.labels[?'{names.LABEL_ID}']",
                f"label {names.LABEL_ID} can be neither changed nor removed; {keep}",
            ),
            Rule(
                f"!{old_handle}.hasValue() || {old_handle} == variables.annotations[?'{handle}']",
                f"annotation {handle} can be neither changed nor removed; {keep}",
            ),
            # A fixed label or annotation that has a value already is the concern of the two rules above.
            _reserved(
                f"!variables.writtenLabels.exists(key, key != '{names.LABEL_ID}' || !{old_id}.hasValue()) "
                "|| variables.mayRestore",
                f"labels under {names.GROUP}/",
                RESTORE,
                subject_cel="'label ' + variables.writtenLabels[0]",
            ),
            _reserved(
                f"!('{handle}' in variables.writtenAnnotations) || {old_handle}.hasValue() || variables.mayRestore",
                f"annotation {handle}",
                RESTORE,
            ),
            _reserved(
                f"!variables.writtenAnnotations.exists(key, key != '{handle}') || {who.asks_facade} "
                "|| variables.mayRestore",
                f"annotations under {names.GROUP}/",
                RESTORE,
                subject_cel=f"'annotation ' + variables.writtenAnnotations.filter(key, key != '{handle}')[0]",
            ),
            _reserved(
                "!variables.held || variables.wasHeld || variables.mayRestore",
                f"finalizer {names.FINALIZER}",
                RESTORE,
            ),
            _reserved(
                f"variables.held || !variables.wasHeld || {_may(RELEASE, _THIS)}",
                f"finalizer {names.FINALIZER} stays until the backend is clean",
                RELEASE,
            ),
        ),
    )


def _written(kind: str) -> dict[str, str]:
    """CEL variables with the labels (or annotations) before and now, and those of ours that the request writes."""
    now, before = f"variables.{kind}", f"variables.old{kind.capitalize()}"
    ours = f"key.startsWith('{names.GROUP}/')"
    return {
        kind: f"object.metadata.?{kind}.orValue({{}})",
        f"old{kind.capitalize()}": f"request.operation == 'UPDATE' ? oldObject.metadata.?{kind}.orValue({{}}) : {{}}",
        f"written{kind.capitalize()}": f"{now}.map(key, key).filter(key, {ours} && {now}[?key] != {before}[?key]) + "
        f"{before}.map(key, key).filter(key, {ours} && !(key in {now}))",
    }


def _status(who: Identities) -> Policy:
    """The operator alone says what is: the ledger in a Volume's status decides who may have it."""
    return Policy(
        name="status",
        operations=("UPDATE",),
        resources=tuple(f"{plural}/status" for plural in _ALL_KINDS),
        conditions={"not-the-operator": f"!({who.asks_operator})"},
        rules=(_reserved(_may(RESTORE, _THIS), "status", RESTORE),),
    )


def _adoption() -> Policy:
    """Data that are already on the backend may be another tenant's.

    No account is exempt: the facade creates objects on behalf of its users.
    """
    adopting = "spec.source takes over a volume that is already on the backend; that needs"
    backend = f"authorizer.group('{names.GROUP}').resource('{Backend.plural}')"
    return Policy(
        name="adoption",
        operations=("CREATE",),
        resources=(Volume.plural,),
        conditions={"adopts": "has(object.spec.source)"},
        rules=(
            Rule(
                f"(has(object.spec.backendName) ? {backend}.name(object.spec.backendName) : {backend})"
                f".check('{ADOPT}').allowed()",
                f"{adopting} the verb {ADOPT} on backends",
                f"'{adopting} the verb {ADOPT} on ' + "
                "(has(object.spec.backendName) ? 'backend ' + object.spec.backendName : 'backends')",
            ),
        ),
    )


def _connector_length() -> Policy:
    """A connector is free-form, so a CRD rule cannot look inside it; here its whole length can be told."""
    return Policy(
        name="connector-length",
        operations=("CREATE", "UPDATE"),
        resources=(Attachment.plural, NodeConnector.plural),
        # Asked only of what is written now: an older object must stay free to lose its finalizer.
        conditions={
            "written": "has(object.spec.connector) && "
            "(request.operation == 'CREATE' || object.spec.connector != oldObject.spec.?connector.orValue({}))"
        },
        rules=(
            Rule(
                f"size('%s'.format([object.spec.connector])) <= {CONNECTOR_LENGTH}",
                f"spec.connector is longer than {CONNECTOR_LENGTH} characters",
            ),
        ),
    )
