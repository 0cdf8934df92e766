"""Calibrating a translator on persons that it did not learn from.

Dimensions: N persons, D joints of the target.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from hpemap_mm.translators.base import KeypointTranslator


def calibrate(translator: KeypointTranslator, pairs: Any) -> None:
    """Fit a translator's calibration: how far its answers are from the truth, in its scales.

    Args:
        translator: Its calibration is replaced.
        pairs: :class:`hpemap_mm.translators.pairs.Pairs`, or several of them; those of other
            skeletons are not looked at.

    Raises:
        ValueError: None of the pairs is in the translator's skeletons.
    """
    given = list(pairs) if isinstance(pairs, Sequence) else [pairs]
    own = [
        part
        for part in given
        if part.source.name == translator.source.name
        and part.target.skeleton.name == translator.target.name
    ]
    if not own:
        raise ValueError(
            f'{translator.name} goes from {translator.source.name} to {translator.target.name}; '
            f'no pairs to calibrate it on are among {[part.name for part in given]}'
        )
    calibration = translator.calibration
    before = calibration.gains.clone(), calibration.radii.clone()
    try:
        # With gains of 1 the sigmas are the scales themselves.
        calibration.gains.fill_(1.0)
        answers = [translator(part.keypoints, part.scores) for part in own]
    finally:
        calibration.gains.copy_(before[0])
        calibration.radii.copy_(before[1])
    calibration.fit(
        np.concatenate(
            [
                np.linalg.norm(answer.keypoints - part.target_points, axis=-1)
                for answer, part in zip(answers, own, strict=True)
            ]
        ),
        np.concatenate([answer.sigmas for answer in answers]),
        translator.target.flip_indices,
    )
