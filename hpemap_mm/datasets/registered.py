"""Imports every module that registers something; named by the registry's ``locations``."""

from hpemap_mm.datasets import load_image, lsp, mpii, multi_skeleton, pack, sampler, to_joint_space

__all__ = ['load_image', 'lsp', 'mpii', 'multi_skeleton', 'pack', 'sampler', 'to_joint_space']
