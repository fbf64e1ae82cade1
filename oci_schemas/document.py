"""The two classes every OCI model derives from.

`OciObject` is any JSON object of the specification: unknown properties are ignored, as config.md#extensibility
demands. `Document` is one which is read on its own (config.json, a process, a state): the plain Python checks of
`rules` belong to it, and the build step replaces the validator below by a direct call of the same function.
Cold: only the models and the build step import it.
"""

from collections.abc import Callable
from typing import Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator
from pydantic_core import InitErrorDetails, PydanticCustomError

from oci_schemas.rules import Pointer, Violation, check_text

Check = Callable[[Any, Pointer, list[Violation]], None]


class OciObject(BaseModel):
    """A JSON object of the specification; properties are attributes of the same name."""

    model_config = ConfigDict(extra="ignore", protected_namespaces=())


class Document(OciObject):
    """An object that is read on its own, with checks that span several properties."""

    check: ClassVar[Check]

    @model_validator(mode="after")
    def obey_rules(self) -> Self:
        """Report every violation that `rules` finds, each at its own place."""
        violations: list[Violation] = []
        data = plain(self)
        type(self).check(data, (), violations)
        check_text(data, (), violations)
        if violations:
            raise ValidationError.from_exception_data(
                type(self).__name__,
                [
                    InitErrorDetails(
                        type=PydanticCustomError("oci_rule", "{reason}", {"reason": message}),
                        loc=place,
                        input=None,
                    )
                    for place, message in violations
                ],
            )
        return self


def plain(model: BaseModel) -> dict[str, Any]:
    """The JSON-like data of `model`: the specification's names, nothing that was not given."""
    return model.model_dump(by_alias=True, exclude_unset=True)
