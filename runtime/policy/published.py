"""What is published about policies and made from the models: the JSON Schema, and the reference of keys in docs/policy.md.

    python -m runtime.policy.published             write both anew
    python -m runtime.policy.published --check     compare, and fail naming what differs

Cold.
"""

import argparse
import sys
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import PydanticUndefined, core_schema

from oci_schemas.json_schemas import schema_texts
from runtime.policy import schema
from runtime.policy.categories import CALL_GROUPS, IOCTL_GROUPS, PRCTL_GROUPS
from runtime.policy.schema import Policy

HERE = Path(__file__).resolve().parent
SCHEMA = HERE / "schema" / "policy.json"
PAGE = HERE.parents[1] / "docs" / "policy.md"
MARK = "<!-- from here on made by: python -m runtime.policy.published -->\n"

# the sections of the reference, in the order of the page: heading, model
_SECTIONS: tuple[tuple[str, type[BaseModel]], ...] = (
    ("The policy itself", Policy),
    ("requirements", schema.Requirements),
    ("syscalls", schema.Syscalls),
    ("An entry of syscalls", schema.CallRule),
    ("filesystem", schema.Filesystem),
    ("network", schema.Network),
    ("An entry of egress and ingress", schema.Peer),
    ("An entry of bind", schema.Bind),
    ("network.unix", schema.Unix),
    ("namespaces", schema.Namespaces),
    ("resources", schema.Resources),
    ("limits", schema.Limits),
    ("broker", schema.Broker),
)


class _WithoutNull(GenerateJsonSchema):
    """A key that is not given is left out: without a value it is refused."""

    def nullable_schema(self, schema: core_schema.NullableSchema) -> JsonSchemaValue:
        return self.generate_inner(schema["schema"])


def schema_text() -> str:
    """The JSON Schema of a policy (draft 2020-12)."""
    return schema_texts({"policy": Policy}, _WithoutNull)["policy.json"]


def reference() -> str:
    """The generated part of the page, from the mark on."""
    parts = [MARK, "\n## Reference\n"]
    for heading, model in _SECTIONS:
        words = " ".join((model.__doc__ or "").split())
        parts.append(f"\n### {heading}\n\n{words}\n\n| key | default | |\n|---|---|---|\n")
        parts += [_row(name, field) for name, field in model.model_fields.items()]
    for heading, groups in (
        ("Groups of system calls", CALL_GROUPS),
        ("Groups of ioctl requests", IOCTL_GROUPS),
        ("Groups of prctl options", PRCTL_GROUPS),
    ):
        parts.append(f"\n### {heading}\n\n")
        parts += [f"- `{name}`: {' '.join(words)}\n" for name, words in groups.items()]
    return "".join(parts)


def _row(name: str, field: FieldInfo) -> str:
    text = (field.description or _choices(field)).replace("|", "\\|")
    return f"| `{name}` | {_default(field)} | {text} |\n"


def _choices(field: FieldInfo) -> str:
    """The words that may stand there, where the description does not say more."""
    return "required or optional" if "required" in str(field.annotation) else ""


def _default(field: FieldInfo) -> str:
    value: Any = field.default
    if value is PydanticUndefined:
        return "must be given"
    if value is None or value in ("", []) or isinstance(value, BaseModel):
        return ""
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m runtime.policy.published", description="Write what the models say."
    )
    parser.add_argument("--check", action="store_true", help="compare, write nothing")
    check = parser.parse_args(arguments).check
    head = PAGE.read_text(encoding="utf-8").partition(MARK)[0]
    stale = []
    for path, text in ((SCHEMA, schema_text()), (PAGE, head + reference())):
        if check and (not path.exists() or path.read_text(encoding="utf-8") != text):
            stale.append(path)
            sys.stderr.write(f"{path} is not what the models say: run python -m runtime.policy.published\n")
        elif not check:
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
