"""Packing a sample, with what routing and evaluation need to know about it."""

from __future__ import annotations

import inspect
from collections.abc import Sequence

import numpy as np
from mmpose.datasets.transforms import PackPoseInputs

from hpemap_mm.registry import TRANSFORMS

_UPSTREAM_KEYS = tuple(inspect.signature(PackPoseInputs.__init__).parameters['meta_keys'].default)

#: Meta keys beside MMPose's own.
SAMPLE_KEYS = ('skeleton', 'joint_space', 'sample_idx')

#: What datasets know of a person's size -> its name in ``gt_instances``.
PERSON_FIELDS = {'area': 'areas', 'head_size': 'head_sizes'}


@TRANSFORMS.register_module()
class PackSample(PackPoseInputs):
    """MMPose's PackPoseInputs that also says which joints a sample is in.

    Adds to the data sample's metainfo ``skeleton`` (name of the skeleton of the
    annotation), ``joint_space`` (name of the space, where one is used) and ``sample_idx``
    (index of the person within its entry), and to its ``gt_instances`` ``areas`` ((N,)
    float32, px^2: the annotated area that OKS divides by, or MMPose's 0.53 x box) and, where the
    dataset knows them, ``head_sizes`` ((N,) float32, px: what PCKh divides by).
    ``dataset_name`` (name of the wrapper's entry) is among MMPose's own keys.

    The weights of labels (``keypoints_visible_weights``, which MMPose's GenerateTarget takes out of
    ``keypoints_visible``) become part of the target's ``keypoint_weights``: MMPose's codecs do not
    read them.

    Args:
        meta_keys: Keys to pack instead of all the above.
        extra_meta_keys: Keys to pack beside them.
        pack_transformed: As in MMPose.
    """

    def __init__(
        self,
        *,
        meta_keys: Sequence[str] | None = None,
        extra_meta_keys: Sequence[str] = (),
        pack_transformed: bool = False,
    ) -> None:
        chosen = (*_UPSTREAM_KEYS, *SAMPLE_KEYS) if meta_keys is None else tuple(meta_keys)
        super().__init__(
            meta_keys=(*chosen, *(k for k in extra_meta_keys if k not in chosen)),
            pack_transformed=pack_transformed,
        )

    def transform(self, results: dict) -> dict:
        """Pack ``results`` into ``inputs`` and ``data_samples``."""
        weights, target = results.get('keypoints_visible_weights'), results.get('keypoint_weights')
        if weights is not None and target is not None:
            # With several codecs there is a target of each.
            several = isinstance(target, list)
            weighted = [one * weights for one in (target if several else [target])]
            results['keypoint_weights'] = weighted if several else weighted[0]
        packed = super().transform(results)
        instances = packed['data_samples'].gt_instances
        for key, field in PERSON_FIELDS.items():
            if results.get(key) is not None and 'bboxes' in instances:
                values_N = np.asarray(results[key], np.float32).reshape(-1)
                if len(values_N) == len(instances.bboxes):
                    instances.set_field(values_N, field)
        return packed
