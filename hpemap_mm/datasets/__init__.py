"""Datasets: the multi-skeleton wrapper, its sampler and transforms, MPII, LSP, the mannequin.

Names are imported when they are first used: the mannequin's generator needs neither torch
nor MMPose. MMEngine registers everything by importing
:mod:`hpemap_mm.datasets.registered`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hpemap_mm.datasets.completed import CompletedDataset
    from hpemap_mm.datasets.entries import Entry
    from hpemap_mm.datasets.inspection import EntryReport, inspect_entry
    from hpemap_mm.datasets.load_image import BadImageError, LoadPoseImage
    from hpemap_mm.datasets.lsp import LspDataset
    from hpemap_mm.datasets.mpii import MpiiDataset
    from hpemap_mm.datasets.multi_skeleton import EntrySummary, MultiSkeletonDataset
    from hpemap_mm.datasets.pack import PackSample
    from hpemap_mm.datasets.sampler import MultiSkeletonSampler
    from hpemap_mm.datasets.to_joint_space import ToJointSpace

_MODULES = {
    'BadImageError': 'load_image',
    'CompletedDataset': 'completed',
    'Entry': 'entries',
    'EntryReport': 'inspection',
    'EntrySummary': 'multi_skeleton',
    'LoadPoseImage': 'load_image',
    'LspDataset': 'lsp',
    'MpiiDataset': 'mpii',
    'MultiSkeletonDataset': 'multi_skeleton',
    'MultiSkeletonSampler': 'sampler',
    'PackSample': 'pack',
    'ToJointSpace': 'to_joint_space',
    'inspect_entry': 'inspection',
}

__all__ = [
    'BadImageError',
    'CompletedDataset',
    'Entry',
    'EntryReport',
    'EntrySummary',
    'LoadPoseImage',
    'LspDataset',
    'MpiiDataset',
    'MultiSkeletonDataset',
    'MultiSkeletonSampler',
    'PackSample',
    'ToJointSpace',
    'inspect_entry',
]


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
    return getattr(import_module(f'{__name__}.{_MODULES[name]}'), name)
