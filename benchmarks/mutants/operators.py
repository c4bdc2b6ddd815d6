"""The faults: each is one small change of an expression inside a function, on the source's own lines."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Mutant", "mutants_of"]

OPERATORS: dict[type[ast.AST], str] = {
    ast.Add: "-",
    ast.Sub: "+",
    ast.Mult: "/",
    ast.Div: "*",
    ast.Pow: "*",
    ast.FloorDiv: "*",
    ast.Mod: "*",
    ast.Lt: "<=",
    ast.LtE: "<",
    ast.Gt: ">=",
    ast.GtE: ">",
    ast.Eq: "!=",
    ast.NotEq: "==",
    ast.Is: "is not",
    ast.IsNot: "is",
    ast.In: "not in",
    ast.NotIn: "in",
    ast.And: "or",
    ast.Or: "and",
}
# Of these arguments another value changes no result: copies, checks of lengths, memory, and words.
WITHOUT_EFFECT = {
    "copy",
    "strict",
    "out",
    "order",
    "stacklevel",
    "optimize",
    "check_finite",
    "overwrite_a",
    "overwrite_b",
}


@dataclass(frozen=True)
class Mutant:
    """Replace ``source[start:stop]`` of a file by other text; lines keep their numbers."""

    path: str
    line: int
    start: int
    stop: int
    text: str

    def apply(self, source: str) -> str:
        return source[: self.start] + self.text + source[self.stop :]

    def describe(self, source: str) -> str:
        """Return the place and what became of its first line."""
        before, after = (text.splitlines()[self.line - 1].strip() for text in (source, self.apply(source)))
        return f"{self.path}:{self.line}\n    - {before}\n    + {after}"


def mutants_of(path: Path, root: Path) -> list[Mutant]:
    """Return every mutant of a file, in the order of the source; each of them is valid Python."""
    source = path.read_text(encoding="utf-8")
    starts = [0]
    for line in source.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    lines = source.splitlines()

    def position(line: int, column: int) -> int:  # columns of the ast are in bytes
        return starts[line - 1] + len(lines[line - 1].encode()[:column].decode())

    def span(node: ast.AST) -> tuple[int, int]:
        return position(node.lineno, node.col_offset), position(node.end_lineno, node.end_col_offset)

    found = set()
    for node in _expressions(ast.parse(source)):
        for start, stop, text in _changes(node, source, span):
            mutant = Mutant(str(path.relative_to(root)), source.count("\n", 0, start) + 1, start, stop, text)
            try:
                compile(mutant.apply(source), str(path), "exec")
            except SyntaxError:
                continue
            found.add(mutant)
    return sorted(found, key=lambda mutant: (mutant.start, mutant.stop, mutant.text))


def _expressions(tree: ast.AST, inside: bool = False) -> Iterator[ast.AST]:
    """Yield the nodes inside functions, without errors' texts, docstrings, annotations and formatted strings."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Raise | ast.JoinedStr | ast.arguments | ast.Import | ast.ImportFrom):
            continue
        if isinstance(node, ast.keyword) and node.arg in WITHOUT_EFFECT:
            continue
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            continue
        if isinstance(node, ast.AnnAssign):
            if inside and node.value is not None:
                yield node.value
                yield from _expressions(node.value, inside)
            continue
        if isinstance(node, ast.FunctionDef):
            for statement in node.body:
                yield statement
                yield from _expressions(statement, True)
            continue
        if inside:
            yield node
        yield from _expressions(node, inside)


def _changes(node: ast.AST, source: str, span) -> Iterator[tuple[int, int, str]]:
    match node:
        case ast.BinOp(left, operator, right) if type(operator) in OPERATORS:
            yield _between(source, span(left)[1], span(right)[0], OPERATORS[type(operator)])
        case ast.Compare(left, operators, comparators):
            for first, operator, second in zip([left, *comparators], operators, comparators, strict=False):
                yield _between(source, span(first)[1], span(second)[0], OPERATORS[type(operator)])
        case ast.BoolOp(operator, values):
            yield _between(source, span(values[0])[1], span(values[1])[0], OPERATORS[type(operator)])
        case ast.AugAssign(target, operator, value) if type(operator) in OPERATORS:
            yield _between(source, span(target)[1], span(value)[0], OPERATORS[type(operator)] + "=")
        case ast.UnaryOp(ast.USub() | ast.Not(), operand):
            yield *span(node), source[slice(*span(operand))]
        case ast.Constant(bool() as value):
            yield *span(node), str(not value)
        case ast.Constant(int() as value):
            yield *span(node), str(value + 1)
        case ast.Constant(float() as value):
            yield *span(node), repr(2 * value if value else 1.0)
        case ast.IfExp(test, body, orelse):
            parts = [source[slice(*span(part))] for part in (orelse, test, body)]
            yield *span(node), f"({parts[0]}) if ({parts[1]}) else ({parts[2]})"
        case ast.If(test):
            yield *span(test), f"not ({source[slice(*span(test))]})"
        case ast.Call(function, arguments, keywords):
            parts = [*arguments, *(keyword.value for keyword in keywords)]
            for keyword in keywords:  # dropped, with the comma before it
                start, stop = span(keyword)
                comma = source.rfind(",", span(function)[1], start)
                if keyword.arg not in {None, *WITHOUT_EFFECT} and comma >= 0 and len(parts) > 1:
                    yield comma, stop, ""


def _between(source: str, start: int, stop: int, text: str) -> tuple[int, int, str]:
    """Replace the operator between two operands, leaving parentheses and spaces where they are."""
    gap = source[start:stop]
    operator = gap.strip(") (\n\t\\")
    first = start + gap.index(operator)
    return first, first + len(operator), text
