"""Imports every module that registers something; named by the registry's ``locations``."""

from hpemap_mm.translators import acae, affine, concat_pairs, dataset, mlp, remap, residual

__all__ = ['acae', 'affine', 'concat_pairs', 'dataset', 'mlp', 'remap', 'residual']
