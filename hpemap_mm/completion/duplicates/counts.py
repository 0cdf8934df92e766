"""How many images two entries have in common."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from hpemap_mm.datasets.duplicates import TRAIN, Duplicates, Member, Place, leaking

PlaceKey = tuple[str, str]


@dataclass(frozen=True)
class Common:
    """What two entries have in common, or one with itself.

    Attributes:
        first: The one; the training entry, where it is a leak.
        second: The other.
        of_first: Images of the first that are in the second, too.
        of_second: Images of the second that are in the first, too.
        same_file: How many of the first's are the same file.
    """

    first: Place
    second: Place
    of_first: int
    of_second: int
    same_file: int

    @property
    def leaks(self) -> bool:
        """Whether one is trained on and the other evaluated on."""
        return leaking({self.first.split, self.second.split})


def common_images(found: Duplicates, files: Mapping[PlaceKey, Mapping[str, str]]) -> list[Common]:
    """Pairs of entries that have images in common; leaks first, then by how many.

    For an entry with itself, images beyond the first of each group are counted, and no files.

    Args:
        found: What was found.
        files: (split, entry) -> name of an image -> its path.
    """
    places = {(place.split, place.entry): place for place in found.places}
    order = {key: i for i, key in enumerate(places)}
    images: dict[tuple[PlaceKey, PlaceKey], list[int]] = defaultdict(lambda: [0, 0, 0])
    for group in found.groups:
        by_place: dict[PlaceKey, list[Member]] = defaultdict(list)
        for member in group:
            by_place[member.place].append(member)
        keys = sorted(by_place, key=lambda key: order[key])
        paths = {key: {files[key][m.image] for m in by_place[key]} for key in keys}
        for i, one in enumerate(keys):
            if found.within and len(by_place[one]) > 1:
                images[one, one][0] += len(by_place[one]) - 1
            for other in keys[i + 1 :]:
                count = images[one, other]
                count[0] += len(by_place[one])
                count[1] += len(by_place[other])
                count[2] += len(paths[one] & paths[other])
    common = [
        Common(places[one], places[other], count[0], count[1] or count[0], count[2])
        for (one, other), count in images.items()
    ]
    return sorted(common, key=lambda c: (not c.leaks, -c.of_first, str(c.first), str(c.second)))


def leaked_images(found: Duplicates) -> dict[PlaceKey, int]:
    """By training entry, how many images are evaluated on, too."""
    counts: dict[PlaceKey, int] = defaultdict(int)
    for group in found.leaked:
        for member in group:
            if member.split == TRAIN:
                counts[member.place] += 1
    return dict(counts)
