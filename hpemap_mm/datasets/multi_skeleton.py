"""One dataset of several, each in its own skeleton."""

# E entries, N persons of an entry, K joints of a skeleton

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from mmengine.dataset import BaseDataset
from mmengine.logging import print_log
from mmpose.datasets.datasets.utils import parse_pose_metainfo
from torch.utils.data import Dataset, get_worker_info

from hpemap_mm.datasets import sampling as planning
from hpemap_mm.datasets.checks import FileFacts
from hpemap_mm.datasets.entries import Entry, build_entry, refuse_several
from hpemap_mm.datasets.exclusion import LeftOut, leave_out_duplicates
from hpemap_mm.datasets.load_image import BadImageError
from hpemap_mm.datasets.seeding import sample_randomness
from hpemap_mm.errors import Problem, ProblemList
from hpemap_mm.registry import DATASETS
from hpemap_mm.skeletons import JointSpace, Skeleton

#: Plans kept: a loader may still fetch from one epoch while the next one starts.
_PLANS_KEPT = 2


@dataclass(frozen=True)
class EntrySummary:
    """What an entry contributes.

    Attributes:
        name: The entry.
        skeleton: Name of its skeleton.
        persons: Samples in it (images, in bottom-up mode).
        images: Different images.
        files: Its annotation file, and the folder of its images.
        share: Its share of an epoch, 0 to 1.
        per_epoch: Its samples in an epoch.
        labelled: (K,) how many persons have each joint labelled.
        labelled_histogram: Number of labelled joints -> number of persons with so many.
    """

    name: str
    skeleton: str
    persons: int
    images: int
    files: tuple[str, ...]
    share: float
    per_epoch: int
    labelled: tuple[int, ...]
    labelled_histogram: dict[int, int]


@DATASETS.register_module()
class MultiSkeletonDataset(Dataset):
    """A wrapper over any MMPose datasets, one named entry each.

    Two entries of one class stay two: a sample's ``dataset_name`` is its entry's name, and
    its ``skeleton`` the name of the skeleton it is annotated in. Each entry keeps its own
    joints, flip indices and body halves, or is brought into ``joint_space``.

    **What an epoch is.** In training, every entry gets its share of ``samples_per_epoch``
    places, and goes through its persons in an order that continues from epoch to epoch, so
    that each is seen once before any is seen twice. In testing, every person of every
    entry, in the order in which the MMPose dataset reads them.

    **Determinism.** An index is ``epoch * len(dataset) + position``; what it gives depends
    on ``(seed, epoch, position)`` and on nothing else: not on workers, ranks or restarts.
    Use ``hpemap_mm.MultiSkeletonSampler``, which makes such indices. With another sampler
    all indices are of epoch 0: every epoch then has the same persons with the same
    augmentations, and a warning says so. Transforms that draw from generators of their
    own (Albumentations 2) are beyond its reach.

    Args:
        entries: Name -> ``dict(dataset=..., skeleton=None, weight=None, pipeline=None)``.
        pipeline: The pipeline of entries that have none of their own.
        joint_space: A :class:`JointSpace` or what ``JointSpace.from_config`` takes: every
            pipeline then starts with :class:`ToJointSpace`.
        sampling: How entries share an epoch; see :func:`hpemap_mm.datasets.sampling.shares`.
        samples_per_epoch: Length of a training epoch; by default the number of persons.
        seed: Of the order of persons and of all augmentations.
        test_mode: Evaluation: everything once, in order.
        on_bad_image: ``'error'``, or (training only) ``'skip'``: where an image is missing
            or damaged, the entry's next person takes its place. It is logged, once for
            each image and process, and noted in ``skipped``.
        exclude: Training only: what ``tools/find_duplicates.py`` wrote of this config. Persons
            whose image is in an evaluated split, too, are left out.
        exclude_within: With ``exclude``: so are those on all but the first of training images that
            are one. By default they stay: see :mod:`hpemap_mm.datasets.exclusion`.
        check_files: Whether to look for faults in the annotation files before reading them.
        check_images: Whether to look for the images, too. Only with ``check_files``, and
            not with ``on_bad_image='skip'``.
        lazy_init: Leave reading the annotations to :meth:`full_init`.

    Attributes:
        left_out: Entry -> what ``exclude`` took out of it.
        skipped: Entry -> {path of a bad image: what is wrong with it}, of this process.

    Raises:
        ValueError: If the arguments contradict each other.
        KeyError: If a skeleton is unknown.
        DataError: When reading, with the faults of the files of all entries.
    """

    def __init__(
        self,
        entries: Mapping[str, Mapping[str, Any]],
        *,
        pipeline: Sequence[dict | Callable] = (),
        joint_space: JointSpace | Mapping[str, Any] | None = None,
        sampling: str | Mapping[str, Any] = 'proportional',
        samples_per_epoch: int | None = None,
        seed: int = 0,
        test_mode: bool = False,
        on_bad_image: Literal['error', 'skip'] = 'error',
        exclude: str | None = None,
        exclude_within: bool = False,
        check_files: bool = True,
        check_images: bool = True,
        lazy_init: bool = False,
    ) -> None:
        if not entries:
            raise ValueError('A MultiSkeletonDataset needs at least one entry.')
        if on_bad_image not in ('error', 'skip'):
            raise ValueError(f"on_bad_image is 'error' or 'skip', got {on_bad_image!r}.")
        if test_mode and on_bad_image == 'skip':
            raise ValueError(
                "on_bad_image='skip' is for training: an evaluation that leaves persons out, or "
                'counts others twice, measures something else.'
            )
        if test_mode and exclude is not None:
            raise ValueError('exclude is for training: a test takes all samples.')
        if exclude_within and exclude is None:
            raise ValueError('exclude_within needs exclude: the list of duplicates.')
        if test_mode and samples_per_epoch is not None:
            raise ValueError('samples_per_epoch is for training: a test takes all samples.')
        if isinstance(seed, bool) or not isinstance(seed, int) or seed < 0:
            raise ValueError(f'seed must be an integer >= 0, got {seed!r}.')
        self.joint_space = None if joint_space is None else JointSpace.from_config(joint_space)
        self.sampling = sampling
        self.seed = seed
        self.test_mode = test_mode
        self.on_bad_image = on_bad_image
        self.exclude, self.exclude_within = exclude, exclude_within
        self.left_out: dict[str, LeftOut] = {}
        self.check_files = check_files
        self.check_images = check_images and on_bad_image == 'error'
        self.skipped: dict[str, dict[str, str]] = {name: {} for name in entries}
        self._entries: dict[str, Entry] = {
            name: build_entry(
                name,
                cfg,
                pipeline=pipeline,
                joint_space=self.joint_space,
                test_mode=test_mode,
            )
            for name, cfg in entries.items()
        }
        if self.joint_space is None:
            refuse_several(self._entries.values())
        # Contradictions between sampling and weights are told before anything is read.
        planning.shares(sampling, dict.fromkeys(entries, 1), self._weights)
        self._samples_wanted = samples_per_epoch
        self._plans: dict[int, planning.EpochPlan] = {}
        self._indices_carry_epoch = False
        self._unmarked_reads = 0
        self._fully_initialized = False
        if not lazy_init:
            self.full_init()

    # -- set-up ---------------------------------------------------------------------------

    def full_init(self) -> None:
        """Check and read all entries, once.

        Raises:
            DataError: With the problems of all entries.
        """
        if self._fully_initialized:
            return
        problems = ProblemList()
        if self.check_files:
            for entry in self._entries.values():
                facts = entry.check_files(problems, images=self.check_images)
                _log_notes(entry.name, facts)
            problems.raise_if_any()
        for entry in self._entries.values():
            entry.load(problems)
        problems.raise_if_any()
        if self.exclude is not None:
            self.left_out = leave_out_duplicates(
                self._entries.values(), self.exclude, problems, within=self.exclude_within
            )
            problems.raise_if_any()
        self.lens: dict[str, int] = {n: len(e.dataset) for n, e in self._entries.items()}
        if self.test_mode:
            self.counts = dict(self.lens)
        else:
            shares = planning.shares(self.sampling, self.lens, self._weights)
            wanted = self._samples_wanted
            total = sum(self.lens.values()) if wanted is None else wanted
            self.counts = planning.quotas(shares, total)
        self._fully_initialized = True

    @property
    def _weights(self) -> dict[str, float | None]:
        return {name: entry.weight for name, entry in self._entries.items()}

    @property
    def metainfo(self) -> dict[str, Any]:
        """MMPose's parsed metainfo of the joint space, or of the first entry's skeleton.

        Added key ``entry_skeletons``: entry -> name of its skeleton.
        """
        first = next(iter(self._entries.values()))
        source = first.skeleton if self.joint_space is None else self.joint_space
        parsed = parse_pose_metainfo(source.metainfo())
        parsed['entry_skeletons'] = {n: e.skeleton.name for n, e in self._entries.items()}
        return parsed

    def indices_carry_epoch(self) -> None:
        """Told by the sampler: indices are ``epoch * samples_per_epoch + position``."""
        self._indices_carry_epoch = True

    # -- what is where --------------------------------------------------------------------

    @property
    def entries(self) -> tuple[str, ...]:
        """Names of the entries."""
        return tuple(self._entries)

    @property
    def samples_per_epoch(self) -> int:
        """Samples of one epoch; also the stride of an epoch in an index."""
        self.full_init()
        return sum(self.counts.values())

    def __len__(self) -> int:
        return self.samples_per_epoch

    def __iter__(self) -> Iterator[Any]:
        """The samples of epoch 0: indices have no end that iteration could stop at."""
        return (self[i] for i in range(len(self)))

    def skeleton_of(self, entry: str) -> Skeleton | JointSpace:
        """The skeleton in which an entry is annotated; of several at once, their concat space."""
        return self._entry(entry).skeleton

    def skeletons_of(self, entry: str) -> tuple[Skeleton, ...]:
        """The skeletons in which an entry has labels."""
        return self._entry(entry).members

    def dataset_of(self, entry: str) -> BaseDataset:
        """The MMPose dataset of an entry."""
        self.full_init()
        return self._entry(entry).dataset

    def plan(self, epoch: int = 0) -> planning.EpochPlan:
        """Which persons an epoch is made of, entry by entry."""
        self.full_init()
        if epoch not in self._plans:
            if self.test_mode:  # one epoch only
                plan = planning.plan_in_order(self.lens)
            else:
                plan = planning.plan_epoch(self.seed, epoch, self.lens, self.counts)
            while len(self._plans) >= _PLANS_KEPT:
                del self._plans[next(iter(self._plans))]
            self._plans[epoch] = plan
        return self._plans[epoch]

    def locate(self, index: int) -> tuple[str, int]:
        """Entry, and index within the entry, of an index into this dataset."""
        epoch, position = self._split(index)
        return self.plan(epoch).locate(position)

    def entry_of(self, index: int) -> str:
        """Entry that an index into this dataset falls on."""
        return self.locate(index)[0]

    def get_data_info(self, index: int) -> dict:
        """A person's data before the pipeline; see :meth:`Entry.data_info`."""
        name, person = self.locate(index)
        return self._entries[name].data_info(person)

    def _entry(self, name: str) -> Entry:
        if name not in self._entries:
            raise KeyError(f'Unknown entry {name!r}. Available: {list(self._entries)}')
        return self._entries[name]

    def _split(self, index: int) -> tuple[int, int]:
        """Epoch and position; a negative index counts back from the end of epoch 0."""
        index = int(index)
        length = len(self)
        if index < 0:
            index += length
        if index < 0 or (self.test_mode and index >= length):
            raise IndexError(f'Index {index} is outside a dataset of {length} samples.')
        return divmod(index, length)

    # -- samples --------------------------------------------------------------------------

    def __getitem__(self, index: int) -> Any:
        """The sample at ``epoch * len(self) + position``, as its entry's pipeline packs it."""
        if not self.test_mode and not self._indices_carry_epoch:
            self._warn_of_repetition()
        epoch, position = self._split(index)
        name, first = self.plan(epoch).locate(position)
        entry, length = self._entries[name], self.lens[name]
        for step in range(length):
            person = (first + step) % length
            try:
                with sample_randomness(self.seed, epoch, position):
                    sample = entry.pipeline(entry.data_info(person))
            except BadImageError as error:
                if self.on_bad_image == 'error':
                    raise
                self._note_skipped(entry, person, error)
                continue
            if sample is not None:
                return sample
            if self.test_mode:
                where = f'{entry.image_path(person)} (entry {name!r}, sample {person})'
                fix = 'use a pipeline that keeps every sample for tests'
                raise BadImageError([Problem(where, 'the pipeline returned nothing', fix)])
        fix = 'check data_root and data_prefix, or the pipeline'
        what = f'not one of {length} persons gives a sample'
        raise BadImageError([Problem(f'entry {name!r}', what, fix)])

    def _note_skipped(self, entry: Entry, person: int, error: BadImageError) -> None:
        path = entry.image_path(person)
        known = self.skipped[entry.name]
        if path in known:
            return
        known[path] = error.problems[0].what
        print_log(
            f'{error.problems[0].where}: {error.problems[0].what}; skipped '
            f'({len(known)} images of this entry so far in this process).',
            logger='current',
            level=logging.WARNING,
        )

    def _warn_of_repetition(self) -> None:
        """Warn where epochs would repeat: at once in a worker, else when the second begins."""
        worker = get_worker_info()
        self._unmarked_reads += 1
        due = self._unmarked_reads == (len(self) + 1 if worker is None else 1)
        if due and (worker is None or worker.id == 0):
            print_log(
                'The indices carry no epoch: every epoch has the same persons with the same '
                "augmentations. Use sampler=dict(type='hpemap_mm.MultiSkeletonSampler').",
                logger='current',
                level=logging.WARNING,
            )

    # -- reports --------------------------------------------------------------------------

    def summary(self) -> tuple[EntrySummary, ...]:
        """What each entry contributes; goes through all annotations."""
        self.full_init()
        return tuple(self._summary(entry) for entry in self._entries.values())

    def _summary(self, entry: Entry) -> EntrySummary:
        count = self.lens[entry.name]
        paths, visible = zip(*entry.rows(), strict=True)
        labelled_NK = np.concatenate(visible) > 0
        histogram = Counter(labelled_NK.sum(axis=1).tolist())
        folder = (getattr(entry.dataset, 'data_prefix', None) or {}).get('img') or ''
        return EntrySummary(
            name=entry.name,
            skeleton=entry.skeleton.name,
            persons=count,
            images=len(set(paths)),
            files=(str(entry.dataset.ann_file), folder),
            share=self.counts[entry.name] / len(self),
            per_epoch=self.counts[entry.name],
            labelled=tuple(labelled_NK.sum(axis=0).tolist()),
            labelled_histogram=dict(sorted(histogram.items())),
        )


def _log_notes(entry: str, facts: FileFacts) -> None:
    for note in facts.notes:
        print_log(f'{facts.path} (entry {entry!r}): {note}', 'current', logging.WARNING)
