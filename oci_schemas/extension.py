"""HOT: pydantic-core's extension module, loaded without importing its package.

`import pydantic_core` costs 30 ms, the shared object alone about 1 ms. Its initialiser imports `datetime`, `operator`
and, for one name, `types`; the C modules behind the first two and a module with that name stand in for them while it
runs, unless somebody has imported the real ones already.
When the extension cannot be found or loaded so, the ordinary import takes over with the same result.
Built-in modules only.
"""

import _frozen_importlib
import _imp
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType

_NAME = "pydantic_core._pydantic_core"


def load_extension() -> "ModuleType":
    """The module `pydantic_core._pydantic_core`, from where the build saw it or from the interpreter's path.

    Raises: ImportError when pydantic-core is not installed for this interpreter.
    """
    loaded = sys.modules.get(_NAME)
    if loaded is not None:
        return loaded
    recorded_path = _recorded_path()
    for path in _candidates(recorded_path):
        module = _load_from(path)
        if module is not None:
            return module
    return _import_ordinarily(recorded_path)


def _recorded_path() -> str:
    try:
        from oci_schemas._compiled import EXTENSION  # type: ignore[import-not-found, unused-ignore]
    except ImportError:  # not built
        return ""
    return str(EXTENSION)


def _candidates(recorded_path: str) -> list[str]:
    suffix = _imp.extension_suffixes()[0]
    paths = [recorded_path] if recorded_path.endswith(suffix) else []
    paths += [f"{entry}/pydantic_core/_pydantic_core{suffix}" for entry in sys.path if entry[:1] == "/"]
    return paths


def _load_from(path: str) -> "ModuleType | None":
    """The extension at `path`; None when there is none, or it will not load by itself."""
    placed = [name for name in _STAND_INS if name not in sys.modules]
    try:
        for name in placed:
            sys.modules[name] = _STAND_INS[name]()
        spec = _frozen_importlib.ModuleSpec(_NAME, None, origin=path)
        module: ModuleType = _imp.create_dynamic(spec)
        _imp.exec_dynamic(module)
    except Exception:  # noqa: BLE001 - whatever went wrong, the ordinary import is tried next and says why
        return None
    finally:
        # Somebody who imports them later needs the real ones.
        for name in placed:
            sys.modules.pop(name, None)
    sys.modules[_NAME] = module
    return module


def _import_ordinarily(recorded_path: str) -> "ModuleType":
    site = recorded_path.rpartition("/")[0].rpartition("/")[0]
    if site and site not in sys.path and recorded_path.endswith(_imp.extension_suffixes()[0]):
        sys.path.append(site)
    from pydantic_core import _pydantic_core

    return _pydantic_core


def _stand_in_types() -> "ModuleType":
    module = type(sys)("types")
    module.SimpleNamespace = type(sys.implementation)  # type: ignore[attr-defined]
    return module


_STAND_INS = {
    "datetime": lambda: __import__("_datetime"),
    "operator": lambda: __import__("_operator"),
    "types": _stand_in_types,
}
