"""The drawing of the layers in docs/architecture.md is the contract that import-linter checks."""

import re
import tomllib


def _drawn_layers(page):
    block = re.search(r"```layers\n(.*?)```", page, re.DOTALL)
    assert block, "docs/architecture.md has no ```layers block"
    return [re.split(r"\s{2,}", line.strip())[0] for line in block.group(1).strip().splitlines()]


def test_the_page_draws_the_layers_of_the_contract(root):
    settings = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = settings["tool"]["importlinter"]["contracts"]
    layers = next(contract["layers"] for contract in contracts if contract["type"] == "layers")
    page = (root / "docs" / "architecture.md").read_text(encoding="utf-8")
    assert _drawn_layers(page) == layers


def test_every_contract_is_named_on_the_page(root):
    settings = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    page = (root / "docs" / "architecture.md").read_text(encoding="utf-8").lower()
    names = [contract["name"] for contract in settings["tool"]["importlinter"]["contracts"]]
    assert [name for name in names if name.lower() not in page] == []


def test_every_room_has_its_line_on_the_page(root, package):
    page = (root / "docs" / "architecture.md").read_text(encoding="utf-8")
    rooms = [path.parent.name for path in package.glob("*/__init__.py")]
    stages = [path.parent.name for path in package.glob("stages/*/__init__.py")]
    assert [room for room in [*rooms, *stages] if f"`{room}`" not in page] == []
