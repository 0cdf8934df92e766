"""Estimators that know several skeletons: by one decoder each, or by a joint space."""

from hpemap_mm.models.estimators.answers import AnsweringPoseEstimator
from hpemap_mm.models.estimators.joint_space import JointSpacePoseEstimator
from hpemap_mm.models.estimators.multi_head import MultiHeadPoseEstimator
from hpemap_mm.models.estimators.routing import route

__all__ = [
    'AnsweringPoseEstimator',
    'JointSpacePoseEstimator',
    'MultiHeadPoseEstimator',
    'route',
]
