"""The face engines that stand here, by name; each loads its model once a process, when first asked for."""

import importlib
from functools import cache

from identity.errors import NoEngine
from identity.faces import Engine

_WHERE = {"sface": ("identity.engines.sface", "SFace"), "face_recognition": ("identity.engines.dlib5", "Dlib5")}
NAMES = tuple(_WHERE)
DEFAULT = "sface"


@cache
def engine(name: str) -> Engine:
    """The engine `name`, its model file verified. Raises NoEngine (unknown, or its packages were left out), BadWeights."""
    if name not in _WHERE:
        raise NoEngine(f"no engine {name!r}; there are {', '.join(NAMES)}")
    module, kind = _WHERE[name]
    try:
        made: Engine = getattr(importlib.import_module(module), kind)()
    except ImportError as missing:
        raise NoEngine(f"the packages of engine {name} are not installed") from missing
    return made
