"""Stand-in sigmas, for skeletons that were published without."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np
import numpy.typing as npt

from hpemap_mm.skeletons.ontology import canonical_joints, get_ontology
from hpemap_mm.skeletons.skeleton import Skeleton

# Whose sigmas are borrowed, in this order: COCO's were measured (5,000 images annotated twice);
# CrowdPose's and Halpe's are those of their official evaluations. MPII's are left out: see
# catalog.toml. AIC's are too: they are several times tighter than COCO's, on another scale.
REFERENCES = ('coco', 'crowdpose', 'halpe')


def stand_in_sigmas(
    skeleton: Skeleton, references: Sequence[Skeleton] | None = None
) -> tuple[float, ...]:
    """Sigmas for the joints of a skeleton, computed from other skeletons through the ontology.

    Each joint takes the sigma of the `same` joint of the first reference that has it; failing that
    of a `near` joint; failing that the mean of the sigmas of the joints that it is derived from
    (found by the same rule). They make OKS computable; they are no measurement of the dataset's
    annotators, and figures made with them should say so.

    Args:
        skeleton: Any skeleton that the ontology knows.
        references: Skeletons with sigmas; by default COCO, CrowdPose and Halpe.

    Returns:
        K floats.

    Raises:
        ValueError: If there is a joint which none of the rules reaches; names it.
        KeyError: If the ontology does not know the skeleton.
    """
    if references is None:
        from hpemap_mm.skeletons.catalog import get_skeleton

        references = [get_skeleton(name) for name in REFERENCES]
    tables = [
        dict(zip(canonical_joints(ref), ref.sigmas.tolist(), strict=True)) for ref in references
    ]
    values = {c: _sigma(c, tables) for c in canonical_joints(skeleton)}
    missing = [joint for joint, value in values.items() if value is None]
    if missing:
        raise ValueError(f'No reference has sigmas for {missing} of skeleton {skeleton.name!r}.')
    return tuple(float(value) for value in values.values() if value is not None)


@cache
def annotator_stds(skeleton: Skeleton) -> npt.NDArray[np.floating]:
    """(K,) standard deviation of an annotator along one axis, in sizes of the person.

    COCO's sigmas are the root mean square distance of redundant annotations (both axes) in
    sizes; other skeletons borrow them through the ontology. Of skeletons that it does not
    relate to COCO's (animals), the published sigmas are taken.
    """
    try:
        sigmas = stand_in_sigmas(skeleton)
    except ValueError:
        sigmas = tuple(skeleton.sigmas.tolist())
    return np.asarray(sigmas) / np.sqrt(2)


def _sigma(canonical: str, tables: list[dict[str, float]]) -> float | None:
    ontology = get_ontology()
    near = ontology.near.get(canonical)
    for group in ((canonical,), near.members if near else ()):
        for table in tables:
            for member in group:
                if member in table:
                    return table[member]
    if canonical not in ontology.derived:
        return None
    sources = [_sigma(source, tables) for source in ontology.derived[canonical].sources]
    found = [value for value in sources if value is not None]
    return float(np.mean(found)) if len(found) == len(sources) else None
