"""What the errors say, as values: of one file of predictions, and of several side by side.

Dimensions: N persons, K joints of the truth.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from hpemap_mm.analysis.dependence import Dependences
from hpemap_mm.analysis.derivations import Derivations
from hpemap_mm.analysis.distributions import Laws
from hpemap_mm.analysis.frames import Sizes
from hpemap_mm.analysis.image_shift import ImageShift
from hpemap_mm.analysis.mixture import Mixtures
from hpemap_mm.analysis.offset_values import Offsets
from hpemap_mm.analysis.taxonomy import Taxonomy
from hpemap_mm.evaluation.bootstrap import METHOD
from hpemap_mm.persons.arrays import Array

#: Counts the changes of the json's form.
FORM = 1


@dataclass(frozen=True, kw_only=True, eq=False)
class Findings:
    """What the errors of one subject say.

    Attributes:
        name: Of the subject.
        about: What was analysed: names, counts, how persons were paired.
        relations: Truth's joint -> how it is answered.
        sizes: What errors were divided by.
        errors: (N, K, 2) in the image frame, over the size; NaN where there is none.
        body_errors: (N, K, 2) in the body frame; NaN also for persons seen from the side.
        laws: Distributions in the image frame.
        body_laws: Distributions in the body frame; None without shoulders and hips.
        shift: What all joints are shifted by; None where too little is known.
        mixtures: Joints whose predictions are partly another joint's.
        derivations: Joints of the annotation that were computed.
        kinds: The taxonomy; None where there are no areas.
        offsets: Definition offsets; None without shoulders and hips.
        dependences: On size and pose.
        missing: Analysis -> why there is none.
    """

    name: str
    about: Mapping[str, Any]
    relations: Mapping[str, str]
    sizes: Sizes
    errors: Array
    body_errors: Array
    laws: Laws
    body_laws: Laws | None
    shift: ImageShift | None
    mixtures: Mixtures
    derivations: Derivations
    kinds: Taxonomy | None
    offsets: Offsets | None
    dependences: Dependences
    missing: Mapping[str, str]

    def to_json(self) -> dict[str, Any]:
        """Plain data; the errors themselves are left out."""
        parts = {
            'laws': self.laws,
            'body_laws': self.body_laws,
            'shift': self.shift,
            'mixtures': self.mixtures,
            'derivations': self.derivations,
            'taxonomy': self.kinds,
            'offsets': self.offsets,
            'dependence': self.dependences,
        }
        return {
            'name': self.name,
            'about': dict(self.about),
            'relations': dict(self.relations),
            'unit': self.sizes.unit,
            **{key: part.to_json() if part else None for key, part in parts.items()},
            'missing': dict(self.missing),
        }


@dataclass(frozen=True, kw_only=True, eq=False)
class Difference:
    """Offsets of one subject beyond those of another.

    Attributes:
        other: Name of the other one.
        role: ``'control'`` (the other one predicts in the dataset's own definition) or
            ``'against'`` (the two are compared as equals).
        offsets: Joint by joint; None where they could not be subtracted.
        reason: Why not.
    """

    other: str
    role: str
    offsets: Offsets | None
    reason: str = ''

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {
            'other': self.other,
            'role': self.role,
            'offsets': self.offsets.to_json() if self.offsets else None,
            'reason': self.reason,
        }


@dataclass(frozen=True, kw_only=True, eq=False)
class Analysis:
    """One subject, what it was held against, and the differences.

    Attributes:
        main: The subject in question.
        against: Another dataset or model beside it, if any.
        controls: Predictions in the dataset's own definition, if any.
        differences: Of ``main`` to each of the others.
        replicates: Bootstrap replicates behind the intervals.
        seed: Their seed.
    """

    main: Findings
    against: Findings | None = None
    controls: tuple[Findings, ...] = ()
    differences: tuple[Difference, ...] = ()
    replicates: int = 0
    seed: int = 0

    @property
    def subjects(self) -> tuple[Findings, ...]:
        """All that were analysed, the main one first."""
        return (self.main, *([self.against] if self.against else []), *self.controls)

    def to_json(self) -> dict[str, Any]:
        """Plain data; NaN as None."""
        return _finite(
            {
                'form': FORM,
                'interval': f'{METHOD}, {self.replicates} replicates, seed {self.seed}',
                'main': self.main.to_json(),
                'against': self.against.to_json() if self.against else None,
                'controls': [control.to_json() for control in self.controls],
                'differences': [difference.to_json() for difference in self.differences],
            }
        )


def _finite(value: Any) -> Any:
    """The same plain data with None for numbers that are not finite."""
    if isinstance(value, Mapping):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    if isinstance(value, float) and not np.isfinite(value):
        return None
    return value
