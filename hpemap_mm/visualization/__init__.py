"""Pictures of poses: one skeleton on a photograph, and panels of many skeletons."""

from hpemap_mm.visualization.draw import Pose, crop_to, draw_pose, limb_colors
from hpemap_mm.visualization.panels import grid, label, pose_panel, row

__all__ = [
    'Pose',
    'crop_to',
    'draw_pose',
    'grid',
    'label',
    'limb_colors',
    'pose_panel',
    'row',
]
