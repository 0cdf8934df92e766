"""What a model's exported graph is given."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hpemap_mm.deployment.metadata import InputInfo, InputKind, OutputInfo
from hpemap_mm.errors import DataError, Problem
from hpemap_mm.models import AnsweringPoseEstimator

_CROP, _AFFINE = 'GetBBoxCenterScale', 'TopdownAffine'


def input_info(
    model: AnsweringPoseEstimator, outputs: Mapping[str, OutputInfo], *, kind: InputKind
) -> InputInfo:
    """How images come into the graph.

    The crop is that of the pipeline in the model's config, ``model.cfg``. A model without one (of a
    converted checkpoint) is given MMPose's padding, 1.25, and UDP's crop where its codec is UDP's.

    Raises:
        DataError: Its heads want inputs of different sizes.
    """
    sizes = {tuple(map(int, output.codec['input_size'])) for output in outputs.values()}
    if len(sizes) > 1:
        what = f'its heads want inputs of different sizes: {sorted(sizes)}'
        raise DataError([Problem('model', what, 'export them one by one, by --skeletons')])
    (size,) = sizes
    preprocessor: Any = model.data_preprocessor
    normalises = bool(getattr(preprocessor, '_enable_normalize', False))
    mean, std = (
        tuple(getattr(preprocessor, name).flatten().tolist()) if normalises else (default,) * 3
        for name, default in (('mean', 0.0), ('std', 1.0))
    )
    rgb = kind == 'normalized' and getattr(preprocessor, '_channel_conversion', False)
    steps = {step['type']: step for step in pipeline_of(model)}
    udp_codec = all(output.codec['type'] == 'UDPHeatmap' for output in outputs.values())
    return InputInfo(
        kind=kind,
        color='RGB' if rgb else 'BGR',
        size=(size[0], size[1]),
        mean=mean,
        std=std,
        bbox_padding=float(steps.get(_CROP, {}).get('padding', 1.25)),
        udp=bool(steps[_AFFINE].get('use_udp', False)) if _AFFINE in steps else udp_codec,
    )


def pipeline_of(model: Any) -> Sequence[Mapping[str, Any]]:
    """The transforms of the test dataset in ``model.cfg``; none where it has no config."""
    config = getattr(model, 'cfg', None) or {}
    for loader in ('test_dataloader', 'val_dataloader'):
        pipeline = (config.get(loader) or {}).get('dataset', {}).get('pipeline')
        if pipeline:
            return list(pipeline)
    return ()
