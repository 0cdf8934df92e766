"""Registry nodes of scope ``hpemap_mm``: children of MMEngine's roots.

MMEngine imports this module by itself when it meets ``type='hpemap_mm.X'``, and the
``locations`` when it looks X up.
"""

from importlib.util import find_spec

from mmengine import registry as roots
from mmengine.registry import Registry

if find_spec('mmpose') is None:
    raise ImportError(
        'hpemap_mm needs MMPose, whose own requirements no longer install. Install it with '
        '`pip install --no-deps mmpose==1.3.2 mmcv-lite==2.2.0`.'
    )

SCOPE = 'hpemap_mm'


def _node(parent: Registry, *locations: str) -> Registry:
    return Registry(parent.name, parent=parent, scope=SCOPE, locations=list(locations))


MODELS = _node(
    roots.MODELS, 'hpemap_mm.models', 'hpemap_mm.translators.registered', 'hpemap_mm.apis'
)
DATASETS = _node(
    roots.DATASETS, 'hpemap_mm.datasets.registered', 'hpemap_mm.translators.registered'
)
DATA_SAMPLERS = _node(roots.DATA_SAMPLERS, 'hpemap_mm.datasets.registered')
FUNCTIONS = _node(roots.FUNCTIONS, 'hpemap_mm.translators.registered')
TRANSFORMS = _node(roots.TRANSFORMS, 'hpemap_mm.datasets.registered')
METRICS = _node(roots.METRICS, 'hpemap_mm.evaluation.registered')
HOOKS = _node(roots.HOOKS, 'hpemap_mm.engine')
LOOPS = _node(roots.LOOPS, 'hpemap_mm.engine')
OPTIM_WRAPPER_CONSTRUCTORS = _node(roots.OPTIM_WRAPPER_CONSTRUCTORS, 'hpemap_mm.models')

__all__ = [
    'DATASETS',
    'DATA_SAMPLERS',
    'FUNCTIONS',
    'HOOKS',
    'LOOPS',
    'METRICS',
    'MODELS',
    'OPTIM_WRAPPER_CONSTRUCTORS',
    'SCOPE',
    'TRANSFORMS',
]
