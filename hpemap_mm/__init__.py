"""hpemap_mm: every human-pose representation, in one MMPose plugin.

Importing the package only prepares MMPose for today's PyTorch
(:mod:`hpemap_mm.compat`); MMEngine imports the registered modules when a config
names one, as in ``type='hpemap_mm.MultiHeadPoseEstimator'``.
"""

from hpemap_mm import compat
from hpemap_mm.version import __version__

compat.install()

__all__ = ['__version__', 'compat']
