"""Write frozen.h: every hot module as marshalled code for runtime/native/embed/planner.c.

    python tools/freeze.py --output FILE [--tree DIR] [--site DIR ...]

Run by the interpreter whose library the planner is linked with.  Sites that are not absolute are relative to the bundle's
directory.  Docstrings are left out: nothing on the hot path reads them, and they cost time to unmarshal.
"""

import argparse
import marshal
import os
import sys

CHECKOUT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, CHECKOUT)

from tools.bundle import make  # noqa: E402


def frozen_header(tree: str, sites: list[str]) -> str:
    """The text of frozen.h."""
    hot = {name for name, _rest in make.collect(tree)}
    arrays, rows = [], []
    for index, (name, path, is_package) in enumerate(make.sources(tree)):
        if name not in hot:
            continue
        with open(path, encoding="utf-8") as file:
            code = compile(file.read(), os.path.relpath(path, tree), "exec", dont_inherit=True, optimize=2)
        data = marshal.dumps(code)
        arrays.append(f"static const unsigned char module_{index}[] = {{{','.join(map(str, data))}}};")
        rows.append(f'\t{{.name = "{name}", .code = module_{index}, .size = {len(data)}, .is_package = {int(is_package)}}},')
    quoted = "".join(f'"{site}", ' for site in sites)
    table = ["static const struct _frozen frozen_modules[] = {", *rows, "\t{.name = NULL}};"]
    return "\n".join([*arrays, *table, f"static const char *const frozen_sites[] = {{{quoted}NULL}};", ""])


def main() -> int:
    """Write the header."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", required=True)
    parser.add_argument("--tree", default=CHECKOUT)
    parser.add_argument("--site", action="append", default=[])
    options = parser.parse_args()
    os.makedirs(os.path.dirname(os.path.abspath(options.output)), exist_ok=True)
    text = frozen_header(options.tree, options.site)
    with open(options.output, "w", encoding="utf-8") as file:
        file.write(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
