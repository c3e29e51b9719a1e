"""Changes the code at random places, one at a time, and tells which changes no test notices.

    python scripts/mutants.py --count 25 ssen_ros/instances.py test/unit/test_instances.py ...

The first file is changed in a copy of the checkout, the others are the tests that ought to notice. A change
is a comparison, a sign, a number, a word (and/or, min/max, any/all, True/False) in place of another, or a
statement left out. Those that survive are printed: each wants a test, or an explanation.
"""

import argparse
import ast
import copy
import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[1]
TIMEOUT_S = 600  # a change that never ends is noticed too

_OPERATORS = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq, ast.In: ast.NotIn, ast.NotIn: ast.In, ast.Is: ast.IsNot, ast.IsNot: ast.Is,
    ast.And: ast.Or, ast.Or: ast.And, ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Add,
    ast.Div: ast.Mult, ast.FloorDiv: ast.Mult, ast.LShift: ast.RShift, ast.RShift: ast.LShift,
    ast.BitOr: ast.BitAnd, ast.BitAnd: ast.BitOr,
}  # fmt: skip
_WORDS = {"min": "max", "max": "min", "any": "all", "all": "any", "argmin": "argmax", "argmax": "argmin"}


def changes(node: ast.AST) -> Iterator[ast.AST]:
    """The node as it might be instead."""
    other = copy.deepcopy(node)
    if isinstance(other, ast.Compare) and type(other.ops[0]) in _OPERATORS:
        other.ops[0] = _OPERATORS[type(other.ops[0])]()
        yield other
    elif isinstance(other, ast.BinOp | ast.BoolOp | ast.AugAssign) and type(other.op) in _OPERATORS:
        other.op = _OPERATORS[type(other.op)]()
        yield other
    elif isinstance(other, ast.UnaryOp) and isinstance(other.op, ast.Not | ast.USub | ast.Invert):
        yield other.operand
    elif isinstance(other, ast.Constant) and isinstance(other.value, bool):
        yield ast.Constant(not other.value)
    elif isinstance(other, ast.Constant) and isinstance(other.value, int | float):
        yield ast.Constant(other.value + 1)
    elif isinstance(other, ast.Name) and other.id in _WORDS:
        yield ast.Name(_WORDS[other.id])
    elif isinstance(other, ast.Attribute) and other.attr in _WORDS:
        other.attr = _WORDS[other.attr]
        yield other
    elif isinstance(other, ast.AugAssign | ast.Raise) or (
        isinstance(other, ast.Expr) and isinstance(other.value, ast.Call)
    ):
        yield ast.Pass()


class _Exchange(ast.NodeTransformer):
    def __init__(self, number: int, by: ast.AST):
        self._left, self._by = number, by

    def visit(self, node: ast.AST) -> ast.AST:
        self._left -= 1
        return ast.copy_location(self._by, node) if self._left == -1 else self.generic_visit(node)


class _Order(ast.NodeTransformer):
    def __init__(self):
        self.nodes: list[ast.AST] = []

    def visit(self, node: ast.AST) -> ast.AST:
        self.nodes.append(node)
        return self.generic_visit(node)


def mutants(source: str) -> list[tuple[int, str, str]]:
    """(line, what it was and is, source) of every possible change; what messages say stays."""
    tree, found, visited = ast.parse(source), [], _Order()
    visited.visit(tree)
    order = visited.nodes
    spoken = {id(inner) for node in order if isinstance(node, ast.JoinedStr) for inner in ast.walk(node)}
    for number, node in enumerate(order):
        for other in () if id(node) in spoken else changes(node):
            mutant = ast.fix_missing_locations(_Exchange(number, other).visit(copy.deepcopy(tree)))
            told = f"{ast.unparse(node)}  ->  {ast.unparse(other)}"
            found.append((getattr(node, "lineno", 0), " ".join(told.split())[:150], ast.unparse(mutant)))
    return found


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("file", type=Path)
    parser.add_argument("tests", nargs="+")
    parser.add_argument("--count", type=int, default=25)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    possible = mutants((CHECKOUT / args.file).read_text())
    chosen = random.Random(args.seed).sample(possible, min(args.count, len(possible)))
    survived = 0
    with tempfile.TemporaryDirectory() as folder:
        for name in ("ssen_ros", "test", "config"):
            shutil.copytree(CHECKOUT / name, Path(folder) / name)
        shutil.copy(CHECKOUT / "pyproject.toml", folder)
        command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *args.tests]
        environment = {**os.environ, "PYTHONPATH": folder, "PYTHONDONTWRITEBYTECODE": "1"}
        for line, told, source in sorted(chosen):
            (Path(folder) / args.file).write_text(source)
            try:
                code = subprocess.run(
                    command, cwd=folder, env=environment, capture_output=True, timeout=TIMEOUT_S
                ).returncode
            except subprocess.TimeoutExpired:
                code = 1
            survived += code == 0
            print(f"{'survived' if code == 0 else 'noticed '} {args.file}:{line}: {told}", flush=True)
    print(f"{args.file}: {len(chosen)} of {len(possible)} changes, {survived} survived")
    return 0


if __name__ == "__main__":
    sys.exit(main())
