"""Everybody's weights: read, told apart, brought into one form, and written for others."""

from hpemap_mm.checkpoints.describe import by_reason, counts, describe, heads_of, some
from hpemap_mm.checkpoints.fitting import Fitted, fit, of_one_type, unused_experts, unused_heads
from hpemap_mm.checkpoints.hf_config import HF_FILES, check_hf_folder
from hpemap_mm.checkpoints.kinds import KINDS
from hpemap_mm.checkpoints.layouts import (
    hf_processor,
    to_hf,
    to_hpemap,
    to_mmpose,
    to_vitpose,
)
from hpemap_mm.checkpoints.loading import Loaded, load_pose_weights
from hpemap_mm.checkpoints.naming import VITPOSE_PLUS, VITPOSE_THREE, pose_weights
from hpemap_mm.checkpoints.ours import (
    build_on_meta,
    codec,
    initial_model,
    model_config,
    model_config_of,
    pose_weights_of,
    without_files,
)
from hpemap_mm.checkpoints.read import CheckpointFile, read_file, read_tensors
from hpemap_mm.checkpoints.recognise import RawHead, Recognised, recognise
from hpemap_mm.checkpoints.stated import statement
from hpemap_mm.checkpoints.stock import configs_like, mmpose_config, mmpose_meta
from hpemap_mm.checkpoints.weights import HeadWeights, PoseWeights
from hpemap_mm.checkpoints.write import check_target, write_weights

__all__ = [
    'HF_FILES',
    'KINDS',
    'VITPOSE_PLUS',
    'VITPOSE_THREE',
    'CheckpointFile',
    'Fitted',
    'HeadWeights',
    'Loaded',
    'PoseWeights',
    'RawHead',
    'Recognised',
    'build_on_meta',
    'by_reason',
    'check_hf_folder',
    'check_target',
    'codec',
    'configs_like',
    'counts',
    'describe',
    'fit',
    'heads_of',
    'hf_processor',
    'initial_model',
    'load_pose_weights',
    'mmpose_config',
    'mmpose_meta',
    'model_config',
    'model_config_of',
    'of_one_type',
    'pose_weights',
    'pose_weights_of',
    'read_file',
    'read_tensors',
    'recognise',
    'some',
    'statement',
    'to_hf',
    'to_hpemap',
    'to_mmpose',
    'to_vitpose',
    'unused_experts',
    'unused_heads',
    'without_files',
    'write_weights',
]
