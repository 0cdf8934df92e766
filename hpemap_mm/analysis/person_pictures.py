"""Photographs of the persons that were predicted best and worst, and of some at random.

Images are uint8 (H, W, 3) BGR; keypoints are 0-based pixels.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np

from hpemap_mm.analysis.report import Picture, encode_picture
from hpemap_mm.evaluation.cross import CrossEvaluation
from hpemap_mm.evaluation.measures import credits_of, sigmas_of
from hpemap_mm.persons.arrays import Array, IntArray, Predictions, Representation, Truth
from hpemap_mm.visualization import Pose, crop_to, pose_panel, row
from hpemap_mm.visualization.draw import Image

#: Most predictions of a person that stand beside the truth.
_MOST_PANELS = 5
#: Joints of a person that is worth showing.
ENOUGH_JOINTS = 6
#: Shortest side of what is cut out, over its longest.
_ASPECT = 0.75
#: Keypoints that are less sure are not drawn; truth has its visibility there.
_MIN_SCORE = 0.2


@dataclass(frozen=True, kw_only=True)
class Choice:
    """A person to be drawn.

    Attributes:
        row: In the truth.
        group: ``'best'``, ``'worst'`` or ``'random'``.
        score: What it was chosen by.
    """

    row: int
    group: str
    score: float


def person_scores(
    evaluation: CrossEvaluation, truth: Truth, predictions: Predictions
) -> tuple[Array, IntArray, str]:
    """How well each person was predicted.

    Returns:
        scores: (N,) in [0, 1]: the mean of the joints' keypoint similarity (OKS), or of whether
            they are correct where OKS cannot be computed; NaN where no joint is scored.
        joints: (N,) how many were scored.
        name: What the score is; empty where there is none.
    """
    aligned = evaluation.align(truth, evaluation.bring(truth, predictions))
    sigmas, _ = sigmas_of(truth.skeleton)
    measures = replace(evaluation.measures, oks=True)
    credits, _ = credits_of(aligned, measures, sigmas=sigmas)
    name = 'KS' if 'KS' in credits else next(iter(credits), '')
    if not name:
        return np.full(len(truth), np.nan), np.zeros(len(truth), np.int64), ''
    credit = credits[name]
    scored = credit.scored.sum(1)
    earned = np.where(credit.scored, credit.earned, 0.0).sum(1)
    mean = np.where(scored > 0, earned / np.maximum(scored, 1), np.nan)
    return mean, scored, 'OKS' if name == 'KS' else name


def choose_persons(scores: Array, joints: IntArray, *, each: int, seed: int = 0) -> list[Choice]:
    """The best, the worst and some others, ``each`` of a kind and nobody twice.

    Persons with few joints would be the best and the worst of all and show little, so those with
    fewer than :data:`ENOUGH_JOINTS` are left out, as long as enough others remain. With fewer than
    three times as many persons, every group has a third of them.
    """
    rows = np.flatnonzero(np.isfinite(scores))
    plenty = rows[joints[rows] >= ENOUGH_JOINTS]
    rows = plenty if len(plenty) >= 3 * each else rows
    each = min(each, len(rows) // 3)
    order = rows[np.argsort(-scores[rows], kind='stable')]
    groups = {'best': order[:each], 'worst': order[::-1][:each]}
    left = order[each : len(order) - each]
    picked = np.random.default_rng(seed).choice(len(left), size=each, replace=False)
    groups['random'] = left[np.sort(picked)]
    return [
        Choice(row=int(at), group=group, score=float(scores[at]))
        for group, chosen in groups.items()
        for at in chosen
    ]


def main_predictions(truth: Truth, predictions: Sequence[Predictions]) -> Predictions:
    """Those in the truth's own skeleton; failing that, the first."""
    own = [p for p in predictions if p.representation.name == truth.skeleton.name]
    return [*own, *predictions][0]


class FolderReader:
    """Reads images of a folder by the names that an annotation gives them.

    Attributes:
        missing: Names of images that were not there, or are none.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.missing: list[str] = []

    def __call__(self, name: str) -> Image | None:
        """The image (H, W, 3) BGR; None where it is not there."""
        for path in (self.folder / name, self.folder / Path(name).name):
            image = cv2.imread(str(path)) if name and path.is_file() else None
            if image is not None:
                return np.asarray(image, np.uint8)
        self.missing.append(name or '(unnamed)')
        return None


def draw_persons(
    evaluation: CrossEvaluation,
    truth: Truth,
    predictions: Sequence[Predictions],
    *,
    each: int,
    read: Callable[[str], Image | None],
    seed: int = 0,
) -> list[Picture]:
    """Draw chosen persons: the truth, then what each representation says.

    Args:
        evaluation: How predictions meet the truth.
        truth: The annotated persons, with the names of their images.
        predictions: What was predicted for them.
        each: Persons of each group.
        read: Reads an image by its name; None where there is none, and it is left out.
        seed: Of the random ones.
    """
    if not predictions or not each:
        return []
    scores, joints, name = person_scores(evaluation, truth, main_predictions(truth, predictions))
    aligned = [
        (found, evaluation.align(truth, evaluation.bring(truth, found)).sources)
        for found in predictions[:_MOST_PANELS]
    ]
    pictures = []
    for choice in choose_persons(scores, joints, each=each, seed=seed):
        image = read(truth.image_names.get(int(truth.image_ids[choice.row]), ''))
        if image is None:
            continue
        answers = [(found, int(sources[choice.row])) for found, sources in aligned]
        pictures.append(
            Picture(
                jpeg=encode_picture(draw_person(image, truth, choice.row, answers), longest=1100),
                caption=f'{truth.name}, person {truth.ids[choice.row]}',
                group=choice.group,
                score=choice.score,
                score_name=name,
            )
        )
    return pictures


def draw_person(
    image: Image, truth: Truth, person: int, answers: Sequence[tuple[Predictions, int]]
) -> Image:
    """Panels of one person: the truth, then each answer.

    Args:
        image: The photograph.
        truth: The annotated persons.
        person: Row of the person.
        answers: Predictions, and the row in them that is this person; -1 for none.
    """
    box = _box(truth, person, image)
    picture, offset, scale = crop_to(image, box, height=300)
    size = scale * float(np.ptp(box.reshape(2, 2), axis=0).max())
    seen = Pose(truth.keypoints[person], truth.visible[person].astype(float))
    panels: list[tuple[Representation, Pose | None, str, str]] = [
        (truth.skeleton, seen, f'truth: {truth.name}', '')
    ]
    for found, at in answers:
        if at < 0:
            panels.append((found.representation, None, found.representation.name, 'no answer'))
            continue
        scores = found.keypoint_scores[at]
        known = None if np.isnan(scores).any() else scores
        if found.answered is not None:  # joints with a score of 0 are not drawn
            known = np.where(found.answered[at], 1.0 if known is None else known, 0.0)
        pose = Pose(found.keypoints[at], known)
        panels.append((found.representation, pose, found.representation.name, ''))
    return row(
        [
            pose_panel(
                picture,
                [] if pose is None else [pose.moved(offset, scale)],
                representation,
                title,
                subtitle or f'{len(representation)} joints',
                min_score=_MIN_SCORE,
                size=size,
            )
            for representation, pose, title, subtitle in panels
        ]
    )


def _box(truth: Truth, person: int, image: Image) -> Array:
    """What to cut out: the person's box, or that of the annotated joints, or the whole image."""
    box = truth.boxes[person]
    points = truth.keypoints[person][truth.valid[person]]
    if not (np.isfinite(box).all() and (box[2:] > box[:2]).all()):
        if len(points) < 2 or not (np.ptp(points, axis=0) > 0).all():
            return np.array([0.0, 0.0, image.shape[1] - 1.0, image.shape[0] - 1.0])
        box = np.concatenate([points.min(0), points.max(0)])
    # Neither a strip nor a band: panels of a kind stand well beside each other.
    size = box[2:] - box[:2]
    middle, half = (box[2:] + box[:2]) / 2, np.maximum(size, _ASPECT * size.max()) / 2
    return np.concatenate([middle - half, middle + half])
