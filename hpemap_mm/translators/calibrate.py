"""Calibrating a translator on persons that it did not learn from.

Dimensions: N persons, D joints of the target.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from hpemap_mm.translators.corruption import Corruption

if TYPE_CHECKING:
    from hpemap_mm.translators.base import KeypointTranslator

#: What joints are guessed under: the errors of a guess depend on what is left to guess from.
DAMAGE = Corruption(name='calibration', missing=0.3)


def calibrate(translator: KeypointTranslator, pairs: Any) -> None:
    """Fit a translator's calibration: how far its answers are from the truth, in its scales.

    On the pairs as they are; and, for joints that are guessed because their own source joints are
    missing, on the pairs with three in ten source joints taken away.

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
    before = {name: value.clone() for name, value in calibration.state_dict().items()}
    damaged = [DAMAGE(part.keypoints, seed) for seed, part in enumerate(own)]
    try:
        # With gains of 1 the sigmas are the scales themselves.
        calibration.gains.fill_(1.0)
        calibration.guessed_gains.fill_(1.0)
        plain = [translator(part.keypoints, part.scores) for part in own]
        guess = [translator(points, part.scores) for points, part in zip(damaged, own, strict=True)]
    finally:
        calibration.load_state_dict(before)
    for answers, guessed in ((plain, False), (guess, True)):
        distances, scales = [], []
        for answer, part in zip(answers, own, strict=True):
            distance = np.linalg.norm(answer.keypoints - part.target_points, axis=-1)
            missing = np.zeros(distance.shape, bool) if answer.guessed is None else answer.guessed
            distances.append(np.where(missing == guessed, distance, np.nan))
            scales.append(answer.sigmas)
        calibration.fit(
            np.concatenate(distances),
            np.concatenate(scales),
            translator.target.flip_indices,
            guessed=guessed,
        )
