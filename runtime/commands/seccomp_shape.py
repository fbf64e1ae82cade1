"""Whether a document has the shape that the compiler relies on, in the specification's form of a profile or the engines'.

What the engine hands to `create` was checked against the specification's schema; a file that a person names was not.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    # a type and its name, or a list or an object of shapes
    Shape = tuple[type, str] | list["Shape"] | dict[str, "Shape"]

TEXT = (str, "text")
CONDITIONS: "Shape" = {"arches": [TEXT], "caps": [TEXT], "minKernel": TEXT}
PROFILE: "Shape" = {
    "defaultAction": TEXT,
    "defaultErrno": TEXT,
    "architectures": [TEXT],
    "archMap": [{"architecture": TEXT, "subArchitectures": [TEXT]}],
    "flags": [TEXT],
    "syscalls": [
        {
            "name": TEXT,
            "names": [TEXT],
            "action": TEXT,
            "errno": TEXT,
            "args": [{"op": TEXT}],
            "includes": CONDITIONS,
            "excludes": CONDITIONS,
        }
    ],
}


def misshapen(value: object, shape: "Shape" = PROFILE, at: str = "") -> list[tuple[str, str]]:
    """Every place where a value is not of a shape, as (JSON pointer, message); null stands for absent, numbers are left to the compiler."""
    if value is None:
        return []
    if isinstance(shape, tuple):
        return [] if isinstance(value, shape[0]) else [(at, f"must be {shape[1]}")]
    if isinstance(shape, list):
        if not isinstance(value, list):
            return [(at, "must be a list")]
        absent = [(f"{at}/{index}", "must not be null") for index, one in enumerate(value) if one is None]
        return absent + [
            wrong for index, one in enumerate(value) for wrong in misshapen(one, shape[0], f"{at}/{index}")
        ]
    if not isinstance(value, dict):
        return [(at, "must be an object")]
    return [wrong for key, inner in shape.items() for wrong in misshapen(value.get(key), inner, f"{at}/{key}")]
