"""The three modules of xtcocotools that MMPose imports, over faster-coco-eval.

Follows xtcocotools 1.14: ``COCOeval(gt, dt, iouType, sigmas=None, use_area=True)``.
Loaded by :mod:`hpemap_mm.compat` only where xtcocotools is absent.
"""

from __future__ import annotations

import types
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
from faster_coco_eval import COCO, COCOeval_faster
from faster_coco_eval import mask as fast_mask
from faster_coco_eval.core.cocoeval import Params

from hpemap_mm.compat import missing

SUPPORTED_IOU_TYPES = ('keypoints', 'keypoints_crowd', 'bbox', 'segm')

#: Area of a person as a share of its box, where the annotations have no areas (xtcocotools).
AREA_PER_BOX = 0.53


class KeypointParams(Params):
    """Parameters that ignore ``useSegm``, pycocotools' long deprecated switch.

    MMPose sets ``params.useSegm = None`` before it evaluates. faster-coco-eval takes any
    value but 1 as a request for *boxes*; pycocotools takes None as "nothing asked".
    """

    @property
    def useSegm(self) -> None:  # noqa: N802 - the name is pycocotools'
        """Never set: ``iouType`` says what is evaluated."""
        return None

    @useSegm.setter
    def useSegm(self, value: int | None) -> None:  # noqa: N802
        if value is not None:
            self.iouType = 'segm' if value == 1 else 'bbox'


class COCOeval(COCOeval_faster):
    """faster-coco-eval's COCOeval with xtcocotools' constructor and its rules for keypoints.

    Where xtcocotools and pycocotools differ, xtcocotools is followed: what counts as
    annotated is read off the visibilities, not off ``num_keypoints``; with
    ``use_area=False`` the medium and large classes too go by 0.53 x box area; and a detection
    whose keypoint scores are all 0 or less is left out (with a warning). On annotations that
    leave no room for these, the ten numbers are pycocotools'.

    Args:
        cocoGt: Ground truth; its annotations are not changed.
        cocoDt: Detections.
        iouType: 'keypoints', 'keypoints_crowd', 'bbox' or 'segm'. xtcocotools' whole-body
            parts are not supported: they raise an ImportError.
        sigmas: Per-joint OKS sigmas of shape (K,); COCO's where None.
        use_area: Whether the ground truth has areas; otherwise 0.53 x box area.

    Raises:
        ImportError: ``iouType`` is one that only xtcocotools computes.
        ValueError: A detection has keypoints or a score that are not finite (pycocotools
            would score NaN with an OKS of 1), or not as many joints as there are sigmas.
    """

    def __init__(
        self,
        cocoGt: COCO | None = None,  # noqa: N803 - the names are pycocotools'
        cocoDt: COCO | None = None,  # noqa: N803
        iouType: str = 'segm',  # noqa: N803
        sigmas: Sequence[float] | np.ndarray | None = None,
        use_area: bool = True,
    ) -> None:
        if iouType not in SUPPORTED_IOU_TYPES:
            raise missing(f'xtcocotools.cocoeval.COCOeval(iouType={iouType!r})')
        if sigmas is None:
            sigmas = Params(iouType='keypoints').kpt_oks_sigmas
        if iouType.startswith('keypoints'):
            joints = len(sigmas)
            if cocoGt is not None:
                cocoGt = _prepared_truth(cocoGt, joints=joints, use_area=use_area)
            if cocoDt is not None:
                cocoDt = _checked_detections(cocoDt, joints=joints)
        super().__init__(
            cocoGt,
            cocoDt,
            iouType,
            print_function=print,
            kpt_oks_sigmas=[float(sigma) for sigma in sigmas],
            use_area=use_area,
        )
        self.params.__class__ = KeypointParams


def _with_annotations(coco: COCO, annotations: list[dict[str, Any]]) -> COCO:
    """The same dataset with other annotations."""
    other = COCO()
    other.dataset = {**coco.dataset, 'annotations': annotations}
    # 'keypoints_crowd' reads the images' crowdIndex from here.
    other.annotation_file = coco.annotation_file or other.dataset
    other.createIndex()
    return other


def _prepared_truth(truth: COCO, *, joints: int, use_area: bool) -> COCO:
    """Truth whose ``num_keypoints`` and ``area`` are what xtcocotools goes by."""
    annotations = []
    for annotation in truth.anns.values():
        visibility = _joints_of(annotation, 'Annotation', joints)[:, 2]
        prepared = {**annotation, 'num_keypoints': int((visibility > 0).sum())}
        if not use_area:
            prepared['area'] = annotation['bbox'][2] * annotation['bbox'][3] * AREA_PER_BOX
        annotations.append(prepared)
    return _with_annotations(truth, annotations)


def _checked_detections(detections: COCO, *, joints: int) -> COCO:
    """Detections that can be scored: all finite, with at least one positive keypoint score."""
    scored = []
    for detection in detections.anns.values():
        keypoints = _joints_of(detection, 'Detection', joints)
        if not (np.isfinite(keypoints).all() and np.isfinite(detection['score'])):
            raise ValueError(
                f'Detection {detection["id"]} of image {detection["image_id"]} has keypoints or '
                'a score that are NaN or infinite; fix the model or drop the detection before '
                'scoring.'
            )
        if (keypoints[:, 2] > 0).any():
            scored.append(detection)
    left_out = len(detections.anns) - len(scored)
    if not left_out:
        return detections
    warnings.warn(
        f'{left_out} of {len(detections.anns)} detections have no keypoint with a score above '
        '0; they are left out of the evaluation, as in xtcocotools.',
        stacklevel=3,
    )
    return _with_annotations(detections, scored)


def _joints_of(annotation: dict[str, Any], what: str, joints: int) -> np.ndarray:
    """Keypoints of shape (K, 3): x, y in pixels, and a visibility or a score."""
    keypoints = np.asarray(annotation['keypoints'], float)
    if keypoints.size != 3 * joints:
        raise ValueError(
            f'{what} {annotation["id"]} of image {annotation["image_id"]} has {keypoints.size} '
            f'keypoint numbers; {joints} sigmas ask for 3 x {joints}. Pass the sigmas of the '
            'skeleton that the file is annotated in.'
        )
    return keypoints.reshape(joints, 3)


def fill(module: types.ModuleType) -> None:
    """Give one of xtcocotools' modules its public names."""
    if module.__name__ == 'xtcocotools.coco':
        module.__dict__['COCO'] = COCO
    elif module.__name__ == 'xtcocotools.cocoeval':
        module.__dict__.update(COCOeval=COCOeval, Params=KeypointParams)
    elif module.__name__ == 'xtcocotools.mask':
        module.__dict__.update(
            {name: getattr(fast_mask, name) for name in dir(fast_mask) if name[:1] != '_'}
        )
