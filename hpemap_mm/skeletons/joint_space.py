"""JointSpace: several skeletons' joints in one ordered tuple.

Letters of array shapes: J joints of the space, K joints of a skeleton.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Any
from zlib import crc32

import numpy as np

from hpemap_mm.skeletons import arrays, layout
from hpemap_mm.skeletons.catalog import as_skeleton
from hpemap_mm.skeletons.skeleton import Skeleton, build_metainfo, read_only, unknown

KINDS = ('union', 'concat', 'preset')


@dataclass(frozen=True, kw_only=True)
class JointSpace:
    """An ordered tuple of joints, and for each skeleton where its joints are in it.

    A value: compared and hashed by content, picklable, its arrays read-only. Build one with
    :meth:`union`, :meth:`concat`, :meth:`preset` or :meth:`from_config`. Within one skeleton no
    two joints ever share a place, so that :meth:`gather` undoes :meth:`scatter`.

    What a joint of several skeletons has only once (sigma, loss weight, colour, body half) is
    taken from the first of the space's skeletons that has the joint (for the sigma: and that has
    sigmas). So a union that begins with COCO scores COCO's joints by COCO's own constants, and no
    number is made up.

    Attributes:
        name: Says how the space is made, e.g. ``'union(coco,mpii)'``, or a preset's name.
        kind: ``'union'`` or ``'concat'``.
        joints: Names of the J joints: canonical ones in a union, ``skeleton/joint`` in a concat.
        skeletons: The skeletons, in the order given.
        rows: For each skeleton the places of its K joints.
    """

    name: str
    kind: str
    joints: tuple[str, ...]
    skeletons: tuple[Skeleton, ...]
    rows: tuple[tuple[int, ...], ...]

    @classmethod
    def union(
        cls,
        *skeletons: str | Skeleton,
        merge: str | Iterable[str] = 'same',
        order: Sequence[str] | None = None,
        apart: Iterable[str] = (),
        name: str | None = None,
    ) -> JointSpace:
        """A space that has joints of one meaning once.

        Args:
            skeletons: Names or skeletons, at least one.
            merge: ``'same'``: only joints of one canonical joint become one; ``'near'``: also
                those of one near group (necks, head tops, ...); or the names of the near groups
                to merge, e.g. ``['head_top']``. A joint that stands for several canonical ones
                has its group's name.
            order: All joints, by their names in the space or as ``skeleton/joint``, in the order
                wanted. By default the first skeleton's, then what the second adds, and so on.
            apart: Joints to keep apart, one for each skeleton that has them, though they are
                `same`: names without a side, e.g. ``['shoulder', 'hip']``. They are then called
                ``skeleton/joint``.
            name: A name; by default one that says all of the above.

        Raises:
            KeyError: For unknown skeletons, groups or joints; lists the choices.
            ValueError: For no or repeated skeletons, an incomplete order, or if merging would
                make one joint of two of the same skeleton.
        """
        members = layout.distinct(skeletons)
        groups = layout.merged_groups(merge)
        apart = sorted(set(layout.listed(apart, 'apart')))
        joints, rows = layout.union_layout(
            members, groups=groups, separate=layout.both_sides(apart, members)
        )
        merged = 'near' if merge == 'near' else '+'.join(sorted(groups))
        return cls(
            name=name or layout.describe('union', members, merge=merged, apart='+'.join(apart)),
            kind='union',
            joints=joints,
            skeletons=members,
            rows=rows,
        )._ordered(order, rename=name is None)

    @classmethod
    def concat(
        cls,
        *skeletons: str | Skeleton,
        order: Sequence[str] | None = None,
        name: str | None = None,
    ) -> JointSpace:
        """A space that has every joint of every skeleton, called ``skeleton/joint``.

        Args:
            skeletons: Names or skeletons, at least one.
            order: All joints, in the order wanted; by default one skeleton after the other.
            name: A name; by default one that says all of the above.

        Raises:
            KeyError: For unknown skeletons or joints; lists the choices.
            ValueError: For no or repeated skeletons, or an incomplete order.
        """
        members = layout.distinct(skeletons)
        joints, rows = layout.concat_layout(members)
        return cls(
            name=name or layout.describe('concat', members),
            kind='concat',
            joints=joints,
            skeletons=members,
            rows=rows,
        )._ordered(order, rename=name is None)

    @classmethod
    def preset(cls, name: str) -> JointSpace:
        """A space in the order of other people's checkpoints (``layout.PRESETS``).

        Raises:
            KeyError: If there is no such preset; lists those there are.
        """
        kind, skeletons, order = layout.preset_recipe(name)
        build = cls.union if kind == 'union' else cls.concat
        return build(*skeletons, order=order, name=name)

    @classmethod
    def from_config(cls, config: Mapping[str, Any] | JointSpace) -> JointSpace:
        """A space from what a config file says.

        Args:
            config: ``dict(kind='union', skeletons=[...], merge=, order=, apart=, name=)``,
                ``dict(kind='concat', skeletons=[...], order=, name=)``,
                ``dict(kind='preset', name='seed-21')``, or a space, which is returned.

        Raises:
            ValueError: For an unknown kind, or keys that it does not take; lists the choices.
            KeyError: As :meth:`union`.
        """
        if isinstance(config, JointSpace):
            return config
        if not isinstance(config, Mapping) or config.get('kind') not in KINDS:
            raise ValueError(f'A joint space is a dict with kind= one of {KINDS}; got {config!r}.')
        options = dict(config)
        kind = options.pop('kind')
        required = 'name' if kind == 'preset' else 'skeletons'
        allowed = {
            'preset': {'name'},
            'concat': {'skeletons', 'order', 'name'},
            'union': {'skeletons', 'order', 'name', 'merge', 'apart'},
        }[kind]
        if required not in options or not set(options) <= allowed:
            raise ValueError(
                f'A joint space of kind {kind!r} needs {required!r} and takes {sorted(allowed)}; '
                f'got {sorted(options)}.'
            )
        if kind == 'preset':
            return cls.preset(options['name'])
        skeletons = layout.listed(options.pop('skeletons'), 'skeletons')
        return (cls.union if kind == 'union' else cls.concat)(*skeletons, **options)

    def __len__(self) -> int:
        return len(self.joints)

    def __repr__(self) -> str:
        return f'<JointSpace {self.name}: {len(self)} joints>'

    def __getstate__(self) -> dict[str, Any]:
        """Leave cached arrays behind: numpy would unpickle them writable."""
        return {f.name: self.__dict__[f.name] for f in fields(self)}

    def index(self, joint: str) -> int:
        """Place of a joint.

        Args:
            joint: Its name in the space, or ``skeleton/joint``.

        Raises:
            KeyError: If there is none; lists the joints.
        """
        if joint in self._positions:
            return self._positions[joint]
        owner, _, own_name = str(joint).partition('/')
        for skeleton, row in zip(self.skeletons, self.rows, strict=True):
            if skeleton.name == owner and own_name in skeleton.joints:
                return row[skeleton.index(own_name)]
        raise unknown(f'joint of space {self.name!r}', joint, self.joints)

    def indices(self, skeleton: str | Skeleton) -> np.ndarray:
        """(K,) read-only: the places of a skeleton's joints.

        Raises:
            KeyError: If the skeleton is not of this space; lists those that are.
        """
        return read_only(self.rows[self._member(skeleton)], np.int64)

    def scatter(
        self, skeleton: str | Skeleton, x: Any, fill: float = 0.0, axis: int = -2
    ) -> tuple[Any, np.ndarray]:
        """Put a skeleton's values into the space.

        Args:
            skeleton: Which of the space's skeletons `x` is in.
            x: Array (numpy, or a torch tensor) with the skeleton's K joints on `axis`; keypoints
                (..., K, 2) have them on the last but one.
            fill: What joints get that the skeleton lacks.
            axis: The axis of the joints.

        Returns:
            An array like `x` (type, dtype, device) with J joints on `axis`, and a (J,) numpy bool
            mask of the joints that the skeleton has.

        Raises:
            KeyError: If the skeleton is not of this space.
            ValueError: If `axis` of `x` does not have K entries.
        """
        member = self._member(skeleton)
        places = list(self.rows[member])
        x = arrays.checked(x, len(places), axis, self.skeletons[member].name)
        mask = np.zeros(len(self), dtype=bool)
        mask[places] = True
        return arrays.scatter(x, places, len(self), fill=fill, axis=axis), mask

    def gather(self, skeleton: str | Skeleton, x: Any, axis: int = -2) -> Any:
        """Take a skeleton's values out of the space.

        Args:
            skeleton: Which of the space's skeletons is wanted.
            x: Array (numpy, or a torch tensor) with J joints on `axis`.
            axis: The axis of the joints.

        Returns:
            An array like `x` with the skeleton's K joints, in its order, on `axis`.

        Raises:
            KeyError: If the skeleton is not of this space.
            ValueError: If `axis` of `x` does not have J entries.
        """
        x = arrays.checked(x, len(self), axis, self.name)
        return arrays.gather(x, self.indices(skeleton).tolist(), axis=axis)

    @cached_property
    def owners(self) -> tuple[tuple[tuple[Skeleton, int], ...], ...]:
        """For each joint the skeletons that have it, each with its own index of the joint."""
        owners: list[list[tuple[Skeleton, int]]] = [[] for _ in self.joints]
        for skeleton, row in zip(self.skeletons, self.rows, strict=True):
            for k, place in enumerate(row):
                owners[place].append((skeleton, k))
        return tuple(map(tuple, owners))

    @cached_property
    def flip_indices(self) -> np.ndarray:
        """(J,) read-only: ``flipped[j] = x[flip_indices[j]]`` in a mirrored image."""
        row_of = {s.name: row for s, row in zip(self.skeletons, self.rows, strict=True)}
        flips = []
        for owners in self.owners:
            images = {row_of[s.name][s.flip_indices[k]] for s, k in owners}
            assert len(images) == 1, f'skeletons disagree on a mirror image: {images}'
            flips.append(images.pop())
        return read_only(flips, np.int64)

    @property
    def flip_pairs(self) -> tuple[tuple[int, int], ...]:
        """The index pairs that change places in a mirrored image, each once, lower index first."""
        return tuple((i, int(j)) for i, j in enumerate(self.flip_indices) if i < j)

    @property
    def has_sigmas(self) -> bool:
        """Whether every joint has a sigma, so that OKS is defined on the space."""
        return all(sigma is not None for sigma in self._sigma_values)

    @cached_property
    def sigmas(self) -> np.ndarray:
        """(J,) read-only floats: of the first skeleton that has the joint and has sigmas.

        Raises:
            ValueError: If a joint has none; names those joints.
        """
        missing = [j for j, s in zip(self.joints, self._sigma_values, strict=True) if s is None]
        if missing:
            raise ValueError(
                f'Joints {missing} of space {self.name!r} have no sigmas. Give their skeleton '
                'some: Skeleton.with_sigmas(), hpemap_mm.skeletons.stand_in_sigmas().'
            )
        return read_only(self._sigma_values, np.float64)

    @property
    def joint_weights(self) -> tuple[float, ...]:
        """Loss weights that MMPose's metainfo suggests, of the first skeleton with the joint."""
        return tuple(s.joint_weights[k] for s, k in self._first)

    @property
    def links(self) -> tuple[tuple[int, int], ...]:
        """The limbs of all skeletons, as index pairs, each once."""
        return tuple(self._link_colors)

    @property
    def upper_body_ids(self) -> tuple[int, ...]:
        """Places of the upper half (for MMPose's half-body augmentation)."""
        return tuple(j for j, half in enumerate(self._body) if half == 'upper')

    @property
    def lower_body_ids(self) -> tuple[int, ...]:
        """Places of the lower half."""
        return tuple(j for j, half in enumerate(self._body) if half == 'lower')

    def metainfo(self) -> dict[str, Any]:
        """A new dict that MMPose's `parse_pose_metainfo` accepts; ``dataset_name`` is the name.

        Its sigmas are empty, as MMPose writes "none", unless every joint has one.
        """
        return build_metainfo(
            name=self.name,
            joints=self.joints,
            swaps=[self.joints[i] for i in self.flip_indices],
            body=self._body,
            sigmas=[s for s in self._sigma_values if s is not None] if self.has_sigmas else [],
            weights=self.joint_weights,
            links=[(self.joints[a], self.joints[b]) for a, b in self.links],
            colors=[s.colors[k] for s, k in self._first],
            link_colors=list(self._link_colors.values()),
        )

    @cached_property
    def _positions(self) -> dict[str, int]:
        return {joint: i for i, joint in enumerate(self.joints)}

    @property
    def _first(self) -> list[tuple[Skeleton, int]]:
        return [owners[0] for owners in self.owners]

    @property
    def _body(self) -> list[str]:
        return [s.body[k] for s, k in self._first]

    @cached_property
    def _sigma_values(self) -> tuple[float | None, ...]:
        return tuple(
            next((s.sigma_values[k] for s, k in owners if s.has_sigmas), None)
            for owners in self.owners
        )

    @cached_property
    def _link_colors(self) -> dict[tuple[int, int], tuple[int, int, int]]:
        colors: dict[tuple[int, int], tuple[int, int, int]] = {}
        for skeleton, row in zip(self.skeletons, self.rows, strict=True):
            for (a, b), color in zip(skeleton.links, skeleton.link_colors, strict=True):
                link = (row[a], row[b])
                if link not in colors and link[::-1] not in colors:
                    colors[link] = color
        return colors

    def _member(self, skeleton: str | Skeleton) -> int:
        """Which of the space's skeletons is meant."""
        names = [s.name for s in self.skeletons]
        name = skeleton.name if isinstance(skeleton, Skeleton) else skeleton
        if name not in names and isinstance(name, str):
            name = as_skeleton(name).name  # an alias, or an unknown name
        if name not in names:
            raise unknown(f'skeleton of space {self.name!r}', name, names)
        member = names.index(name)
        if isinstance(skeleton, Skeleton) and skeleton.joints != self.skeletons[member].joints:
            raise KeyError(f'Space {self.name!r} has another skeleton named {name!r}.')
        return member

    def _ordered(self, order: Sequence[str] | None, *, rename: bool) -> JointSpace:
        """The same space with its joints in another order."""
        if order is None:
            return self
        wanted = [self.index(joint) for joint in layout.listed(order, 'order')]
        twice = sorted({self.joints[i] for i in wanted if wanted.count(i) > 1})
        missing = [joint for i, joint in enumerate(self.joints) if i not in wanted]
        if twice or missing:
            raise ValueError(
                f'order must name each joint of {self.name!r} once: missing {missing}, '
                f'repeated {twice}.'
            )
        joints, rows = layout.reorder((self.joints, self.rows), wanted)
        digest = f'{crc32(" ".join(joints).encode()):08x}'
        name = f'{self.name[:-1]};order={digest})' if rename else self.name
        return replace(self, name=name, joints=joints, rows=rows)
