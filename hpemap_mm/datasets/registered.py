"""Imports every module that registers something; named by the registry's ``locations``."""

from hpemap_mm.datasets import (
    completed,
    load_image,
    lsp,
    mpii,
    multi_skeleton,
    pack,
    sampler,
    to_joint_space,
)

__all__ = [
    'completed',
    'load_image',
    'lsp',
    'mpii',
    'multi_skeleton',
    'pack',
    'sampler',
    'to_joint_space',
]
