"""One affine-combining autoencoder over several skeletons: a latent one, from which all are read.

After MeTRAbs (Sarandi, Hermans and Leibe, "Learning 3D Human Pose Estimation from Dozens of
Datasets using a Geometry-Aware Autoencoder to Bridge Between Skeleton Formats", WACV 2023): each
latent point is an affine combination of a skeleton's joints, each joint of any skeleton one of
latent points; weights of a row sum to 1, left and right share theirs. There all skeletons of a
person are known; here a person is labelled in one or two of them. So each skeleton has an encoder
of its own, and n skeletons take n encoders and n decoders instead of n x n networks; pairs that
were never seen together are connected through the latent skeleton.

What keeps such pairs together: a person's latent skeleton shall be the same, from whichever of
its labels it is read. It has a point for each joint of each skeleton, as their definitions differ
by more than an affine combination can say (``latent='union'`` shares the points of equal and near
joints: fewer points, less exact).

Affine combinations alone are less exact than a network. So a mirror-equivariant network corrects
the latent points (and says how sure each joint is); with ``width=0`` it is left out.

Dimensions: N persons (the last axis), S joints of a source, D of a target, J joints of all
skeletons together (a concat space), L latent points.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple, cast, get_args

import numpy as np
import torch
from mmengine.model import BaseModel
from torch import Tensor, nn
from torch.nn import functional

from hpemap_mm.registry import MODELS
from hpemap_mm.skeletons import JointSpace, Skeleton
from hpemap_mm.translators.affine import start_weights
from hpemap_mm.translators.base import Answer, KeypointTranslator
from hpemap_mm.translators.calibration import Calibration
from hpemap_mm.translators.fill import PoseFill
from hpemap_mm.translators.frame import frame
from hpemap_mm.translators.losses import floored, student
from hpemap_mm.translators.mirror import SCALAR, MirrorMLP, X, Y, mirror_matrix
from hpemap_mm.translators.networks import features, in_frame
from hpemap_mm.translators.residual import FREEDOM, START

#: What latent points start as.
Latent = Literal['joints', 'union']
#: Joints of the target from which a latent skeleton is read that the source's shall agree with.
LEAST = 5


class _Read(NamedTuple):
    """Persons as they were read."""

    latent: Tensor  # (2, L, N) in the frame
    log_scales: Tensor  # (J, N)
    centres: Tensor  # (2, 1, N)
    sizes: Tensor  # (N,)


@MODELS.register_module()
class ACAETranslator(BaseModel):
    """Encoders and decoders of several skeletons around one latent skeleton.

    The latent points start as joints, and the weights as the ontology has them. :meth:`between`
    gives the translator of one pair.

    Args:
        skeletons: Names or skeletons, at least two.
        width: Pairs of hidden units of the network that corrects the latent points; 0 for none.
        depth: Its hidden layers.
        sparsity: Weight of the mean absolute weights of encoders and decoders in the loss.
        agreement: Weight of the distance between the latent skeletons of one person, as read from
            the source and from the target, in sizes.
        latent: ``'joints'``: a latent point for each joint of each skeleton; ``'union'``: one for
            each joint of their union, near ones merged.
        name: Short name for tables and keys.
    """

    def __init__(
        self,
        *,
        skeletons: Sequence[str | Skeleton],
        width: int = 128,
        depth: int = 2,
        sparsity: float = 0.01,
        agreement: float = 1.0,
        latent: Latent = 'joints',
        name: str = 'acae',
    ) -> None:
        super().__init__()
        self.name = name
        self.sparsity, self.agreement = sparsity, agreement
        self.space = JointSpace.concat(*skeletons)
        if latent not in get_args(Latent):
            raise ValueError(f'latent is one of {get_args(Latent)}, got {latent!r}')
        shared = JointSpace.union(*skeletons, merge='near')
        self.latent = self.space if latent == 'joints' else shared
        self.encoder = nn.Parameter(torch.zeros(len(self.latent), len(self.space)))
        self.decoder = nn.Parameter(torch.zeros(len(self.space), len(self.latent)))
        self._start()
        self.network: MirrorMLP | None = None
        if width:
            places = mirror_matrix(self.latent.flip_indices, (X, Y))
            scales = mirror_matrix(self.space.flip_indices, (SCALAR,))
            self.network = MirrorMLP(
                mirror_matrix(self.space.flip_indices, (X, Y, SCALAR)),
                _block_diagonal(places, scales),
                width=width,
                depth=depth,
            )
        self.fills = nn.ModuleDict({own.name: PoseFill(own) for own in self.space.skeletons})
        self.log_scales = nn.Parameter(torch.full((len(self.space),), START))
        self.log_freedom = nn.Parameter(torch.full((len(self.space),), math.log(FREEDOM)))
        names = [skeleton.name for skeleton in self.space.skeletons]
        self.calibrations = nn.ModuleDict(
            {_key(a, b.name): Calibration(len(b)) for a in names for b in self.space.skeletons}
        )

    @property
    def skeletons(self) -> tuple[Skeleton, ...]:
        """What can be read and given."""
        return self.space.skeletons

    def between(self, source: str | Skeleton, target: str | Skeleton) -> ACAEPair:
        """The translator from one of the skeletons to another one, or to itself.

        Raises:
            KeyError: The autoencoder lacks the skeleton; lists those it has.
        """
        return ACAEPair(self, self._own(source), self._own(target))

    def weights(self) -> tuple[Tensor, Tensor]:
        """Encoders (L, J) and decoder (J, L): tied left to right, rows summing to 1.

        Within the encoder, the rows of each skeleton's columns sum to 1.
        """
        latent, joints = self.latent.flip_indices.tolist(), self.space.flip_indices.tolist()
        encoder = (self.encoder + self.encoder[latent][:, joints]) / 2
        decoder = (self.decoder + self.decoder[joints][:, latent]) / 2
        parts = []
        start = 0
        for skeleton in self.space.skeletons:
            part = encoder[:, start : start + len(skeleton)]
            parts.append(part + (1 - part.sum(1, keepdim=True)) / len(skeleton))
            start += len(skeleton)
        decoder = decoder + (1 - decoder.sum(1, keepdim=True)) / len(self.latent)
        return torch.cat(parts, 1), decoder

    def forward(
        self, keypoints: Tensor, target: Tensor | None = None, *, mode: str = 'loss'
    ) -> dict[str, Tensor]:
        """Losses of a batch of :class:`hpemap_mm.translators.concat_pairs.ConcatPairs`.

        Args:
            keypoints: (N, J, 2) px; NaN but for the joints of one skeleton.
            target: (N, J, 2) px; NaN where not annotated.
            mode: ``'loss'``; to translate, take :meth:`between`.

        Raises:
            ValueError: The mode is another one.
        """
        if mode != 'loss' or target is None:
            raise ValueError('take .between(source, target) to translate')
        encoder, decoder = self.weights()
        wanted = target.permute(2, 1, 0)
        read, own = (self._read(points, encoder) for points in (keypoints, target))
        flips = self.space.flip_indices.tolist()
        freedom = (self.log_freedom + self.log_freedom[flips]) / 2
        losses = [
            student(
                torch.matmul(decoder, one.latent),
                (wanted - one.centres) / one.sizes,
                one.log_scales,
                freedom,
            )
            for one in (read, own)
        ]
        # The same person has the same latent skeleton: compared in the frame of the source.
        moved = (own.latent * own.sizes + own.centres - read.centres) / read.sizes
        enough = torch.isfinite(target).all(-1).sum(1) >= LEAST
        # A frame of two joints that are close together says nothing of the person's size.
        enough &= (read.sizes > own.sizes / 3) & (read.sizes < 3 * own.sizes)
        apart = functional.smooth_l1_loss(
            read.latent[..., enough], moved[..., enough], beta=0.05, reduction='sum'
        ) / (2 * len(self.latent) * enough.sum()).clamp_min(1)
        size = encoder.abs().mean() + decoder.abs().mean()
        return {
            'loss': losses[0],
            'loss_own': losses[1] / 2,
            'loss_apart': self.agreement * apart,
            'loss_sparsity': self.sparsity * size,
        }

    def _read(self, keypoints_NJ2: Tensor, encoder_LJ: Tensor) -> _Read:
        """Persons, each labelled in one skeleton, in the latent one."""
        points = keypoints_NJ2.permute(2, 1, 0).contiguous()
        valid = torch.isfinite(points).all(0)
        points, whole = self._filled(torch.where(valid, points, 0.0), valid)
        centres, sizes = frame(points, whole)
        sizes = sizes.clamp_min(1e-6)
        latent, log_scales = self._encoded(
            in_frame(points, whole, centres, sizes), valid, encoder_LJ
        )
        return _Read(latent, log_scales, centres, sizes)

    def fit(self, pairs: Any) -> None:
        """Fit the filling of missing joints, for each skeleton that is a source.

        Args:
            pairs: One :class:`hpemap_mm.translators.pairs.Pairs`, or several.
        """
        given = list(pairs) if isinstance(pairs, Sequence) else [pairs]
        for skeleton in self.skeletons:
            own = [part.keypoints for part in given if part.source.name == skeleton.name]
            if own:
                self.fill(skeleton.name).fit(np.concatenate(own))

    def calibrate(self, pairs: Any) -> None:
        """Calibrate each pair of skeletons on its pairs of persons.

        A pair that has none takes what was found for its target from another source, the least
        sure one.

        Args:
            pairs: One :class:`hpemap_mm.translators.pairs.Pairs`, or several.
        """
        given = list(pairs) if isinstance(pairs, Sequence) else [pairs]
        known = {(part.source.name, part.target.skeleton.name) for part in given}
        for source, target in known:
            self.between(source, target).calibrate(given)
        for target in self.skeletons:
            found = [self.calibration(a, b) for a, b in sorted(known) if b == target.name]
            if not found:
                continue
            # What has too few pairs has no gains, and is not the widest.
            widest = max(found, key=lambda one: float(one.gains.nanmedian().nan_to_num(0.0)))
            for source in self.skeletons:
                if (source.name, target.name) not in known:
                    own = self.calibration(source.name, target.name)
                    own.load_state_dict(widest.state_dict())

    def fill(self, skeleton: str) -> PoseFill:
        """Of the missing joints of a skeleton."""
        return cast(PoseFill, self.fills[skeleton])

    def calibration(self, source: str, target: str) -> Calibration:
        """Of the pair of these skeletons."""
        return cast(Calibration, self.calibrations[_key(source, target)])

    def _start(self) -> None:
        """Weights as the ontology has them."""
        start = 0
        with torch.no_grad():
            for skeleton, row in zip(self.space.skeletons, self.latent.rows, strict=True):
                columns = slice(start, start + len(skeleton))
                for target, places in zip(self.space.skeletons, self.latent.rows, strict=True):
                    # A shared point is the first skeleton's that has it.
                    new = [k for k, place in enumerate(places) if not self._seen(place, target)]
                    weights = torch.from_numpy(start_weights(skeleton, target))
                    self.encoder[[places[k] for k in new], columns] = weights[new]
                self.decoder[np.arange(start, start + len(skeleton)), list(row)] = 1.0
                start += len(skeleton)

    def _seen(self, place: int, target: Skeleton) -> bool:
        """Whether an earlier skeleton than this one has a latent point."""
        owners = [skeleton.name for skeleton, _ in self.latent.owners[place]]
        return owners[0] != target.name

    def _filled(self, points_2JN: Tensor, valid_JN: Tensor) -> tuple[Tensor, Tensor]:
        """Each person's own skeleton without gaps, and which joints are of it."""
        filled, whole = points_2JN.clone(), torch.zeros_like(valid_JN)
        for skeleton in self.skeletons:
            rows = torch.as_tensor(self.space.indices(skeleton).tolist())
            persons = valid_JN[rows].any(0).nonzero()[:, 0]
            if not len(persons):
                continue
            places = (rows[:, None], persons)
            own = self.fill(skeleton.name)(points_2JN[:, places[0], places[1]], valid_JN[places])
            filled[:, places[0], places[1]] = own
            whole[places] = True
        return filled, whole

    def _encoded(
        self, local_2JN: Tensor, valid_JN: Tensor, encoder_LJ: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Latent points (2, L, N) in the frame, log-scales (J, N) of all joints."""
        latent = torch.matmul(encoder_LJ, local_2JN)
        flips = self.space.flip_indices.tolist()
        log_scales = ((self.log_scales + self.log_scales[flips]) / 2)[:, None]
        if self.network is None:
            return latent, log_scales.expand(-1, latent.shape[-1])
        values = self.network(features(local_2JN, valid_JN))
        size = len(self.latent)
        return latent + values[: 2 * size].view(2, size, -1), log_scales + values[2 * size :]

    def _own(self, skeleton: str | Skeleton) -> Skeleton:
        self.space.indices(skeleton)  # tells which there are
        name = skeleton if isinstance(skeleton, str) else skeleton.name
        return next(own for own in self.skeletons if own.name == name)


class ACAEPair(KeypointTranslator):
    """One source and one target of an autoencoder, as a translator.

    Args:
        whole: The autoencoder.
        source: One of its skeletons.
        target: One of its skeletons.
    """

    def __init__(self, whole: ACAETranslator, source: Skeleton, target: Skeleton) -> None:
        super().__init__(source=source, target=target, name=whole.name)
        self.calibration = whole.calibration(source.name, target.name)
        self.whole = (whole,)  # not a part of this one: its weights are its own
        self.rows = [whole.space.indices(skeleton).tolist() for skeleton in (source, target)]

    def answer(self, points_2SN: Tensor, valid_SN: Tensor) -> Answer:
        """Through the latent skeleton."""
        (whole,) = self.whole
        reads, gives = self.rows
        filled = whole.fill(self.source.name)(points_2SN, valid_SN)
        own = torch.ones_like(valid_SN)
        centres, sizes = frame(filled, own)
        count = points_2SN.shape[-1]
        local = torch.zeros(2, len(whole.space), count)
        valid = torch.zeros(len(whole.space), count, dtype=torch.bool)
        local[:, reads] = in_frame(filled, own, centres, sizes)
        valid[reads] = valid_SN
        encoder, decoder = whole.weights()
        latent, log_scales = whole._encoded(local, valid, encoder)
        found = torch.matmul(decoder[gives], latent)
        return Answer(
            torch.addcmul(centres, found, sizes), floored(log_scales[gives]).sqrt() * sizes
        )


def _key(source: str, target: str) -> str:
    return f'{source}_to_{target}'


def _block_diagonal(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    size = len(first)
    matrix = np.zeros((size + len(second),) * 2)
    matrix[:size, :size], matrix[size:, size:] = first, second
    return matrix
