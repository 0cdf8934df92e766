"""One named entry of a merged dataset: an MMPose dataset and the skeleton it is in."""

# N persons, K joints of the skeleton

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import mmpose.registry
import numpy as np
from mmengine.dataset import BaseDataset, Compose
from mmengine.registry import DefaultScope
from mmpose.datasets import CombinedDataset
from mmpose.datasets.datasets.base import BaseCocoStyleDataset
from mmpose.datasets.datasets.body import MpiiDataset as UpstreamMpiiDataset
from mmpose.datasets.datasets.utils import parse_pose_metainfo
from mmpose.datasets.datasets.wholebody import CocoWholeBodyDataset

from hpemap_mm.datasets import checks
from hpemap_mm.datasets.completed import CompletedDataset
from hpemap_mm.datasets.lsp import LspDataset
from hpemap_mm.datasets.to_joint_space import ToJointSpace
from hpemap_mm.errors import DataError, ProblemList
from hpemap_mm.skeletons import JointSpace, Skeleton, get_skeleton, list_skeletons

#: The keys of an entry's config.
ENTRY_KEYS = ('dataset', 'skeleton', 'weight', 'pipeline')

#: Keys of a sample that follow from the dataset's metainfo.
_METAINFO_KEYS = (
    'upper_body_ids',
    'lower_body_ids',
    'flip_pairs',
    'dataset_keypoint_weights',
    'flip_indices',
    'skeleton_links',
)
_PER_JOINT_KEYS = ('keypoints', 'keypoints_visible', 'keypoints_visible_weights')


@dataclass(frozen=True, eq=False)
class Entry:
    """One dataset of several.

    Attributes:
        name: Its name among the entries, which its samples carry as ``dataset_name``.
        skeleton: What its samples are annotated in; the concat space of several skeletons where
            they have labels in all of them.
        dataset: The MMPose dataset, without a pipeline; loaded by :meth:`load`.
        pipeline: What turns a person's data into a sample.
        weight: Its weight with explicit sampling.
        select: (K,) places of the skeleton's joints among the dataset's, where the dataset
            has more joints than the skeleton; else None.
    """

    name: str
    skeleton: Skeleton | JointSpace
    dataset: BaseDataset
    pipeline: Callable[[dict], Any]
    weight: float | None
    select: np.ndarray | None

    @property
    def members(self) -> tuple[Skeleton, ...]:
        """The skeleton, or all of them."""
        if isinstance(self.skeleton, JointSpace):
            return self.skeleton.skeletons
        return (self.skeleton,)

    def data_info(self, index: int) -> dict:
        """A person's data, as they enter the pipeline.

        Beside what the MMPose dataset gives: ``dataset_name`` (the entry's),
        ``skeleton``; ``keypoints`` and ``keypoints_visible`` float32, in the skeleton. Where a
        person has labels in several skeletons at once, ``skeletons`` names them, and ``skeleton``
        the one it was annotated in.
        """
        info = self.dataset.get_data_info(index)
        info['dataset_name'] = self.name
        if isinstance(self.skeleton, JointSpace):
            info['skeletons'] = [member.name for member in self.members]
        else:
            info['skeleton'] = self.skeleton.name
        for key in _PER_JOINT_KEYS:
            if info.get(key) is not None:
                values = np.asarray(info[key], np.float32)
                info[key] = values if self.select is None else values[:, self.select]
        if self.select is not None:
            info.update(copy.deepcopy(self._skeleton_keys))
        if getattr(self.dataset, 'data_mode', 'topdown') == 'bottomup':
            info['dataset'] = self.dataset  # MMPose's mixing transforms fetch more images
        return info

    @cached_property
    def _skeleton_keys(self) -> dict[str, Any]:
        parsed = parse_pose_metainfo(self.skeleton.metainfo())
        return {key: parsed[key] for key in _METAINFO_KEYS}

    def rows(self) -> Iterator[tuple[str, np.ndarray]]:
        """Image path and (N, K) visibility of every sample, read without the metainfo."""
        for index in range(len(self.dataset)):
            info = BaseDataset.get_data_info(self.dataset, index)
            visible = info.get('keypoints_visible')
            if visible is None:  # bottom-up tests keep images without persons
                visible = np.zeros((0, len(self.dataset.metainfo['keypoint_id2name'])))
            visible_NK = np.asarray(visible, np.float32)
            visible_NK = visible_NK[..., 0] if visible_NK.ndim == 3 else visible_NK
            yield (
                str(info['img_path']),
                (visible_NK if self.select is None else visible_NK[:, self.select]),
            )

    def image_path(self, index: int) -> str:
        """Path of the image at ``index``."""
        return str(BaseDataset.get_data_info(self.dataset, index)['img_path'])

    def load(self, problems: ProblemList) -> None:
        """Read the annotations; note it where no person is left, or shapes do not fit."""
        where = f'entry {self.name!r}'
        dataset = self.dataset
        try:
            dataset.full_init()
        except DataError as error:
            problems.extend(error)
            return
        except ValueError:
            if dataset.data_list:
                raise
            # np.concatenate of nothing: MMEngine cannot serialise an empty list.
        if not dataset._fully_initialized or len(dataset) == 0:
            fix = 'check its filters (indices, filter_cfg, sample_interval, bbox_file)'
            problems.add(where, 'no person is left after reading', fix)
            return
        shape = np.shape(BaseDataset.get_data_info(dataset, 0).get('keypoints', ()))
        expected = len(dataset.metainfo['keypoint_id2name'])
        if shape and (len(shape) < 3 or shape[1] != expected):
            what = f'its reader gives keypoints of shape {shape}, where {expected} joints are named'
            problems.add(where, what, 'use the dataset type that fits the file')

    def check_files(self, problems: ProblemList, *, images: bool) -> checks.FileFacts:
        """Check the entry's files before its reader meets them.

        Args:
            problems: Collects what is wrong.
            images: Whether to look for the images, too (one listing per directory).
        """
        dataset, root = self.dataset, getattr(self.dataset, 'data_root', None)
        path = str(dataset.ann_file or '')
        kind = file_kind(dataset)
        if isinstance(dataset, CompletedDataset):
            return dataset.check_files(problems, images=images, entry=self.name)
        joints = len(dataset.metainfo['keypoint_id2name'])
        names: dict[str, Any] = {'entry': self.name}
        facts = checks.FileFacts(path, kind)
        if '://' in path:  # a storage backend: read through MMEngine only
            return facts
        for what in ('bbox_file', 'headbox_file'):
            if getattr(dataset, what, None):
                checks.check_exists(getattr(dataset, what), what, problems, data_root=root, **names)
        if not checks.check_exists(path, 'annotation file', problems, data_root=root, **names):
            return facts
        if kind == 'lsp':
            facts = checks.check_lsp(path, problems, joints=joints, **names)
        elif kind in ('coco', 'mpii'):
            content = checks.read_json(path, problems, **names)
            if content is None:
                return facts
            if kind == 'mpii':
                facts = checks.check_mpii(content, problems, path=path, joints=joints, **names)
            else:
                whole = isinstance(dataset, CocoWholeBodyDataset)
                parts = checks.WHOLEBODY_PARTS if whole else ('keypoints',)
                facts = checks.check_coco(
                    content, problems, path=path, joints=joints, parts=parts, **names
                )
        folder = (getattr(dataset, 'data_prefix', None) or {}).get('img') or ''
        if images and facts.images and '://' not in folder:
            checks.check_images(folder, facts.images, problems, **names)
        return facts


def file_kind(dataset: BaseDataset) -> str:
    """The format of a dataset's annotation file: ``'coco'``, ``'mpii'``, ``'lsp'``, ``'other'``."""
    if isinstance(dataset, LspDataset):
        return 'lsp'
    if isinstance(dataset, UpstreamMpiiDataset):
        return 'mpii'
    reader = getattr(type(dataset), '_load_annotations', None)
    return 'coco' if reader is BaseCocoStyleDataset._load_annotations else 'other'


def build_entry(
    name: str,
    cfg: Mapping[str, Any],
    *,
    pipeline: Sequence[dict | Callable] = (),
    joint_space: JointSpace | None = None,
    test_mode: bool = False,
) -> Entry:
    """Build an entry; its annotations are not read yet.

    Args:
        name: Name of the entry.
        cfg: ``dataset`` (config of any MMPose dataset), and optionally ``skeleton`` (by
            default what the dataset's own metainfo names), ``weight``, ``pipeline``.
        pipeline: What to use where the entry has no pipeline of its own.
        joint_space: If given, the pipeline starts with :class:`ToJointSpace`.
        test_mode: Passed on to the dataset.

    Raises:
        ValueError: If the config has unknown or contradictory keys, the skeleton is not in
            the joint space, or the dataset's joints are not the skeleton's.
        KeyError: If the skeleton is unknown.
    """
    extra = sorted(set(cfg) - set(ENTRY_KEYS))
    if extra or 'dataset' not in cfg:
        wrong = f'has unknown keys {extra}' if extra else "has no 'dataset'"
        raise ValueError(f'Entry {name!r} {wrong}. Keys of an entry: {list(ENTRY_KEYS)}')
    with DefaultScope.overwrite_default_scope('mmpose'):
        dataset = _build_dataset(name, cfg['dataset'], test_mode)
        skeleton = _skeleton_of(name, cfg.get('skeleton'), dataset)
        select = _match_joints(name, skeleton, dataset)
        steps = list(pipeline if cfg.get('pipeline') is None else cfg['pipeline'])
        if joint_space is not None:
            steps = [ToJointSpace(joint_space), *steps]
        composed = Compose(copy.deepcopy(steps))
    entry = Entry(name, skeleton, dataset, composed, cfg.get('weight'), select)
    _check_space(entry, joint_space, test_mode)
    return entry


def _check_space(entry: Entry, joint_space: JointSpace | None, test_mode: bool) -> None:
    """Whether the samples of an entry can be brought into the space."""
    if isinstance(entry.skeleton, JointSpace) and test_mode:
        raise ValueError(
            f'Entry {entry.name!r} reads several skeletons at once: a test is in one; make an '
            'entry of each.'
        )
    if joint_space is None:
        return
    members = [member.name for member in joint_space.skeletons]
    for skeleton in entry.members:
        if skeleton.name not in members:
            raise ValueError(
                f'Entry {entry.name!r}: skeleton {skeleton.name!r} is not in the joint space '
                f'{joint_space.name!r} of {members}.'
            )


def refuse_several(entries: Iterable[Entry]) -> None:
    """Refuse entries of several skeletons at once, where there is no joint space.

    Raises:
        ValueError: If there is one; names it.
    """
    for entry in entries:
        if isinstance(entry.skeleton, JointSpace):
            raise ValueError(
                f'Entry {entry.name!r} reads several skeletons at once, which needs a joint_space; '
                'for a model with a head for each skeleton, make an entry of each.'
            )


def _build_dataset(name: str, cfg: Mapping[str, Any], test_mode: bool) -> BaseDataset:
    settings = copy.deepcopy(dict(cfg))
    if settings.pop('pipeline', None):
        raise ValueError(
            f'Entry {name!r}: its dataset has a pipeline, which would be applied before the '
            'joint space; put it into the entry: dict(dataset=..., pipeline=[...]).'
        )
    for key, ours in (('test_mode', test_mode), ('lazy_init', True)):
        if key == 'test_mode' and settings.get(key, ours) != ours:
            raise ValueError(
                f'Entry {name!r}: its dataset has test_mode={settings[key]}, but the merged '
                f'dataset has test_mode={ours}; leave it out of the entry.'
            )
        settings[key] = ours
    try:
        with warnings.catch_warnings():
            # MMPose finds its metainfo in its wheel, and warns that it had to look for it.
            warnings.filterwarnings('ignore', message='The metainfo config file')
            dataset = mmpose.registry.DATASETS.build(settings)
    except Exception as error:
        error.add_note(f'(while building entry {name!r})')
        raise
    if isinstance(dataset, CombinedDataset) or 'keypoint_id2name' not in dataset.metainfo:
        raise ValueError(
            f'Entry {name!r}: {type(dataset).__name__} is no dataset of one annotation file in one '
            'skeleton; name the datasets that it combines as entries of their own.'
        )
    return dataset


def _skeleton_of(
    name: str, given: str | Skeleton | None, dataset: BaseDataset
) -> Skeleton | JointSpace:
    if isinstance(dataset, CompletedDataset):
        read = dataset.representation
        if given not in (None, read, read.name):
            raise ValueError(
                f'Entry {name!r}: skeleton={given!r}, but its dataset reads {read.name!r}.'
            )
        return read
    if isinstance(given, Skeleton):
        return given
    wanted = given if given is not None else dataset.metainfo.get('dataset_name')
    try:
        return get_skeleton(wanted)
    except KeyError:
        source = '' if given is not None else ' (named by its dataset; give skeleton=...)'
        raise KeyError(
            f'Entry {name!r}: unknown skeleton {wanted!r}{source}. '
            f'Available: {list(list_skeletons())}'
        ) from None


def _match_joints(
    name: str, skeleton: Skeleton | JointSpace, dataset: BaseDataset
) -> np.ndarray | None:
    """None where the dataset's joints are the skeleton's; else where the latter are among them.

    A dataset with more joints (MMPose's HalpeDataset has 136, 'halpe' 26) is read in the
    skeleton, as long as the skeleton's joints are there in the same order.
    """
    named = dataset.metainfo['keypoint_id2name']
    joints = [named[k] for k in sorted(named)]
    if joints == list(skeleton.joints):
        return None
    missing = [joint for joint in skeleton.joints if joint not in joints]
    places = [joints.index(joint) for joint in skeleton.joints if joint in joints]
    if missing or places != sorted(places):
        what = f'has no {missing}' if missing else 'has them in another order'
        raise ValueError(
            f'Entry {name!r}: {type(dataset).__name__} does not have the joints of skeleton '
            f'{skeleton.name!r}: it {what}. Its joints ({len(joints)}, '
            f'{checks.looks_like(len(joints))}): {joints}'
        )
    return np.array(places)
