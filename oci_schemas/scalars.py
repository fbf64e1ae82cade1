"""The scalar types of the OCI documents, as strict pydantic annotations.

The specification is a set of Go structures, so a number is exactly one Go integer type, never a float, a string or a
boolean, and every optional property may be null, which means the same as leaving it out.
Cold: only the models import it.

Source: config.md, specs-go/config.go.
"""

from typing import Annotated

from pydantic import Field, StrictBool, StrictStr

I64_MIN = -(2**63)
I64_MAX = 2**63 - 1
U64_MAX = 2**64 - 1
U32_MAX = 2**32 - 1

Text = StrictStr
Flag = StrictBool
U16 = Annotated[int, Field(strict=True, ge=0, le=2**16 - 1)]
U32 = Annotated[int, Field(strict=True, ge=0, le=U32_MAX)]
U64 = Annotated[int, Field(strict=True, ge=0, le=U64_MAX)]
I32 = Annotated[int, Field(strict=True, ge=-(2**31), le=2**31 - 1)]
I64 = Annotated[int, Field(strict=True, ge=I64_MIN, le=I64_MAX)]

FilledText = Annotated[str, Field(strict=True, min_length=1)]
AbsolutePath = Annotated[str, Field(strict=True, pattern="^/")]
# Go cannot tell an empty string from an absent one, so an empty optional path means "not given".
OptionalAbsolutePath = Annotated[str, Field(strict=True, pattern="^(/|$)")]
# The kernel keeps 12 bits of a major and 20 bits of a minor number (include/linux/kdev_t.h).
NodeMajor = Annotated[int, Field(strict=True, ge=0, le=2**12 - 1)]
NodeMinor = Annotated[int, Field(strict=True, ge=0, le=2**20 - 1)]
# In a cgroup device rule -1 stands for every number.
RuleNumber = Annotated[int, Field(strict=True, ge=-1, le=I64_MAX)]

# Annotation keys MUST NOT be empty (config.md#annotations); the other string maps name files and devices.
TextMap = dict[FilledText, Text]
