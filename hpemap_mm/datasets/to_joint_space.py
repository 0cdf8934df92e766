"""Bringing a sample's annotation into a joint space, before anything is augmented."""

# N persons, K joints of the skeleton, J joints of the space

from __future__ import annotations

from typing import Any

import numpy as np
from mmcv.transforms import BaseTransform

from hpemap_mm.datasets.combine import Labels, combine, halves
from hpemap_mm.registry import TRANSFORMS
from hpemap_mm.skeletons import JointSpace, Skeleton


@TRANSFORMS.register_module()
class ToJointSpace(BaseTransform):
    """Put a sample into a joint space, at the head of a pipeline.

    Joints of the space that the sample's skeleton lacks get coordinates 0 and visibility
    0, hence target weight 0. Stock MMPose transforms after this one (RandomFlip,
    RandomHalfBody, RandomBBoxTransform, TopdownAffine, GenerateTarget) then give the
    target that the skeleton's own pipeline gives, moved to the space's indices.

    Changed keys, where present:

    - ``keypoints`` (N, K, 2) -> (N, J, 2), ``keypoints_visible`` (N, K) or (N, K, 2) ->
      (N, J[, 2]), ``keypoints_visible_weights`` (N, K) -> (N, J); float32.
    - ``dataset_keypoint_weights`` (K,) -> (J,), 0 for joints of other skeletons.
    - ``flip_indices`` and ``flip_pairs``: the space's.
    - ``upper_body_ids``, ``lower_body_ids`` and ``skeleton_links``: the *skeleton's*, in
      the space's indices. Only its joints are annotated, so the half-body augmentation
      picks what it would pick in the skeleton, in the same order.

    A sample may have labels in several skeletons at once (key ``skeletons``, as
    :class:`CompletedDataset` gives them): then each joint of the space gets what any of them says
    of it (:func:`~hpemap_mm.datasets.combine.combine`), and the halves and links are of all.

    Added key: ``joint_space``, the name of the space. Removed: ``keypoints_annotated``.

    Args:
        joint_space: A :class:`JointSpace` or what ``JointSpace.from_config`` takes.
        skeleton: Name of the samples' skeleton, for use under a dataset that is not
            :class:`MultiSkeletonDataset`; by default the sample's key ``skeleton``.

    Raises:
        KeyError: If a sample does not name its skeleton, or one outside the space.
        ValueError: If a sample has another number of joints than its skeleton, or is in
            a joint space already.
    """

    per_joint = ('keypoints', 'keypoints_visible', 'keypoints_visible_weights')

    def __init__(
        self, joint_space: JointSpace | dict[str, Any], *, skeleton: str | None = None
    ) -> None:
        self.space = JointSpace.from_config(joint_space)
        self.skeleton = skeleton
        self._skeletons = {member.name: member for member in self.space.skeletons}

    def skeleton_of(self, results: dict) -> Skeleton:
        """The skeleton that a sample is annotated in."""
        return self._known(results.get('skeleton', self.skeleton))

    def _known(self, name: str | None) -> Skeleton:
        if name is None:
            raise KeyError(
                "A sample does not name its skeleton: load it through 'hpemap_mm."
                "MultiSkeletonDataset', or give ToJointSpace skeleton=..."
            )
        if name not in self._skeletons:
            raise KeyError(
                f'Skeleton {name!r} is not in joint space {self.space.name!r}. '
                f'Available: {sorted(self._skeletons)}'
            )
        return self._skeletons[name]

    def transform(self, results: dict) -> dict:
        """Move ``results`` into the space, in place."""
        if 'joint_space' in results:
            raise ValueError(
                f'The sample is in joint space {results["joint_space"]!r} already: '
                'MultiSkeletonDataset(joint_space=...) puts ToJointSpace into its pipelines; '
                'leave it out of yours.'
            )
        results['flip_indices'] = [int(j) for j in self.space.flip_indices]
        results['flip_pairs'] = [(i, j) for i, j in enumerate(results['flip_indices']) if i < j]
        results['skeleton'] = self.skeleton_of(results).name
        if results.get('skeletons') is None:
            self._move(results)
        else:
            self._combine(results)
        results['joint_space'] = self.space.name
        return results

    def _move(self, results: dict) -> None:
        """From one skeleton."""
        skeleton = self._known(results['skeleton'])
        index_K = self.space.indices(skeleton)
        for key in self.per_joint:
            if results.get(key) is not None:
                results[key] = self._scatter(skeleton, results[key], axis=1, key=key)
        if results.get('dataset_keypoint_weights') is not None:
            results['dataset_keypoint_weights'] = self._scatter(
                skeleton, results['dataset_keypoint_weights'], axis=0, key='keypoint weights'
            )
        for half in ('upper_body_ids', 'lower_body_ids'):
            results[half] = [int(index_K[k]) for k in results.get(half, getattr(skeleton, half))]
        results['skeleton_links'] = [
            (int(index_K[a]), int(index_K[b]))
            for a, b in results.get('skeleton_links', skeleton.links)
        ]

    def _combine(self, results: dict) -> None:
        """From several skeletons, whose joints follow each other."""
        skeletons = [self._known(name) for name in results['skeletons']]
        visible = np.asarray(results['keypoints_visible'])
        labels = combine(
            self.space,
            skeletons,
            Labels(np.asarray(results['keypoints']), visible[..., 0], visible[..., 1]),
            np.asarray(results.pop('keypoints_annotated')),
        )
        results['keypoints'] = labels.points
        results['keypoints_visible'] = np.stack([labels.visible, labels.weights], -1)
        upper, lower, links = halves(self.space, skeletons)
        results.update(upper_body_ids=upper, lower_body_ids=lower, skeleton_links=links)
        weights_J = np.zeros(len(self.space), np.float32)
        for skeleton in reversed(skeletons):  # the first one's win
            weights_J[self.space.indices(skeleton)] = skeleton.joint_weights
        results['dataset_keypoint_weights'] = weights_J

    def _scatter(self, skeleton: Skeleton, values: Any, *, axis: int, key: str) -> np.ndarray:
        array = np.asarray(values, np.float32)
        if array.shape[axis] != len(skeleton):
            raise ValueError(
                f'{key} of shape {array.shape} do not fit skeleton {skeleton.name!r} with '
                f'{len(skeleton)} joints.'
            )
        return self.space.scatter(skeleton, array, fill=0.0, axis=axis)[0].astype(np.float32)

    def __repr__(self) -> str:
        return f'{type(self).__name__}(joint_space={self.space.name!r}, skeleton={self.skeleton!r})'
