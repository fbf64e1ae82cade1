"""Models that are not the OCI's: what the build step makes of them, and what it refuses to drop."""

import keyword
import marshal
from typing import Annotated, Any, Literal, Union

import pytest
from pydantic import AliasChoices, BaseModel, ConfigDict, Field, RootModel, StringConstraints, field_validator
from pydantic_core import SchemaValidator, ValidationError

from oci_schemas.build import compile_schemas, compiled_source
from oci_schemas.lowering import Lowering, LoweringError
from oci_schemas.typed_dicts import types_source


class Inner(BaseModel):
    """An object with a property whose name is a keyword."""

    kind: Literal["a", "b"] = Field(alias="class")
    size: Annotated[int, Field(strict=True, ge=1, le=2**64 - 1)] = 5


class Outer(BaseModel):
    """An object that holds others, in every way a document can."""

    model_config = ConfigDict(extra="forbid")

    inner: Inner
    many: list[Inner] | None = None
    named: dict[str, Inner] = {}
    odd: Annotated[str, Field(pattern="^x+$")] | None = None


def test_objects_become_plain_dicts_without_defaults() -> None:
    """One compiled schema for each model, whatever holds it; aliases are the names."""
    schemas, _ = compile_schemas({"outer": Outer})
    validator = SchemaValidator(schemas["outer"])
    text = '{"inner": {"class": "a"}, "many": [{"class": "b", "size": 18446744073709551615}], "named": {"n": {"class": "a"}}}'
    assert validator.validate_json(text) == {
        "inner": {"class": "a"},
        "many": [{"class": "b", "size": 2**64 - 1}],
        "named": {"n": {"class": "a"}},
    }
    fields = schemas["outer"]["fields"]
    assert fields["inner"]["schema"] is fields["named"]["schema"]["values_schema"]


@pytest.mark.parametrize("text", ['{"inner": {"class": "c"}}', '{"inner": {"class": "a"}, "more": 1}', "{}"])
def test_constraints_stay(text: str) -> None:
    """Choices, a model's own rule about unknown properties, required ones."""
    schemas, _ = compile_schemas({"outer": Outer})
    with pytest.raises(ValidationError):
        SchemaValidator(schemas["outer"]).validate_json(text)


def test_a_pattern_without_a_twin_stays_in_the_schema() -> None:
    """Slower to load, but checked."""
    schemas, patterns = compile_schemas({"outer": Outer})
    assert patterns == {"outer": {}}
    with pytest.raises(ValidationError):
        SchemaValidator(schemas["outer"]).validate_json('{"inner": {"class": "a"}, "odd": "y"}')


def test_the_generated_module_holds_the_same_schemas() -> None:
    """What is built in memory and what is written and read back are equal."""
    module: dict[str, Any] = {}
    exec(compiled_source({"outer": Outer, "inner": Inner}), module)
    schemas, patterns = compile_schemas({"outer": Outer, "inner": Inner})
    read_back = [
        {name: marshal.loads(data) for name, data in module[table].items()} for table in ("SCHEMAS", "PATTERNS")
    ]
    assert read_back == [schemas, patterns]


def test_the_generated_types_are_python() -> None:
    """A keyword as a property name needs the call form; required and other properties are told apart."""
    lowering = Lowering()
    lowering.lower_model(Outer)
    module: dict[str, Any] = {}
    exec(types_source(lowering.objects), module)
    assert keyword.iskeyword("class")
    assert module["Inner"].__required_keys__ == {"class"}
    assert module["Inner"].__optional_keys__ == {"size"}
    assert module["Outer"].__required_keys__ == {"inner"}
    assert module["Outer"].__optional_keys__ == {"many", "named", "odd"}


class Checked(BaseModel):
    """A validator in Python."""

    name: str

    @field_validator("name")
    @classmethod
    def shout(cls, name: str) -> str:
        """Not the same text."""
        return name.upper()


class Several(BaseModel):
    """Two types at one place."""

    value: Union[int, str]


class Renamed(BaseModel):
    """Two names for one property."""

    value: int = Field(validation_alias=AliasChoices("a", "b"))


class Whole(RootModel[list[int]]):
    """Not an object."""


class Endless(BaseModel):
    """Contains itself."""

    again: "Endless | None" = None


class Stripped(BaseModel):
    """A constraint that changes the value."""

    name: Annotated[str, StringConstraints(strip_whitespace=True)]


@pytest.mark.parametrize("model", [Checked, Several, Renamed, Whole, Endless, Stripped])
def test_what_has_no_plain_form_is_an_error(model: type[BaseModel]) -> None:
    """Dropping it would make the hot loader accept or return something else than the model."""
    with pytest.raises(LoweringError):
        compile_schemas({"model": model})
