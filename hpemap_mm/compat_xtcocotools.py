"""The three modules of xtcocotools that MMPose imports, over faster-coco-eval.

Follows xtcocotools 1.14: ``COCOeval(gt, dt, iouType, sigmas=None, use_area=True)``.
Loaded by :mod:`hpemap_mm.compat` only where xtcocotools is absent.
"""

from __future__ import annotations

import types
from typing import Any

import numpy as np
from faster_coco_eval import COCO, COCOeval_faster
from faster_coco_eval import mask as fast_mask
from faster_coco_eval.core.cocoeval import Params

from hpemap_mm.compat import missing

SUPPORTED_IOU_TYPES = ('keypoints', 'keypoints_crowd', 'bbox', 'segm')


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
    """faster-coco-eval's COCOeval with xtcocotools' constructor.

    Args:
        cocoGt: Ground truth.
        cocoDt: Detections.
        iouType: 'keypoints', 'keypoints_crowd', 'bbox' or 'segm'. xtcocotools' whole-body
            parts are not supported: they raise an ImportError.
        sigmas: Per-joint OKS sigmas of shape (K,); COCO's where None.
        use_area: Whether the ground truth has areas; otherwise 0.53 x box area.

    Raises:
        ImportError: ``iouType`` is one that only xtcocotools computes.
        ValueError: A detection has keypoints that are not finite. pycocotools would score
            them with an OKS of 1.
    """

    def __init__(
        self,
        cocoGt: COCO | None = None,  # noqa: N803 - the names are pycocotools'
        cocoDt: COCO | None = None,  # noqa: N803
        iouType: str = 'segm',  # noqa: N803
        sigmas: Any = None,
        use_area: bool = True,
    ) -> None:
        if iouType not in SUPPORTED_IOU_TYPES:
            raise missing(f'xtcocotools.cocoeval.COCOeval(iouType={iouType!r})')
        if iouType.startswith('keypoints') and cocoDt is not None:
            _check_finite(cocoDt)
        super().__init__(
            cocoGt,
            cocoDt,
            iouType,
            print_function=print,
            kpt_oks_sigmas=None if sigmas is None else list(np.asarray(sigmas, float)),
            use_area=use_area,
        )
        self.params.__class__ = KeypointParams


def _check_finite(detections: COCO) -> None:
    for annotation in detections.anns.values():
        if not np.isfinite(np.asarray(annotation.get('keypoints', ()), float)).all():
            raise ValueError(
                f'Detection {annotation["id"]} of image {annotation["image_id"]} has keypoints '
                'that are NaN or infinite; fix the model or drop the detection before scoring.'
            )


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
