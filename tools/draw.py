"""Draws the documents that are made from the code: the lifecycle, and which tests show which requirement line."""

from __future__ import annotations

import ast
import sys
from collections import defaultdict
from pathlib import Path

HERE = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(HERE))


def lifecycle() -> str:
    from notary.lifecycle import drawing

    head = "# The life of a case\n\nDrawn from the table in `notary/lifecycle.py` by `make docs`; a test compares the two.\n"
    return f"{head}\n```mermaid\n{drawing()}\n```\n"


def shown() -> dict[str, list[str]]:
    """Requirement line -> the tests that cite it."""
    found: dict[str, list[str]] = defaultdict(list)
    for path in sorted((HERE / "tests").rglob("test_*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef):
                for mark in node.decorator_list:
                    if isinstance(mark, ast.Call) and ast.unparse(mark.func) == "pytest.mark.req":
                        for line in mark.args:
                            found[ast.literal_eval(line)].append(f"`{path.relative_to(HERE)}` {node.name}")
    return found


def requirements() -> str:
    rows = ["# Requirement lines and the tests that show them", "", "Made from the marks by `make docs`.", ""]
    rows += ["| line | shown by |", "| --- | --- |"]
    for line, tests in sorted(shown().items(), key=lambda one: (one[0][0], one[0])):
        rows.append(f"| {line} | {'<br>'.join(tests)} |")
    return "\n".join(rows) + "\n"


DRAWN = {"docs/lifecycle.md": lifecycle, "docs/requirements.md": requirements}


def main() -> int:
    for name, draw in DRAWN.items():
        (HERE / name).write_text(draw())
    return 0


if __name__ == "__main__":
    sys.exit(main())
