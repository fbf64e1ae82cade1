"""Write frozen.h: every hot module as marshalled code for runtime/native/embed/planner.c.

    python tools/freeze.py --output FILE [--tree DIR] [--site DIR ...]

Run by the interpreter whose library the planner is linked with.  Sites that are not absolute are relative to the bundle's
directory.  Docstrings and line numbers are left out: nothing on the hot path reads them (what fails there is explained by the
stock interpreter), and they cost time to unmarshal.
"""

import argparse
import ast
import marshal
import os
import sys
from types import CodeType

CHECKOUT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, CHECKOUT)

from tools.bundle import make  # noqa: E402

# what a verb's command line certainly needs besides the entry: linked at once, in an order in which every import is there already
# engines' containers have a filter
CREATE = ("runtime.commands.create", "runtime.commands.run", "runtime.launch.filter_cache")
VERBS = {"create": CREATE, "exec": ("runtime.commands.exec",)}
ENTRY = ("runtime.cli.hot", "oci_schemas._compiled")
# what a container under a policy needs besides, if there was one of its kind before; and where the policy is not a built-in one that
# somebody names, on a site without rules
POLICY = (
    "runtime.policy.built_in",
    "runtime.policy._builtins",
    "runtime.commands.gate_finding",
    "runtime.plan.network_policy",
    "runtime.plan.policy",
)
CHOICE = ("runtime.policy.choose",)


def link_order(needs: dict[str, tuple[str, ...]], roots: tuple[str, ...]) -> list[str]:
    """The roots and every module that they import when they are loaded, each after those that it imports itself."""
    order: dict[str, None] = {}
    entered: set[str] = set()

    def enter(name: str) -> None:
        if name in entered or name not in needs:
            return
        entered.add(name)
        for need in needs[name]:
            enter(need)
        order[name] = None

    for root in roots:
        for depth in range(root.count(".") + 1):
            enter(root.rsplit(".", root.count(".") - depth)[0])
    return list(order)


class Lean(ast.NodeTransformer):
    """Takes out what only people and type checkers read, and what an import would pay for all the same.

    Annotations of functions and variables are evaluated when a module is executed, and `if TYPE_CHECKING:` is unmarshalled with the
    rest.  A class's annotations are its fields (`runtime.record`): their names stay.
    """

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        """A function without annotations."""
        node.returns = None
        arguments = node.args
        for argument in (
            *arguments.posonlyargs,
            *arguments.args,
            *arguments.kwonlyargs,
            arguments.vararg,
            arguments.kwarg,
        ):
            if argument is not None:
                argument.annotation = None
        return self.generic_visit(node)

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        """A class whose fields have names and no types."""
        for statement in node.body:
            if isinstance(statement, ast.AnnAssign):
                statement.annotation = ast.copy_location(ast.Constant(None), statement)
        node.body = [
            statement if isinstance(statement, ast.AnnAssign) else self.visit(statement) for statement in node.body
        ]
        return node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        """A variable without its type."""
        made = ast.Assign([node.target], node.value) if node.value is not None else ast.Pass()
        return ast.copy_location(made, node)

    def visit_If(self, node: ast.If) -> ast.AST | list[ast.stmt]:
        """What holds when nobody checks types."""
        self.generic_visit(node)
        if isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            return node.orelse or ast.copy_location(ast.Pass(), node)
        return node


def without_lines(code: CodeType) -> CodeType:
    """The same code, and what is nested in it, without line numbers."""
    constants = tuple(without_lines(value) if isinstance(value, CodeType) else value for value in code.co_consts)
    return code.replace(co_linetable=b"", co_consts=constants)


def byte_array(name: str, data: bytes) -> str:
    """A C definition."""
    return f"static const unsigned char {name}[] = {{{','.join(map(str, data))}}};"


def frozen_header(tree: str, sites: list[str]) -> str:
    """The text of frozen.h: `frozen_modules`, `frozen_sites`, and `link_groups`, what is linked at once: for each verb, and besides.

    A group has the indexes of its modules, closed by -1, and one marshalled tuple of their code objects, in which every name
    that they share stands once.
    """
    needs = {name: needed for name, (_is_package, _code, needed) in make.collect(tree)}
    places = {name: (path, is_package) for name, path, is_package in make.sources(tree)}
    index = {name: number for number, name in enumerate(needs)}
    arrays, rows, codes = [], [], {}
    for name, number in index.items():
        path, is_package = places[name]
        with open(path, encoding="utf-8") as file:
            parsed = ast.fix_missing_locations(Lean().visit(ast.parse(file.read(), path)))
        code = compile(parsed, os.path.relpath(path, tree), "exec", dont_inherit=True, optimize=2)
        codes[name] = without_lines(code)
        data = marshal.dumps(codes[name])
        arrays.append(byte_array(f"module_{number}", data))
        rows.append(
            f'\t{{.name = "{name}", .code = module_{number}, .size = {len(data)}, .is_package = {int(is_package)}}},'
        )
    table = ["static const struct _frozen frozen_modules[] = {", *rows, "\t{.name = NULL}};"]
    orders = {verb: link_order(needs, (*ENTRY, *modules)) for verb, modules in VERBS.items()}
    orders["policy"] = [name for name in link_order(needs, POLICY) if name not in orders["create"]]
    known = {*orders["create"], *orders["policy"]}
    orders["choice"] = [name for name in link_order(needs, CHOICE) if name not in known]
    groups = ["static struct link_group link_groups[] = {"]
    for group, order in orders.items():
        arrays.append(byte_array(f"codes_{group}", marshal.dumps(tuple(codes[name] for name in order))))
        table.append(f"static const int order_{group}[] = {{{''.join(f'{index[name]}, ' for name in order)}-1}};")
        groups.append(f'\t{{"{group}", order_{group}, codes_{group}, sizeof(codes_{group}), false}},')
    table += [*groups, "\t{NULL, NULL, NULL, 0, false}};"]
    quoted = "".join(f'"{site}", ' for site in sites)
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
