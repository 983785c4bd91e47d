"""A file fits in one reading and a function on one screen. Data files are exempt."""

import ast

MAX_FILE_LINES = 400
MAX_FUNCTION_LINES = 60
FOLDERS = ("src/farthing", "tests", "scripts", "bench")


def _python_files(root):
    return [path for folder in FOLDERS for path in sorted((root / folder).rglob("*.py"))]


def test_no_file_is_longer_than_the_limit(root):
    lengths = {
        str(path.relative_to(root)): len(path.read_text(encoding="utf-8").splitlines())
        for path in _python_files(root)
    }
    assert {name: n for name, n in lengths.items() if n > MAX_FILE_LINES} == {}


def test_no_function_is_longer_than_the_limit(root):
    too_long = [
        f"{path.relative_to(root)}:{node.lineno} {node.name} {length} lines"
        for path in _python_files(root)
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (length := node.end_lineno - node.lineno + 1) > MAX_FUNCTION_LINES
    ]
    assert too_long == []
