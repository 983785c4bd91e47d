"""Every setting says what it means, so that an error about it can tell the user."""

import importlib
import pkgutil

import farthing
from farthing.artifacts.config import Config


def _all_subclasses(cls):
    for subclass in cls.__subclasses__():
        yield subclass
        yield from _all_subclasses(subclass)


def test_every_setting_has_a_description():
    for module in pkgutil.walk_packages(farthing.__path__, "farthing."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    ours = [cls for cls in _all_subclasses(Config) if cls.__module__.startswith("farthing.")]
    assert ours, "no settings class was found"
    bare = [
        f"{cls.__module__}.{cls.__qualname__}.{name}"
        for cls in ours
        for name, field in cls.model_fields.items()
        if not field.description
    ]
    assert bare == []
