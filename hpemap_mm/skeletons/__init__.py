"""Skeletons: what the joints of the datasets are and mean, and spaces that hold several of them.

Numpy and the standard library only; the joints are read from MMPose's files without importing it.
"""

from hpemap_mm.skeletons.catalog import (
    as_skeleton,
    get_skeleton,
    list_skeletons,
    register_skeleton,
    unregister_skeleton,
)
from hpemap_mm.skeletons.joint_space import JointSpace
from hpemap_mm.skeletons.ontology import canonical_joints, get_ontology
from hpemap_mm.skeletons.sigmas import annotator_stds, stand_in_sigmas
from hpemap_mm.skeletons.skeleton import Skeleton
from hpemap_mm.skeletons.transfer import (
    Correspondence,
    correspondences,
    derivations,
    transfer,
    transfer_matrix,
)

__all__ = [
    'Correspondence',
    'JointSpace',
    'Skeleton',
    'annotator_stds',
    'as_skeleton',
    'canonical_joints',
    'correspondences',
    'derivations',
    'get_ontology',
    'get_skeleton',
    'list_skeletons',
    'register_skeleton',
    'stand_in_sigmas',
    'transfer',
    'transfer_matrix',
    'unregister_skeleton',
]
