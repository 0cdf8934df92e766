"""The package reads MMPose's files without importing it, or anything as heavy."""

import subprocess
import sys

SCRIPT = """
import sys
import hpemap_mm.skeletons as skeletons
space = skeletons.JointSpace.union(*skeletons.list_skeletons())
skeletons.correspondences('coco', 'mpii')
space.scatter('coco', [[0.0, 0.0]] * 17)
heavy = ['torch', 'torchvision', 'mmpose', 'mmengine', 'mmcv', 'cv2', 'scipy']
print([name for name in heavy if name in sys.modules])
"""


def test_nothing_heavy_is_imported() -> None:
    run = subprocess.run([sys.executable, '-c', SCRIPT], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == '[]'
