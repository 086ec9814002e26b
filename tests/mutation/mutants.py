"""Mutants of a module: what is changed where. Only syntax is looked at.

Not mutated are docstrings, annotations, decorators, what is raised (its message), ``strict`` of ``zip``, and strings
that are neither keys nor defaults.
"""

from __future__ import annotations

import ast
import copy
from dataclasses import dataclass, field
from pathlib import Path

OPERATORS: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Div,
    ast.Mod: ast.Mult,
    ast.Pow: ast.Mult,
    ast.BitOr: ast.BitAnd,
    ast.BitAnd: ast.BitOr,
}
COMPARISONS: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Lt: (ast.LtE, ast.GtE),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
}
CONDITIONS = (ast.Name, ast.Attribute, ast.Call, ast.Subscript)


@dataclass(frozen=True)
class Mutant:
    """One change of one file.

    Attributes:
        file: Path in the repository.
        scope: Function or class, empty for the module itself.
        line: Text of the line that the change begins in.
        change: Old and new text.
        source: The whole file after it.
    """

    file: str
    scope: str
    line: str
    change: str
    source: str = field(compare=False, repr=False, default="")

    @property
    def text(self) -> str:
        """The three lines that stand for it in a list."""
        return f"{self.file}:{self.scope}\n{self.line}\n{self.change}"


def read_list(path: Path) -> dict[str, str]:
    """Return the mutants of a list, by their text, with the reason of each: the fourth line of its block."""
    listed = {}
    for block in path.read_text(encoding="utf-8").split("\n\n"):
        lines = [line for line in block.splitlines() if line and not line.startswith("#")]
        if lines:
            listed["\n".join(lines[:3])] = " ".join(lines[3:])
    return listed


def mutants_of(file: str, source: str) -> list[Mutant]:
    """Return all mutants of a module, in the order of the source."""
    walk = _Walk()
    walk.visit(ast.parse(source))
    lines, raw = source.splitlines(), source.encode()
    starts = [0]  # of each line, in bytes, as syntax trees count
    for text in raw.splitlines(keepends=True):
        starts.append(starts[-1] + len(text))
    found: dict[tuple[int, str], Mutant] = {}
    n_alike: dict[tuple[str, str, str], int] = {}
    for scope, node, replacement in walk.found:
        begin = starts[node.lineno - 1] + node.col_offset
        end = starts[(node.end_lineno or 0) - 1] + (node.end_col_offset or 0)
        old, new = raw[begin:end].decode(), ast.unparse(replacement)
        if isinstance(replacement, ast.BinOp | ast.BoolOp | ast.UnaryOp | ast.Compare):
            new = f"({new})"
        change = f"{' '.join(old.split())} -> {' '.join(new.split())}"
        if (begin, change) in found:
            continue
        line, changed = lines[node.lineno - 1].strip(), raw[:begin].decode() + new + raw[end:].decode()
        place = n_alike[scope, line, change] = n_alike.get((scope, line, change), 0) + 1
        told = change if place == 1 else f"{change} (place {place})"
        found[begin, change] = Mutant(file, scope, line, told, changed)
    return list(found.values())


class _Walk(ast.NodeVisitor):
    """Finds, in ``found``, the nodes to replace with what replaces them. A change in an f-string replaces all of it."""

    def __init__(self) -> None:
        self.found: list[tuple[str, ast.expr | ast.stmt, ast.AST]] = []
        self._scope: list[str] = []
        self._joined: ast.JoinedStr | None = None

    def _add(self, node: ast.expr | ast.stmt, *replacements: ast.AST) -> None:
        scope = ".".join(self._scope)
        for replacement in replacements:
            if self._joined is None:
                self.found.append((scope, node, replacement))
            else:
                self.found.append((scope, self._joined, _replaced(self._joined, node, replacement)))

    def visit_Module(self, node: ast.Module) -> None:
        self._visit_body(node)

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        self._scope.append(node.name)
        self._visit_body(node)
        self._scope.pop()

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        self._scope.append(node.name)
        self._visit_defaults([*node.args.defaults, *node.args.kw_defaults])
        self._visit_body(node)
        self._scope.pop()

    def _visit_body(self, node: ast.Module | ast.ClassDef | ast.FunctionDef) -> None:
        has_docstring = ast.get_docstring(node) is not None
        for statement in node.body[1 if has_docstring else 0 :]:
            self.visit(statement)

    def _visit_defaults(self, defaults: list[ast.expr | None]) -> None:
        for default in defaults:
            if default is not None:
                self._mutate_default(default)

    def _mutate_default(self, default: ast.expr) -> None:
        if isinstance(default, ast.Constant) and isinstance(default.value, str):
            self._add(default, ast.Constant(f"{default.value}_mutated"))
        elif isinstance(default, ast.Constant) and default.value is None:
            self._add(default, ast.Constant(1))
        else:
            self.visit(default)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        if node.value is not None:
            self._mutate_default(node.value)

    def visit_Assign(self, node: ast.Assign) -> None:
        is_alias = not self._scope and isinstance(node.value, ast.BinOp) and isinstance(node.value.op, ast.BitOr)
        is_type = not self._scope and isinstance(node.value, ast.Subscript)
        if not is_alias and not is_type:
            self.generic_visit(node)

    def visit_If(self, node: ast.If) -> None:
        if not (isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"):
            self._negate(node.test)
            self.generic_visit(node)

    def visit_While(self, node: ast.While) -> None:
        self._negate(node.test)
        self.generic_visit(node)

    def visit_IfExp(self, node: ast.IfExp) -> None:
        self._negate(node.test)
        self.generic_visit(node)

    def visit_comprehension(self, node: ast.comprehension) -> None:
        for condition in node.ifs:
            self._negate(condition)
        self.generic_visit(node)

    def _negate(self, condition: ast.expr) -> None:
        if isinstance(condition, CONDITIONS):
            self._add(condition, ast.UnaryOp(ast.Not(), condition))

    def visit_Return(self, node: ast.Return) -> None:
        if node.value is not None and not (isinstance(node.value, ast.Constant) and node.value.value is None):
            self._add(node.value, ast.Constant(None))
            self.visit(node.value)

    def visit_BinOp(self, node: ast.BinOp) -> None:
        if type(node.op) in OPERATORS:
            self._add(node, ast.BinOp(node.left, OPERATORS[type(node.op)](), node.right))
        self.generic_visit(node)

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        if type(node.op) in OPERATORS:
            self._add(node, ast.AugAssign(node.target, OPERATORS[type(node.op)](), node.value))
        self.generic_visit(node)

    def visit_Compare(self, node: ast.Compare) -> None:
        for index, operator in enumerate(node.ops):
            for other in COMPARISONS[type(operator)]:
                ops = [*node.ops[:index], other(), *node.ops[index + 1 :]]
                self._add(node, ast.Compare(node.left, ops, node.comparators))
        self.generic_visit(node)

    def visit_BoolOp(self, node: ast.BoolOp) -> None:
        self._add(node, ast.BoolOp(ast.Or() if isinstance(node.op, ast.And) else ast.And(), node.values))
        self.generic_visit(node)

    def visit_UnaryOp(self, node: ast.UnaryOp) -> None:
        self._add(node, node.operand)
        self.generic_visit(node)

    def visit_Constant(self, node: ast.Constant) -> None:
        if isinstance(node.value, bool):
            self._add(node, ast.Constant(not node.value))
        elif isinstance(node.value, int | float):
            self._add(node, ast.Constant(node.value + 1), ast.Constant(node.value - 1))

    def visit_Subscript(self, node: ast.Subscript) -> None:
        if isinstance(node.slice, ast.Constant) and isinstance(node.slice.value, str):
            self._add(node.slice, ast.Constant(f"{node.slice.value}_mutated"))
        self.generic_visit(node)

    def visit_Dict(self, node: ast.Dict) -> None:
        for key in node.keys:
            if isinstance(key, ast.Constant) and isinstance(key.value, str):
                self._add(key, ast.Constant(f"{key.value}_mutated"))
        self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> None:
        is_zip = isinstance(node.func, ast.Name) and node.func.id == "zip"
        self.visit(node.func)
        for argument in node.args:
            self.visit(argument)
        for keyword in node.keywords:
            if not (is_zip and keyword.arg == "strict"):
                self.visit(keyword.value)

    def visit_JoinedStr(self, node: ast.JoinedStr) -> None:
        outer, self._joined = self._joined, self._joined or node
        for part in node.values:
            if isinstance(part, ast.FormattedValue):
                self.visit(part.value)
        self._joined = outer

    def visit_Raise(self, node: ast.Raise) -> None:
        """Leave out messages of errors."""

    def visit_Expr(self, node: ast.Expr) -> None:
        if not isinstance(node.value, ast.Constant):
            self.generic_visit(node)


def _replaced(tree: ast.JoinedStr, node: ast.AST, replacement: ast.AST) -> ast.AST:
    """Return a copy of ``tree`` with ``replacement`` at the place of ``node``."""
    index = next(index for index, place in enumerate(ast.walk(tree)) if place is node)
    made = copy.deepcopy(tree)
    target = list(ast.walk(made))[index]
    for parent in ast.walk(made):
        for name, value in ast.iter_fields(parent):
            if value is target:
                setattr(parent, name, replacement)
            elif isinstance(value, list):
                setattr(parent, name, [replacement if child is target else child for child in value])
    return made
