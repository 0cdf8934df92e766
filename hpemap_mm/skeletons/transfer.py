"""Transfer of keypoints from one representation to another, as far as the ontology allows.

Letters of array shapes: S joints of the source, D joints of the destination, 2 for x and y.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from hpemap_mm.skeletons.catalog import as_skeleton
from hpemap_mm.skeletons.joint_space import JointSpace
from hpemap_mm.skeletons.ontology import canonical_joints, get_ontology
from hpemap_mm.skeletons.skeleton import Skeleton

Relation = Literal['same', 'near', 'derived', 'none']
Representation = str | Skeleton | JointSpace


@dataclass(frozen=True, kw_only=True)
class Correspondence:
    """How one joint of the destination follows from the source's joints.

    Attributes:
        joint: The destination's joint.
        relation: ``'same'``: it is the source's joint; ``'near'``: the source's joint of the same
            near group stands in; ``'derived'``: a mean of source joints; ``'none'``: nothing.
        sources: Indices of the source's joints.
        weights: Their affine weights, which sum to 1; so the result moves, turns and scales with
            the person.
        exact: Whether nothing is known to speak against it: true for `same` without a doubt, and
            for `derived` by construction from joints that are the `same`.
        note: What the relation leaves open, in words; empty if nothing.
    """

    joint: str
    relation: Relation
    sources: tuple[int, ...] = ()
    weights: tuple[float, ...] = ()
    exact: bool = False
    note: str = ''


def correspondences(
    src: Representation,
    dst: Representation,
    near: bool = True,
    derived: bool = True,
    approximate: bool = False,
) -> tuple[Correspondence, ...]:
    """For each joint of `dst`, how it follows from the joints of `src`.

    The best relation wins: `same`, then an exact derivation from joints that are the `same`, then
    `near`, then other derivations (whose own sources may be `near` or derived).

    Args:
        src: A skeleton or its name, or a joint space (where a joint occurs several times in it,
            as in a concat, its first skeleton's is taken).
        dst: Likewise.
        near: Let `near` joints stand in.
        derived: Compute joints from others, where that is exact.
        approximate: Also where it is only an estimate with a known bias, e.g. necks as midpoints
            of the shoulders. Needs `derived`.

    Returns:
        One record for each joint of `dst`, in its order.

    Raises:
        KeyError: For skeletons that are unknown, to the catalog or to the ontology.
    """
    finder = _Finder(_places(src), near=near, derived=derived, approximate=approximate)
    destination = _representation(dst)
    meaning: dict[int, tuple[str, str]] = {}
    for canonical, (place, owner) in _places(destination).items():
        meaning.setdefault(place, (canonical, owner))
    return tuple(
        finder.find(joint, *meaning[place]) for place, joint in enumerate(destination.joints)
    )


def derivations(skeleton: str | Skeleton) -> tuple[Correspondence, ...]:
    """For each joint of a skeleton, how it follows exactly from *other* joints of the same one.

    MPII's pelvis is the midpoint of MPII's hips; most joints of most skeletons follow from nothing.

    Args:
        skeleton: A skeleton or its name.

    Returns:
        One record for each joint, in order, ``'derived'`` or ``'none'``.

    Raises:
        KeyError: The skeleton is unknown.
    """
    skeleton = as_skeleton(skeleton)
    finder = _Finder(_places(skeleton), near=False, derived=True, approximate=False)
    return tuple(
        finder.derive(joint, canonical, skeleton.name)
        for joint, canonical in zip(skeleton.joints, canonical_joints(skeleton), strict=True)
    )


def transfer_matrix(records: tuple[Correspondence, ...], size: int) -> np.ndarray:
    """(D, S) matrix of the affine weights; rows of joints without a relation are zero.

    Args:
        records: From :func:`correspondences`.
        size: Number S of the source's joints.
    """
    matrix = np.zeros((len(records), size))
    for row, record in zip(matrix, records, strict=True):
        row[list(record.sources)] = record.weights
    return matrix


def transfer(
    src: Representation,
    dst: Representation,
    keypoints: np.ndarray,
    valid: np.ndarray,
    *,
    near: bool = True,
    derived: bool = True,
    approximate: bool = False,
    fill: float = 0.0,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Bring keypoints into another representation by the ontology alone (nothing is learned).

    Args:
        src: Representation of the keypoints, as in :func:`correspondences`.
        dst: Representation wanted.
        keypoints: (..., S, 2), in any frame; points that are not valid may be anything.
        valid: (..., S): which points count (bool, or a visibility where 0 is "not annotated").
        near: See :func:`correspondences`.
        derived: See there.
        approximate: See there.
        fill: The coordinates of points that could not be had.

    Returns:
        keypoints: (..., D, 2) floats (float32 stays so).
        valid: (..., D) bool: all joints that the point is made of are valid.
        relation: (D,) strings, as in :class:`Correspondence`.

    Raises:
        ValueError: If the shapes do not fit, or valid keypoints are not finite.
        KeyError: See :func:`correspondences`.
    """
    source = _representation(src)
    keypoints, valid = np.asarray(keypoints), np.asarray(valid) > 0
    if keypoints.ndim < 2 or keypoints.shape[-2] != len(source) or keypoints.shape[-1] != 2:
        raise ValueError(
            f'Expected keypoints (..., {len(source)}, 2) of {source.name!r}, '
            f'got shape {keypoints.shape}.'
        )
    if valid.shape != keypoints.shape[:-1]:
        raise ValueError(f'valid has shape {valid.shape}, keypoints {keypoints.shape}.')
    if not np.isfinite(keypoints[valid]).all():
        raise ValueError(
            f'{int((~np.isfinite(keypoints[valid])).any(-1).sum())} valid keypoints are not finite.'
        )
    records = correspondences(source, dst, near, derived, approximate)
    matrix_DS = transfer_matrix(records, len(source))
    needed_DS = matrix_DS != 0
    moved = matrix_DS @ np.where(valid[..., None], keypoints, 0.0)
    complete = ~np.any(needed_DS & ~valid[..., None, :], axis=-1) & needed_DS.any(-1)
    dtype = np.result_type(keypoints.dtype, np.float32)
    moved = np.where(complete[..., None], moved, fill).astype(dtype)
    return moved, complete, np.array([record.relation for record in records])


class _Finder:
    """Finds the best relation of a canonical joint to the joints of one source."""

    def __init__(
        self,
        places: dict[str, tuple[int, str]],
        *,
        near: bool,
        derived: bool,
        approximate: bool,
    ) -> None:
        self.places = places
        self.near, self.derived, self.approximate = near, derived, approximate
        self.ontology = get_ontology()

    def find(self, joint: str, canonical: str, owner: str) -> Correspondence:
        """The record of one joint of the destination, which is skeleton `owner`'s `canonical`."""
        for attempt in (self._same, self._derived_from_same, self._near, self._derived):
            if found := attempt(joint, canonical, owner):
                return found
        return Correspondence(joint=joint, relation='none')

    def derive(self, joint: str, canonical: str, owner: str) -> Correspondence:
        """The record of one joint, from others only."""
        found = self._derived_from_same(joint, canonical, owner)
        return found or Correspondence(joint=joint, relation='none')

    def _same(self, joint: str, canonical: str, owner: str) -> Correspondence | None:
        if canonical not in self.places:
            return None
        place, source_owner = self.places[canonical]
        doubt = self.ontology.doubt(canonical, source_owner, owner)
        return Correspondence(
            joint=joint,
            relation='same',
            sources=(place,),
            weights=(1.0,),
            exact=not doubt,
            note=doubt,
        )

    def _near(self, joint: str, canonical: str, owner: str) -> Correspondence | None:
        group = self.ontology.near.get(canonical) if self.near else None
        if group is None:
            return None
        for member in group.members:
            if member in self.places:
                return Correspondence(
                    joint=joint,
                    relation='near',
                    sources=(self.places[member][0],),
                    weights=(1.0,),
                    note=group.note,
                )
        return None

    def _derived_from_same(self, joint: str, canonical: str, owner: str) -> Correspondence | None:
        derivation = self.ontology.derived.get(canonical)
        if derivation is None or not derivation.exact:
            return None
        if any(source not in self.places for source in derivation.sources):
            return None
        return self._derived(joint, canonical, owner)

    def _derived(self, joint: str, canonical: str, owner: str) -> Correspondence | None:
        derivation = self.ontology.derived.get(canonical) if self.derived else None
        if derivation is None or not (derivation.exact or self.approximate):
            return None
        parts = [self.find(source, source, owner) for source in derivation.sources]
        if any(part.relation == 'none' for part in parts):
            return None
        weights: dict[int, float] = {}
        for part in parts:
            for source, weight in zip(part.sources, part.weights, strict=True):
                weights[source] = weights.get(source, 0.0) + weight / len(parts)
        notes = [f'mean of {", ".join(derivation.sources)} ({derivation.evidence})']
        notes += [part.note for part in parts if part.note]
        return Correspondence(
            joint=joint,
            relation='derived',
            sources=tuple(weights),
            weights=tuple(weights.values()),
            exact=derivation.exact and all(part.exact for part in parts),
            note='; '.join(dict.fromkeys(notes)),
        )


def _representation(value: Representation) -> Skeleton | JointSpace:
    return value if isinstance(value, JointSpace) else as_skeleton(value)


def _places(value: Representation) -> dict[str, tuple[int, str]]:
    """Canonical joint -> its (first) place in the representation, and whose joint that is."""
    value = _representation(value)
    if isinstance(value, Skeleton):
        rows = [(value, tuple(range(len(value))))]
    else:
        rows = list(zip(value.skeletons, value.rows, strict=True))
    places: dict[str, tuple[int, str]] = {}
    for skeleton, row in rows:
        for canonical, place in zip(canonical_joints(skeleton), row, strict=True):
            places.setdefault(canonical, (place, skeleton.name))
    return places
