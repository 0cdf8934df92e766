"""Uses an installed hpemap_mm as its users do, far from the checkout. Run by `make wheel`."""

import importlib
from importlib import metadata
from pathlib import Path

import numpy as np
from mmengine.config import Config

import hpemap_mm

home = Path(hpemap_mm.__file__).parent
assert 'site-packages' in home.parts, f'{home} is not an installed package'

# Pulled in by somebody's requirements, these overwrite what works (requirements/overrides.txt).
installed = {distribution.name for distribution in metadata.distributions()}
unwanted = installed & {'chumpy', 'xtcocotools', 'opencv-python', 'mmengine'}
assert not unwanted, f'the wheel brings {unwanted}'

for name in ('models', 'datasets', 'evaluation', 'visualization', 'apis'):
    importlib.import_module(f'mmpose.{name}')
for name in ('skeletons', 'datasets', 'models', 'evaluation', 'analysis.report', 'engine'):
    importlib.import_module(f'hpemap_mm.{name}')
print('stand-ins:', ', '.join(hpemap_mm.compat.stand_ins()))

from hpemap_mm.apis import PRETRAINED, pretrained_translator  # noqa: E402 - after the stand-ins

for source, target in PRETRAINED:
    translator = pretrained_translator(source, target)
    person = np.random.default_rng(0).normal(size=(1, len(translator.source), 2))
    assert np.isfinite(translator(person).keypoints).all()

configs = sorted((home / '.mim' / 'configs').rglob('*.py'))
tools = sorted((home / '.mim' / 'tools').glob('*.py'))
assert configs and tools, 'the wheel carries no configs or no tools'
for config in configs:
    Config.fromfile(config)
print(f'hpemap_mm {hpemap_mm.__version__} works: {len(configs)} configs load, {len(tools)} tools')
