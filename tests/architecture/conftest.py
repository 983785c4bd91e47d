"""What the tests of the project's habits share: where things are, and parsed source."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def root() -> Path:
    """The repository."""
    return ROOT


@pytest.fixture(scope="session")
def package() -> Path:
    """The folder of the package's source."""
    return ROOT / "src" / "farthing"


@pytest.fixture(scope="session")
def package_trees(package) -> dict[str, ast.Module]:
    """Each source file of the package, by its path below the package, parsed."""
    return {
        path.relative_to(package).as_posix(): ast.parse(path.read_text(encoding="utf-8"))
        for path in sorted(package.rglob("*.py"))
    }
