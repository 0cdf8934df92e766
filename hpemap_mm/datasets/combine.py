"""Several skeletons' joints of one person, brought together in a joint space."""

# N persons, C joints of all the skeletons, one skeleton after the other, J joints of the space

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from hpemap_mm.skeletons import JointSpace, Skeleton


class Labels(NamedTuple):
    """What a person is taught by.

    Attributes:
        points: (N, K, 2) px; 0 where there is no label.
        visible: (N, K): 0 where there is no label, else its visibility.
        weights: (N, K): the label's weight in the loss; 0 where there is none.
    """

    points: np.ndarray
    visible: np.ndarray
    weights: np.ndarray


def combine(
    space: JointSpace,
    skeletons: Sequence[str | Skeleton],
    labels: Labels,
    annotated: np.ndarray,
) -> Labels:
    """Bring labels in several skeletons into a space, each of its joints once.

    Where skeletons share a joint, an annotated label wins over labels that were filled in; of
    equal ones the mean is taken, by their weights. The weight is then the largest of theirs, not
    the sum: what several skeletons say of one joint comes from the same evidence.

    Args:
        space: The space.
        skeletons: Skeletons of the space, in the order of the labels.
        labels: Theirs, K = C joints.
        annotated: (N, C) whether a label is the dataset's own annotation.

    Returns:
        The labels in the space, K = J; float32.

    Raises:
        KeyError: If a skeleton is not in the space.
        ValueError: If the number of labels is not the number of the skeletons' joints.
    """
    places_C = np.concatenate([space.indices(skeleton) for skeleton in skeletons])
    count, size = len(labels.points), len(space)
    if labels.points.shape[1] != len(places_C):
        raise ValueError(
            f'{labels.points.shape[1]} labels for the {len(places_C)} joints of '
            f'{[_name(skeleton) for skeleton in skeletons]}'
        )
    visible_NC, weights_NC = (np.asarray(x, np.float64) for x in labels[1:])
    labelled_NC = (visible_NC > 0) & (weights_NC > 0)
    own_NC = labelled_NC & annotated
    own_NJ = np.zeros((count, size), bool)
    for c, place in enumerate(places_C):
        own_NJ[:, place] |= own_NC[:, c]
    used_NC = np.where(own_NJ[:, places_C], own_NC, labelled_NC)

    points_NJ2, total_NJ = np.zeros((count, size, 2)), np.zeros((count, size))
    visible_NJ, weights_NJ = np.zeros((count, size)), np.zeros((count, size))
    for c, place in enumerate(places_C):
        used_N = used_NC[:, c]
        share_N = np.where(used_N, weights_NC[:, c], 0.0)
        total_NJ[:, place] += share_N
        # A point that is not used may be NaN.
        points_NJ2[:, place] += np.where(used_N[:, None], labels.points[:, c], 0) * share_N[:, None]
        weights_NJ[:, place] = np.maximum(weights_NJ[:, place], share_N)
        visible_NJ[:, place] = np.maximum(
            visible_NJ[:, place], np.where(used_N, visible_NC[:, c], 0)
        )
    points_NJ2 /= np.where(total_NJ > 0, total_NJ, 1.0)[..., None]
    return Labels(*(x.astype(np.float32) for x in (points_NJ2, visible_NJ, weights_NJ)))


def _name(skeleton: str | Skeleton) -> str:
    return skeleton if isinstance(skeleton, str) else skeleton.name


def halves(
    space: JointSpace, skeletons: Sequence[str | Skeleton]
) -> tuple[list[int], list[int], list[tuple[int, int]]]:
    """Upper body, lower body and links of several skeletons of a space, in its indices.

    A joint of several of them is in the half that the first one says, and a link is there once.
    """
    own = {skeleton.name: skeleton for skeleton in space.skeletons}
    half: dict[int, str] = {}
    links: dict[tuple[int, int], None] = {}
    for given in skeletons:
        skeleton = own[_name(given)]
        places = space.indices(skeleton).tolist()
        for place, body in zip(places, skeleton.body, strict=True):
            half.setdefault(place, body)
        for a, b in skeleton.links:
            link = (places[a], places[b])
            if link[::-1] not in links:
                links[link] = None
    upper, lower = (sorted(j for j, body in half.items() if body == b) for b in ('upper', 'lower'))
    return upper, lower, list(links)
