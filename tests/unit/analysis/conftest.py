"""A small world of people in which everything that an analysis should find is planted."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pytest

from hpemap_mm.analysis.report import standing_body
from hpemap_mm.evaluation import Aligned, Predictions, Truth, pair
from hpemap_mm.skeletons import get_skeleton


@dataclass(frozen=True, kw_only=True)
class People:
    """Upright people who face the camera, turn their back, or stand side on.

    Attributes:
        skeleton: What they are annotated in.
        count: Persons, two to an image.
        turned: Cosine of the angle to the camera and its share: 1 front, -1 back, 0 side on.
        lean: Degrees by which each leans, at random either way.
        pose: Spread of each joint about the standing body, in head sizes.
        noise: Spread of predictions about the truth, in head sizes.
        seed: Of all of it.
    """

    skeleton: str = 'mpii'
    count: int = 2000
    turned: Mapping[float, float] = field(default_factory=lambda: {1.0: 0.5, -1.0: 0.3, 0.0: 0.2})
    lean: float = 5.0
    pose: float = 0.12
    noise: float = 0.06
    seed: int = 0

    def truth(self) -> Truth:
        """The annotated persons; head sizes from 30 to 130 px."""
        rng = np.random.default_rng(self.seed)
        skeleton = get_skeleton(self.skeleton)
        positions = standing_body(skeleton).positions
        standing = np.array([positions[joint] for joint in skeleton.joints])
        size, turn, angle = self.sizes, self.turn, np.radians(rng.normal(0, self.lean, self.count))
        body = np.repeat(standing[None], self.count, axis=0)
        body += rng.normal(0, self.pose, body.shape)
        body[..., 0] *= turn[:, None]
        body[turn == 0, :, 0] += rng.normal(0, 0.02, body[turn == 0, :, 0].shape)
        rotated = np.einsum('nij,nkj->nki', _rotation(angle), body)
        places = rng.uniform(300, 900, (self.count, 1, 2))
        points = rotated * size[:, None, None] + places
        return Truth.build(
            name='people',
            skeleton=skeleton,
            keypoints=points,
            visible=np.full(points.shape[:2], 2),
            image_ids=np.arange(self.count) // 2,
            ids=np.arange(self.count) + 1000,
            head_sizes=size,
            areas=20 * size**2,
        )

    @property
    def sizes(self) -> np.ndarray:
        return np.random.default_rng([self.seed, 1]).uniform(30, 130, self.count)

    @property
    def turn(self) -> np.ndarray:
        rng = np.random.default_rng([self.seed, 2])
        return rng.choice(list(self.turned), self.count, p=list(self.turned.values()))

    def predict(
        self,
        truth: Truth,
        *,
        outwards: Mapping[str, float] | None = None,
        down: Mapping[str, float] | None = None,
        shift: tuple[float, float] = (0.0, 0.0),
        origin: float = 0.0,
    ) -> np.ndarray:
        """Predictions with planted effects; (N, K, 2) pixels.

        Args:
            truth: Of :meth:`truth`.
            outwards: Joint without side -> offset away from the middle, in head sizes.
            down: Joint without side -> offset down the body, in head sizes.
            shift: x, y of all joints in the image, in head sizes.
            origin: x and y of all joints in the image, in pixels.
        """
        rng = np.random.default_rng([self.seed, 3])
        errors = rng.normal(0, self.noise, truth.keypoints.shape) + np.asarray(shift)
        for k, joint in enumerate(truth.skeleton.joints):
            side = {'left': 1.0, 'right': -1.0}.get(joint.split('_')[0], 0.0)
            name = joint.removeprefix('left_').removeprefix('right_')
            errors[:, k, 0] += side * (outwards or {}).get(name, 0.0) * self.turn
            errors[:, k, 1] += (down or {}).get(name, 0.0)
        return truth.keypoints + errors * self.sizes[:, None, None] + origin


def _rotation(angle: np.ndarray) -> np.ndarray:
    c, s = np.cos(angle), np.sin(angle)
    return np.stack([np.stack([c, -s], -1), np.stack([s, c], -1)], -2)


def predictions(truth: Truth, keypoints: np.ndarray, skeleton: str | None = None) -> Predictions:
    """One prediction for each person, by id."""
    representation = truth.skeleton if skeleton is None else get_skeleton(skeleton)
    return Predictions.build(
        name='model',
        representation=representation,
        keypoints=keypoints,
        image_ids=truth.image_ids,
        ids=truth.ids,
    )


def aligned(truth: Truth, keypoints: np.ndarray, compared: np.ndarray | None = None) -> Aligned:
    """Predictions in the truth's skeleton beside it."""
    return pair(truth, predictions(truth, keypoints), compared=compared)


@pytest.fixture(scope='session')
def people() -> type[People]:
    """Builds worlds of people."""
    return People


@pytest.fixture(scope='session')
def lay_beside():
    """Pairs keypoints in the truth's skeleton with the truth."""
    return aligned


@pytest.fixture(scope='session')
def as_predictions():
    """Makes predictions of keypoints."""
    return predictions


@pytest.fixture(scope='session')
def mpii_val(shared_data):
    """MPII val as annotated for scoring, and two sets of predictions in pixels from 0."""
    from hpemap_mm.persons.files import read_predictions, read_truth

    folder = shared_data / 'mpii'
    truth = read_truth(folder / 'mpii_val.json', skeleton='mpii').truth
    read = {
        name: read_predictions(folder / file, representation=skeleton, truth=truth).predictions
        for name, skeleton, file in (
            ('resnet', 'mpii', 'resnet50_mpii16_on_mpii_val.mat'),
            ('wrong', 'coco', 'vitpose-b_coco17_on_mpii_val_wrong-flip-pairs.mat'),
        )
    }
    return truth, read


@pytest.fixture(scope='session')
def mpii_train(shared_data):
    """MPII train, and a COCO model's predictions."""
    from hpemap_mm.persons.files import read_predictions, read_truth

    folder = shared_data / 'mpii'
    truth = read_truth(folder / 'mpii_train_part.json', skeleton='mpii').truth
    file = folder / 'vitpose-b_coco17_on_mpii_train_part.npz'
    found = read_predictions(file, representation='coco', truth=truth, base=1)
    return truth, found.predictions
