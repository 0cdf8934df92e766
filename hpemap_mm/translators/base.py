"""What all translators have in common: arrays in, a core on tensors, arrays out.

Dimensions: N persons, S joints of the source, D joints of the target, 2 for x and y. Arrays of
callers have the persons first; tensors inside have them last, so that rows are long.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from mmengine.model import BaseModel
from torch import Tensor

from hpemap_mm.skeletons import Skeleton, as_skeleton
from hpemap_mm.translators.calibrate import calibrate
from hpemap_mm.translators.calibration import Calibration
from hpemap_mm.translators.frame import all_there
from hpemap_mm.translators.ontology_map import OntologyMap
from hpemap_mm.translators.source_shift import SourceShift
from hpemap_mm.translators.translation import ORIGINS, Translation

Array = npt.NDArray[np.floating]
BoolArray = npt.NDArray[np.bool_]
Codes = npt.NDArray[np.uint8]

#: Persons that are translated at once: few enough for a processor's cache.
CHUNK = 4096


class Answer(NamedTuple):
    """What a translator's core gives, in pixels.

    Attributes:
        points_2DN: NaN where there is no answer.
        scales_DN: A scale of the errors, in pixels, before calibration; 0 for persons without size.
    """

    points_2DN: Tensor
    scales_DN: Tensor


class KeypointTranslator(BaseModel):
    """Keypoints of one skeleton in, of another one out.

    Called with arrays it translates; called by MMEngine's training loop (``mode='loss'``, with a
    batch of :class:`hpemap_mm.translators.KeypointPairs`) it gives its losses. Subclasses fill
    :meth:`answer` and, where they learn by gradients, :meth:`loss`. What is fitted in closed form,
    before or instead of that, is done by :meth:`fit`.

    Answers move, grow and are mirrored with the keypoints, except by ``correct_shift``.

    Args:
        source: Skeleton of what is read.
        target: Skeleton of what is given.
        name: Short name for tables and keys.
        min_score: Joints with a score at or below it count as missing.
        correct_shift: Take the source's own shift, as fitted, off what is translated; see
            :class:`SourceShift`. Only for keypoints of the detector that it was fitted on.
    """

    #: Persons that are translated at once.
    chunk = CHUNK

    def __init__(
        self,
        *,
        source: str | Skeleton,
        target: str | Skeleton,
        name: str,
        min_score: float = 0.0,
        correct_shift: bool = False,
    ) -> None:
        super().__init__()
        self.name = name
        self.source = as_skeleton(source)
        self.target = as_skeleton(target)
        self.min_score = float(min_score)
        self.correct_shift = correct_shift
        self.map = OntologyMap(self.source, self.target)
        self.shift = SourceShift()
        self.calibration = Calibration(len(self.target))

    @abstractmethod
    def answer(self, points_2SN: Tensor, valid_SN: Tensor) -> Answer:
        """Translate float32 points, near the origin; missing ones are 0."""

    def origins(self, valid_SN: BoolArray) -> Codes:
        """(D, N) codes of what answered joints come from; see :data:`ORIGINS`."""
        code = np.uint8(ORIGINS.index('predicted'))
        return np.broadcast_to(code, (len(self.target), valid_SN.shape[1]))

    def guessed(self, valid_SN: BoolArray) -> BoolArray:
        """(D, N): joints that the ontology would take from source joints which are missing.

        Of joints that it has no relation for, those of persons who lack any source joint.
        """
        related = np.any(self.map.weights, axis=1)[:, None]
        return ~np.where(related, self.map.complete(valid_SN), valid_SN.all(0))

    def loss(self, keypoints: Tensor, target: Tensor) -> dict[str, Tensor]:
        """Losses of a batch: (N, S, 2) and (N, D, 2) pixels, NaN where missing.

        Raises:
            NotImplementedError: The translator is not trained by gradients.
        """
        raise NotImplementedError(f'{self.name} is fitted, not trained: use hpemap_mm.FitLoop')

    def fit(self, pairs: Any) -> None:
        """Fit what is fitted in closed form, to all pairs at once.

        Args:
            pairs: :class:`hpemap_mm.translators.pairs.Pairs` to learn from.
        """
        if self.correct_shift:
            self.shift.fit(self.source, self.target, pairs.keypoints, pairs.target_points)

    def calibrate(self, pairs: Any) -> None:
        """Calibrate the uncertainty on pairs that nothing was learned from, one or several."""
        calibrate(self, pairs)

    def forward(
        self,
        keypoints: Any,
        scores: Any = None,
        *,
        target: Tensor | None = None,
        mode: str = 'translate',
        **kwargs: Any,
    ) -> Any:
        """Translate, or with ``mode='loss'`` the losses of a training batch."""
        if mode == 'loss':
            assert target is not None, 'a training batch has a target'
            return self.loss(keypoints, target, **kwargs)
        return self.translate(keypoints, scores)

    def prepared(self, keypoints_NS2: Tensor) -> tuple[Tensor, Tensor]:
        """Keypoints with NaN as points (2, S, N) with zeros, and which are there (S, N)."""
        points = keypoints_NS2.permute(2, 1, 0).contiguous()
        valid = torch.isfinite(points).all(0)
        points = torch.where(valid, points, 0.0)
        return (self.shift(points, valid) if self.correct_shift else points), valid

    def translate(self, keypoints: Any, scores: Any = None) -> Translation:
        """Translate persons.

        Args:
            keypoints: (N, S, 2) pixels; NaN where a joint is missing.
            scores: (N, S) confidences; joints at or below ``min_score`` count as missing.

        Returns:
            The persons in the target's skeleton, float64 for float64 input, else float32. Persons
            with fewer than two source joints, or whose joints coincide, are not answered.

        Raises:
            ValueError: Shapes are wrong, a coordinate is infinite, or a score is not finite.
        """
        points = self._checked(keypoints)
        given = None if scores is None else self._checked_scores(scores, points)
        size = len(self.target)
        found = np.empty((len(points), size, 2), points.dtype)
        sigmas = np.empty((len(points), size), np.float32)
        origins = np.empty((len(points), size), np.uint8)
        guessed = np.zeros((len(points), size), bool)
        training = self.training
        if training:
            self.eval()

        def chunk(start: int) -> None:
            rows = slice(start, start + self.chunk)
            part = None if given is None else given[rows]
            filled = found[rows], sigmas[rows], origins[rows], guessed[rows]
            self._translate_chunk(points[rows], part, *filled)

        try:
            _in_threads(chunk, range(0, len(points), self.chunk))
        finally:
            if training:
                self.train()
        return Translation(
            skeleton=self.target,
            keypoints=found,
            sigmas=sigmas,
            origins=origins,
            radii=self.calibration.table(),
            guessed=guessed if guessed.any() else None,
            guessed_radii=self.calibration.table(guessed=True),
        )

    @torch.inference_mode()
    def _translate_chunk(
        self,
        points: Array,
        scores: Array | None,
        found: Array,
        sigmas: Array,
        origins: Codes,
        guessed: BoolArray,
    ) -> None:
        """Fill the rows of one chunk."""
        given = _persons_last(torch.from_numpy(points))
        # One sum tells whether all is there; looking at each joint is for chunks with gaps.
        whole = scores is None and bool(torch.isfinite(given.sum()))
        valid = all_there(*given.shape[1:])
        if not whole:
            valid = _present(given)
            if scores is not None:
                valid &= torch.from_numpy(np.ascontiguousarray(scores.T)) > self.min_score
            given = torch.where(valid, given, 0.0)
        # float32 has seven digits: a far origin must not eat them.
        count = len(self.source) if whole else valid.sum(0).clamp_min(1)
        anchor = given.sum(1, keepdim=True) / count
        local = (given - anchor).to(torch.float32)
        if not whole:
            local *= valid
        if self.correct_shift:
            local = self.shift(local, valid)
        answer = self.answer(local, valid)
        _write_persons_first(answer.points_2DN, anchor, torch.from_numpy(found))
        guess = None
        if not whole:
            guess = torch.from_numpy(self.guessed(valid.numpy()))
            guessed[:] = guess.numpy().T
        torch.from_numpy(sigmas).copy_(self.calibration.sigmas(answer.scales_DN, guess).T)
        origins[:] = self.origins(valid.numpy()).T
        # A person whose joints coincide has no size, so no frame, and nothing to be sure of.
        sized = answer.scales_DN[0] > 0
        if whole and bool(sized.all()) and np.isfinite(found.sum()):
            return
        enough = sized & (valid.sum(0) > 1)
        lost = ~np.isfinite(found).all(-1) | ~enough.numpy()[:, None]
        found[lost], sigmas[lost], origins[lost] = np.nan, np.nan, 0

    def _checked(self, keypoints: Any) -> Array:
        points = np.asarray(
            keypoints.numpy(force=True) if isinstance(keypoints, Tensor) else keypoints
        )
        if points.dtype not in (np.float32, np.float64):
            points = points.astype(np.float64)
        if points.ndim != 3 or points.shape[1:] != (len(self.source), 2):
            raise ValueError(
                f'{self.name} reads {self.source.name}: keypoints are '
                f'(persons, {len(self.source)}, 2), got {points.shape}'
            )
        # torch looks at the memory itself, and refuses what it must not write to.
        return points if points.flags.writeable and points.flags.c_contiguous else points.copy()

    def _checked_scores(self, scores: Any, points: Array) -> Array:
        given = np.asarray(scores.numpy(force=True) if isinstance(scores, Tensor) else scores)
        if given.shape != points.shape[:2]:
            raise ValueError(f'scores are {points.shape[:2]}, got {given.shape}')
        if not np.isfinite(given).all():
            raise ValueError('a score is not finite; give 0 where a joint is missing')
        return given


def _persons_last(points_NS2: Tensor) -> Tensor:
    """(2, S, N), rows contiguous. torch transposes matrices fast, and only them."""
    persons, joints, _ = points_NS2.shape
    rows = points_NS2.reshape(persons, 2 * joints).t().contiguous()
    return rows.view(joints, 2, persons).transpose(0, 1)


def _write_persons_first(points_2DN: Tensor, anchor_21N: Tensor, out_ND2: Tensor) -> None:
    """The points, back at their anchor, into an array with the persons first."""
    _, joints, persons = points_2DN.shape
    rows = torch.empty(2 * joints, persons, dtype=out_ND2.dtype)
    torch.add(points_2DN, anchor_21N, out=rows.view(joints, 2, persons).transpose(0, 1))
    out_ND2.view(persons, 2 * joints).copy_(rows.t())


def _in_threads(work: Callable[[int], None], starts: Sequence[int]) -> None:
    """Do the chunks, as many at a time as torch has threads, each in one thread.

    torch would share every small operation among its threads, which then wait for one another; on
    a machine that does something else too, for most of the time.
    """
    allowed = torch.get_num_threads()
    threads = min(allowed, len(starts))
    if threads < 2:
        for start in starts:
            work(start)
        return
    try:
        with ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,)) as pool:
            for _ in pool.map(work, starts):
                pass
    finally:
        # Threads that begin later would have the number that these were given.
        torch.set_num_threads(allowed)


def _present(points_2SN: Tensor) -> Tensor:
    """Which joints have coordinates; (S, N)."""
    if bool(torch.isinf(points_2SN).any()):
        raise ValueError('a coordinate is infinite; missing joints are NaN')
    return ~torch.isnan(points_2SN).any(0)
