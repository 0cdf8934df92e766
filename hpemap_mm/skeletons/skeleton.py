"""Skeleton: one dataset's joints, as a frozen value."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from difflib import get_close_matches
from functools import cached_property
from typing import Any

import numpy as np

from hpemap_mm.errors import ProblemList

BODY_HALVES = ('upper', 'lower', '')
DEFAULT_COLOR = (255, 128, 0)  # what MMPose's parse_pose_metainfo takes where none is given
DEFAULT_LINK_COLOR = (96, 96, 255)


def unknown(kind: str, name: object, choices: Iterable[str]) -> KeyError:
    """A KeyError that lists the choices and guesses which was meant."""
    known = list(choices)
    close = get_close_matches(str(name), known, n=1, cutoff=0.6)
    hint = f' Did you mean {close[0]!r}?' if close else ''
    return KeyError(f'Unknown {kind} {name!r}.{hint} Available: {known}')


def read_only(values: Sequence[Any] | np.ndarray, dtype: type) -> np.ndarray:
    """An array that raises when it is written to."""
    array: np.ndarray = np.array(values, dtype=dtype)
    array.setflags(write=False)
    return array


@dataclass(frozen=True, kw_only=True, repr=False)
class Skeleton:
    """The joints of one dataset: their names and order, and what follows from them.

    A value: compared and hashed by content, picklable, its arrays read-only. Indices, flips and
    links are computed from the joints' names. Build one with :meth:`from_metainfo`, or take one of
    the known ones from :func:`hpemap_mm.skeletons.get_skeleton`.

    Attributes:
        name: Name of the representation, e.g. ``'coco'``.
        joints: Names of the K joints, in the order of the annotation.
        swaps: For each joint the name of its mirror image; its own name on the middle line.
        body: For each joint ``'upper'``, ``'lower'`` or ``''`` (neither: face, hands).
        sigma_values: The K constants of object keypoint similarity (COCO's definition: standard
            deviation of annotators over the square root of the person's area), or empty where the
            dataset has none.
        sigma_source: Where the sigmas come from, in words.
        joint_weights: The K weights in the loss that MMPose's metainfo suggests.
        link_names: Pairs of joints to be drawn as limbs.
        colors: The K joints' colours (R, G, B in 0..255).
        link_colors: One colour for each link.
    """

    name: str
    joints: tuple[str, ...]
    swaps: tuple[str, ...]
    body: tuple[str, ...]
    sigma_values: tuple[float, ...]
    sigma_source: str
    joint_weights: tuple[float, ...]
    link_names: tuple[tuple[str, str], ...]
    colors: tuple[tuple[int, int, int], ...]
    link_colors: tuple[tuple[int, int, int], ...]

    @classmethod
    def from_metainfo(
        cls, metainfo: Mapping[str, Any], *, name: str | None = None, where: object = 'metainfo'
    ) -> Skeleton:
        """Read MMPose's ``dataset_info`` dict (the file formats of ``_base_/datasets``).

        Args:
            metainfo: With ``dataset_name``, ``keypoint_info``, ``skeleton_info``,
                ``joint_weights`` and ``sigmas`` as `parse_pose_metainfo` of MMPose wants them.
                ``sigmas=[]`` says that the dataset has none; ``joint_weights`` may be left out.
            name: The skeleton's name; by default ``dataset_name``.
            where: What error messages call the source, e.g. its path.

        Raises:
            DataError: With every fault found: missing keys, ids out of order, duplicate joints,
                swaps that name an unknown joint or are not mutual, a wrong number of sigmas or
                weights, bad values of either, links to unknown joints.
        """
        problems = ProblemList()
        for key in ('dataset_name', 'keypoint_info', 'skeleton_info', 'sigmas'):
            if key not in metainfo:
                problems.add(where, f'{key!r} is missing', "write it as MMPose's datasets do")
        problems.raise_if_any()

        infos = _in_order(metainfo['keypoint_info'], where, problems)
        joints = tuple(str(info['name']) for info in infos)
        swaps = tuple(str(info.get('swap') or info['name']) for info in infos)
        body = tuple(str(info.get('type') or '') for info in infos)
        links = tuple(metainfo['skeleton_info'].values())
        link_names = tuple(tuple(map(str, link['link'])) for link in links)
        sigmas = tuple(float(s) for s in metainfo['sigmas'])
        weights = tuple(float(w) for w in metainfo.get('joint_weights', [1.0] * len(joints)))
        _check_joints(joints, swaps, body, where, problems)
        _check_numbers('sigmas', sigmas, len(joints), where, problems, may_be_empty=True)
        _check_numbers('joint_weights', weights, len(joints), where, problems)
        _check_links(link_names, joints, where, problems)
        problems.raise_if_any()
        return cls(
            name=name or str(metainfo['dataset_name']),
            joints=joints,
            swaps=swaps,
            body=body,
            sigma_values=sigmas,
            sigma_source=f'{where}' if sigmas else '',
            joint_weights=weights,
            link_names=link_names,  # type: ignore[arg-type]  # pairs: checked above
            colors=tuple(_color(info, DEFAULT_COLOR) for info in infos),
            link_colors=tuple(_color(link, DEFAULT_LINK_COLOR) for link in links),
        )

    def __len__(self) -> int:
        return len(self.joints)

    def __repr__(self) -> str:
        return f'<Skeleton {self.name}: {len(self)} joints>'

    def __getstate__(self) -> dict[str, Any]:
        """Leave cached arrays behind: numpy would unpickle them writable."""
        return {f.name: self.__dict__[f.name] for f in fields(self)}

    def index(self, joint: str) -> int:
        """Position of a joint.

        Raises:
            KeyError: If the skeleton has no such joint; lists those it has.
        """
        try:
            return self._positions[joint]
        except KeyError:
            raise unknown(f'joint of skeleton {self.name!r}', joint, self.joints) from None

    @cached_property
    def _positions(self) -> dict[str, int]:
        return {joint: i for i, joint in enumerate(self.joints)}

    @cached_property
    def flip_indices(self) -> np.ndarray:
        """(K,) read-only: ``flipped[k] = keypoints[flip_indices[k]]`` in a mirrored image."""
        return read_only([self.index(joint) for joint in self.swaps], np.int64)

    @property
    def flip_pairs(self) -> tuple[tuple[int, int], ...]:
        """The index pairs that change places in a mirrored image, each once, lower index first."""
        return tuple((i, int(j)) for i, j in enumerate(self.flip_indices) if i < j)

    @property
    def has_sigmas(self) -> bool:
        """Whether the dataset has sigmas, so that OKS is defined on it."""
        return bool(self.sigma_values)

    @cached_property
    def sigmas(self) -> np.ndarray:
        """(K,) read-only floats.

        Raises:
            ValueError: If the skeleton has none.
        """
        if not self.has_sigmas:
            raise ValueError(
                f'Skeleton {self.name!r} has no sigmas. Give it some with with_sigmas(), e.g. '
                'those of hpemap_mm.skeletons.stand_in_sigmas().'
            )
        return read_only(self.sigma_values, np.float64)

    def with_sigmas(self, sigmas: Sequence[float] | np.ndarray, *, source: str) -> Skeleton:
        """The same skeleton with other sigmas.

        Args:
            sigmas: K positive numbers.
            source: Where they come from, in words.

        Raises:
            DataError: If they are not K positive finite numbers.
        """
        values = tuple(float(s) for s in sigmas)
        problems = ProblemList()
        _check_numbers('sigmas', values, len(self), f'skeleton {self.name}', problems)
        problems.raise_if_any()
        return replace(self, sigma_values=values, sigma_source=source)

    @property
    def links(self) -> tuple[tuple[int, int], ...]:
        """The limbs to be drawn, as index pairs."""
        return tuple((self.index(a), self.index(b)) for a, b in self.link_names)

    @property
    def upper_body_ids(self) -> tuple[int, ...]:
        """Indices of the upper half (for MMPose's half-body augmentation)."""
        return tuple(i for i, half in enumerate(self.body) if half == 'upper')

    @property
    def lower_body_ids(self) -> tuple[int, ...]:
        """Indices of the lower half."""
        return tuple(i for i, half in enumerate(self.body) if half == 'lower')

    def metainfo(self) -> dict[str, Any]:
        """A new dict that MMPose's `parse_pose_metainfo` accepts; ``dataset_name`` is the name."""
        return build_metainfo(
            name=self.name,
            joints=self.joints,
            swaps=self.swaps,
            body=self.body,
            sigmas=self.sigma_values,
            weights=self.joint_weights,
            links=self.link_names,
            colors=self.colors,
            link_colors=self.link_colors,
        )


def build_metainfo(
    *,
    name: str,
    joints: Sequence[str],
    swaps: Sequence[str],
    body: Sequence[str],
    sigmas: Sequence[float],
    weights: Sequence[float],
    links: Sequence[tuple[str, str]],
    colors: Sequence[tuple[int, int, int]],
    link_colors: Sequence[tuple[int, int, int]],
) -> dict[str, Any]:
    """MMPose's ``dataset_info`` dict, plain Python values only."""
    keypoint_info = {
        i: {
            'name': joint,
            'id': i,
            'color': list(colors[i]),
            'type': body[i],
            'swap': swaps[i] if swaps[i] != joint else '',
        }
        for i, joint in enumerate(joints)
    }
    skeleton_info = {
        i: {'link': tuple(link), 'id': i, 'color': list(link_colors[i])}
        for i, link in enumerate(links)
    }
    return {
        'dataset_name': name,
        'keypoint_info': keypoint_info,
        'skeleton_info': skeleton_info,
        'joint_weights': list(weights),
        'sigmas': list(sigmas),
    }


def _in_order(
    keypoint_info: Mapping[Any, Mapping[str, Any]], where: object, problems: ProblemList
) -> list[Mapping[str, Any]]:
    """The joints' dicts by id; the ids must run from 0 without a gap."""
    ids = [int(key) for key in keypoint_info]
    if sorted(ids) != list(range(len(ids))) or not ids:
        problems.add(where, f'keypoint_info has the ids {ids}', 'number the joints 0, 1, 2, ...')
        problems.raise_if_any()
    infos = [info for _, info in sorted(keypoint_info.items(), key=lambda item: int(item[0]))]
    for i, info in enumerate(infos):
        if not info.get('name'):
            problems.add(where, f'joint {i} has no name', 'name it')
        if int(info.get('id', i)) != i:
            problems.add(where, f'joint {i} has id={info["id"]}', 'make key and id agree')
    problems.raise_if_any()
    return infos


def _check_joints(
    joints: Sequence[str],
    swaps: Sequence[str],
    body: Sequence[str],
    where: object,
    problems: ProblemList,
) -> None:
    for joint in sorted({joint for joint in joints if joints.count(joint) > 1}):
        places = [i for i, other in enumerate(joints) if other == joint]
        problems.add(where, f'joint {joint!r} occurs at {places}', 'give each joint its own name')
    partner = dict(zip(joints, swaps, strict=True))
    for joint, swap in partner.items():
        if swap not in partner:
            close = get_close_matches(swap, joints, n=1)
            fix = f'did you mean {close[0]!r}?' if close else 'name a joint of this skeleton'
            problems.add(where, f'{joint!r} swaps with unknown joint {swap!r}', fix)
        elif partner[swap] != joint:
            problems.add(
                where,
                f'{joint!r} swaps with {swap!r}, but {swap!r} swaps with {partner[swap]!r}',
                'make swaps mutual',
            )
    for joint, half in zip(joints, body, strict=True):
        if half not in BODY_HALVES:
            problems.add(where, f'{joint!r} has type {half!r}', f'use one of {BODY_HALVES}')


def _check_numbers(
    what: str,
    values: Sequence[float],
    count: int,
    where: object,
    problems: ProblemList,
    *,
    may_be_empty: bool = False,
) -> None:
    if may_be_empty and not values:
        return
    if len(values) != count:
        problems.add(where, f'{len(values)} {what} for {count} joints', 'give one for each joint')
    bad = [v for v in values if not (np.isfinite(v) and v > 0)]
    if bad:
        problems.add(where, f'{what} contain {bad}', 'give positive finite numbers')


def _check_links(
    links: Sequence[Sequence[str]], joints: Sequence[str], where: object, problems: ProblemList
) -> None:
    for link in links:
        if len(link) != 2:
            problems.add(where, f'link {link} has {len(link)} ends', 'link two joints')
        for joint in link:
            if joint not in joints:
                problems.add(where, f'link {link} names unknown joint {joint!r}', 'correct it')


def _color(info: Mapping[str, Any], default: tuple[int, int, int]) -> tuple[int, int, int]:
    r, g, b = info.get('color', default)
    return int(r), int(g), int(b)
