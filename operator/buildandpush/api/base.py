"""The base of every API model, and field types that several models use."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from buildandpush.api.meta import PIPELINE_ROOT


class ApiModel(BaseModel):
    """A frozen value whose fields are spelled camelCase outside and snake_case inside.

    Unknown fields are ignored on reading: the API server prunes what the schema does not know, and a status written
    by a newer operator must stay readable by an older one.
    """

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, frozen=True, extra="ignore")

    def to_dict(self) -> dict[str, Any]:
        """The JSON form, without fields that are None."""
        return self.model_dump(by_alias=True, exclude_none=True, mode="json")


def cel(rule: str, *, message: str = "", expression: str = "", hides_value: bool = False) -> dict[str, str]:
    """One CEL validation rule: refused with a fixed `message`, or with a CEL `expression` that names the value.

    Where an expression is given, `message` is what the API server falls back to. From Kubernetes 1.35 on the API server
    adds the value of a string or number itself, unless the reason is that it is forbidden: `hides_value` gives that
    reason, for what may be a login. Source: https://kubernetes.io/docs/reference/using-api/cel/
    """
    out = {"rule": rule}
    if hides_value:
        out["reason"] = "FieldValueForbidden"
    if message:
        out["message"] = message
    if expression:
        out["messageExpression"] = expression
    return out


def cel_of_address(rule: str, *, message: str, expression: str) -> tuple[dict[str, str], dict[str, str]]:
    """A rule of a host, a URL or the like, as two: `expression` names the value where no login can be in it, and else
    `message` is all that is said. A login stands before an @."""
    return (
        cel(f"self.contains('@') || {rule}", message=message, expression=expression),
        cel(f"!self.contains('@') || {rule}", message=message, hides_value=True),
    )


def rules(*items: dict[str, str], **schema: Any) -> dict[str, Any]:
    """Schema extras of a field: its CEL rules and further OpenAPI keywords."""
    return {"x-kubernetes-validations": list(items), **schema}


def pem_rules(field: str) -> dict[str, Any]:
    """The rules of a field with certificates. The reader of the certificates checks the rest."""
    begin = "-----BEGIN CERTIFICATE-----"
    message = f"{field} must hold certificates in PEM form ({begin})"
    return rules(cel(f"self.contains('{begin}')", message=message, hides_value=True))  # it may be a private key


def duration_rules(field: str, examples: str) -> dict[str, Any]:
    """The rule of a field with a duration. The operator checks its range."""
    return rules(
        cel(
            "self.matches('^ *(([0-9]+([.][0-9]*)?|[.][0-9]+) *(ms|us|µs|μs|ns|[wdhms]) *)*$')",
            expression=f"""'{field}: "' + self + '" is no duration; write for example {examples}'""",
            message=f"{field} must be a duration such as {examples}",
        )
    )


def _path_rules(field: str) -> dict[str, Any]:
    quoted = f"""'{field}: "' + self + '" """
    return rules(
        cel(
            "!self.contains('://')",
            message=f"{field} is a URL; give a path relative to the root of source",
            hides_value=True,  # kaniko's own contexts are URLs that may hold a token
        ),
        cel(
            f"!self.startsWith('/') || self == '{PIPELINE_ROOT}' || self.startsWith('{PIPELINE_ROOT}/')",
            expression=quoted + "is absolute; give a path relative to the root of source (/harness/ stands for it)'",
            message=f"{field} must be relative to the root of source",
        ),
        cel(
            r"self.contains('://') || !self.matches('(^|/)[.][.](/|$)')",
            expression=quoted + "climbs out with ..; give a path inside source'",
            message=f"{field} must stay inside source",
        ),
    )


DockerfilePath = Annotated[str, Field(max_length=1024, json_schema_extra=_path_rules("dockerfile"))]
ContextPath = Annotated[str, Field(max_length=1024, json_schema_extra=_path_rules("context"))]

MAP_BY_TYPE: dict[str, Any] = {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]}
MAP_BY_KEY: dict[str, Any] = {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["key"]}
ATOMIC: dict[str, Any] = {"x-kubernetes-list-type": "atomic"}
ATOMIC_MAP: dict[str, Any] = {"x-kubernetes-map-type": "atomic"}
"""For an object that one writer writes as a whole: the API server keeps no owner of each field in it."""

ANYTHING: dict[str, Any] = {"x-kubernetes-anything": True}
"""For a type that Kubernetes itself checks later, such as affinity. The value is not checked here."""

Name = Annotated[str, Field(min_length=1, max_length=253)]

MAX_QUANTITY = 32
QUANTITY_PATTERN = r"^([0-9]+(\.[0-9]+)?|\.[0-9]+)(m|k|M|G|T|Ki|Mi|Gi|Ti)?$"

Quantity = Annotated[
    str | int | float,
    Field(
        json_schema_extra={
            # Pasted steps hold 0.5 unquoted, which int-or-string refuses; an untyped leaf takes it. The keywords
            # below keep objects and lists out, the operator checks the rest of the grammar.
            "x-kubernetes-leaf": True,
            "pattern": QUANTITY_PATTERN,
            "maxLength": MAX_QUANTITY,
            "maxProperties": 0,
            "maxItems": 0,
        }
    ),
]
