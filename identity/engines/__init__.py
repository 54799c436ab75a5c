"""The face engines that stand here, by name; each loads its model once a process, when first asked for."""

import importlib
from functools import cache

from identity import thresholds
from identity.errors import BadThresholds, NoEngine
from identity.faces import Engine

_WHERE = {"sface": ("identity.engines.sface", "SFace"), "face_recognition": ("identity.engines.dlib5", "Dlib5")}
NAMES = tuple(_WHERE)
DEFAULT = "sface"


@cache
def engine(name: str) -> Engine:
    """The engine `name`, its model file verified, with the office's own bands where it has some. Raises NoEngine
    (unknown, or its packages were left out), BadWeights, BadThresholds.
    """
    if name not in _WHERE:
        raise NoEngine(f"no engine {name!r}; there are {', '.join(NAMES)}")
    module, kind = _WHERE[name]
    try:
        made: Engine = getattr(importlib.import_module(module), kind)()
    except ImportError as missing:
        raise NoEngine(f"the packages of engine {name} are not installed") from missing
    if own := thresholds.installed().get(name):
        if own.model_sha256 != made.model_sha256:
            raise BadThresholds(f"these thresholds are for another model than {name}'s")
        made.use(own.steps, own.named(), own.source)
    return made
