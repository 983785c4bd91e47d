"""A plain number that measures something is named by its unit: `joules`, not `energy`."""

import ast
import re

# A field whose last word is one of these leaves open in what it is counted.
DIMENSIONS = re.compile(
    "(?:.*_)?(?:time|duration|interval|timeout|latency|energy|power|price|cost|money|carbon|"
    "emissions|memory|bandwidth|capacity|frequency|temperature|distance)"
)
# What looks like a dimension and has none: a softmax divides its logits by this.
UNITLESS = {"DistillConfig.temperature", "ElasticConfig.distill_temperature"}
PLAIN_NUMBERS = {"int", "float", "int | None", "float | None", "dict[str, float]"}


def _fields(tree):
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef):
            for item in node.body:
                if isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name):
                    yield node.name, item.target.id, ast.unparse(item.annotation)


def test_no_plain_number_is_named_by_its_dimension_alone(package_trees):
    unclear = [
        f"{file}: {owner}.{name}: {kind}"
        for file, tree in package_trees.items()
        for owner, name, kind in _fields(tree)
        if kind in PLAIN_NUMBERS and DIMENSIONS.fullmatch(name.lower())
        if f"{owner}.{name}" not in UNITLESS
    ]
    assert unclear == [], "end the name in its unit, or make the field a Quantity"
