"""Metadata and build of the wheel."""

import re
import shutil
from pathlib import Path

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).parent


def read_version() -> str:
    """Version in hpemap_mm/version.py, read without importing the package."""
    text = (ROOT / 'hpemap_mm' / 'version.py').read_text(encoding='utf-8')
    match = re.search(r"^__version__ = '([^']+)'$", text, re.MULTILINE)
    if match is None:
        raise ValueError("hpemap_mm/version.py has no line `__version__ = '...'`.")
    return match.group(1)


class BuildWithConfigs(build_py):
    """Puts ``configs/`` and ``tools/`` into the wheel, as ``hpemap_mm/.mim/``.

    That is where MMPose and its sisters keep theirs, and where MIM looks for them. Copied
    into the build folder only: the tree stays clean, and an editable install, which runs
    from the tree, gets no second copy.
    """

    mim_folders = ('configs', 'tools')

    def run(self) -> None:
        """Build the package, then add the folders."""
        super().run()
        if self.editable_mode:
            return
        for name in self.mim_folders:
            if not (ROOT / name).is_dir():
                raise FileNotFoundError(f'{ROOT / name} is missing: the wheel must carry it.')
            shutil.copytree(
                ROOT / name,
                Path(self.build_lib, 'hpemap_mm', '.mim', name),
                ignore=shutil.ignore_patterns('__pycache__', '*.pyc'),
                dirs_exist_ok=True,
            )


# What the package imports, and what the MMPose modules it uses import; the exact set that is
# tested is in requirements/base.txt.
#
# mmpose and mmcv-lite are an extra, because pip cannot leave out what they require: chumpy,
# which no longer builds; xtcocotools, which breaks under numpy 2; mmengine and opencv-python,
# which overwrite the files of onedl-mmengine and opencv-python-headless. Were they listed
# here, `pip install hpemap_mm` would fail, or leave an environment that does. Nothing that is
# imported needs those four (hpemap_mm/compat.py), so two commands of plain pip do:
#     pip install hpemap_mm
#     pip install --no-deps mmpose==1.3.2 mmcv-lite==2.2.0
# or one of uv, whose overrides can drop a requirement:
#     uv pip install --override requirements/overrides.txt 'hpemap_mm[mmpose]'
# Where the full mmcv is installed and wanted, leave mmcv-lite out of these.
INSTALL_REQUIRES = [
    'faster-coco-eval>=1.8,<2',
    'ijson>=3.2',
    'imagehash>=4.3',
    'json-tricks',  # mmpose
    'matplotlib',
    'munkres',  # mmpose
    'numpy>=2',
    'onedl-mmengine>=0.10.12,<1',
    'opencv-python-headless>=4.10',
    'pillow',
    'pyarrow>=15',
    'pyyaml',
    'rich',
    'safetensors',
    'scipy',
    'six',  # mmpose
    'timm>=1.0.20',
    'torch>=2.4,!=2.13.0',
    'torchvision>=0.19',
]

setup(
    name='hpemap_mm',
    version=read_version(),
    description='Human-pose representations in one MMPose plugin: map, merge, learn, compare.',
    long_description=(ROOT / 'README.md').read_text(encoding='utf-8'),
    long_description_content_type='text/markdown',
    license_expression='Apache-2.0',
    license_files=['LICENSE'],
    keywords='human pose estimation, keypoints, mmpose, ViTPose, COCO, MPII, AIC',
    classifiers=[
        'Development Status :: 4 - Beta',
        'Intended Audience :: Science/Research',
        'Programming Language :: Python :: 3',
        'Programming Language :: Python :: 3.11',
        'Programming Language :: Python :: 3.12',
        'Programming Language :: Python :: 3.13',
        'Topic :: Scientific/Engineering :: Artificial Intelligence',
        'Topic :: Scientific/Engineering :: Image Recognition',
        'Typing :: Typed',
    ],
    python_requires='>=3.11',
    packages=find_packages(include=['hpemap_mm', 'hpemap_mm.*']),
    package_data={'hpemap_mm': ['py.typed', '**/*.toml', '**/*.css', '**/*.js', '**/*.pth']},
    install_requires=INSTALL_REQUIRES,
    extras_require={
        'mmpose': ['mmpose==1.3.2', 'mmcv-lite==2.2.0'],
        'export': ['onnx>=1.17', 'onnx-ir>=0.1', 'onnxruntime>=1.20', 'onnxscript>=0.5'],
    },
    cmdclass={'build_py': BuildWithConfigs},
    zip_safe=False,
)
