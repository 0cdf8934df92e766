"""Completed datasets: annotations, and joints that were filled in, each with its uncertainty."""

# A persons, K joints of a skeleton, C joints of all the skeletons that are read

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from mmpose.datasets.datasets.base import BaseCocoStyleDataset

from hpemap_mm.datasets import checks
from hpemap_mm.datasets.combine import Labels
from hpemap_mm.errors import ProblemList
from hpemap_mm.persons.provenance import GT, PROVENANCE
from hpemap_mm.registry import DATASETS
from hpemap_mm.skeletons import JointSpace, Skeleton, annotator_stds, get_skeleton

#: What labels may come from.
LABELS = PROVENANCE[1:]
#: What a test may hold a model to: not what a model has said.
TRUTH = ('gt', 'derived')
#: Blur of the usual heatmaps in sizes of the person: 2 of the 64 pixels that show 1.25 boxes.
BLUR = 0.05
FIX = 'write it with tools/complete_dataset.py'


def label_weights(
    stds: np.ndarray, annotated: np.ndarray, reference: np.ndarray, blur: float
) -> np.ndarray:
    """Weights of labels by their variance, against an annotation's.

    A least-squares fit weighs its observations by the inverse of their variance. To a label's own
    comes that of what is trained on it: a heatmap is a label blurred, and below the blur it hardly
    matters how sure a label is. A label that is no less sure than an annotation, such as a joint
    that follows from annotated ones, counts as much.

    Args:
        stds: (..., K) standard deviations in sizes of the person.
        annotated: (..., K) which labels are annotations: these count 1.
        reference: (K,) standard deviation of an annotation, in sizes.
        blur: That of the target, in sizes.

    Returns:
        (..., K) in (0, 1].
    """
    own = np.where(annotated, reference, np.maximum(stds, reference))
    return (np.square(reference) + blur**2) / (np.square(own) + blur**2)


@DATASETS.register_module()
class CompletedDataset(BaseCocoStyleDataset):
    """What tools/complete_dataset.py wrote, in one skeleton, or in several at once.

    Filled joints are labels like annotated ones, but for their weight in the loss; which of them
    are taken is said by ``provenance``. Samples have ``keypoints_visible`` (1, K, 2): visibility
    and weight, as MMPose writes them; :class:`~hpemap_mm.datasets.PackSample` brings the weights
    into the target. A person without a label left is no sample. ``id`` is the person's in the
    files, the same in all skeletons.

    With ``skeletons`` each person has its C joints in all of them, one skeleton after the other,
    as in ``JointSpace.concat(*skeletons)``. It is for a joint space, into which
    :class:`~hpemap_mm.datasets.ToJointSpace` brings them, so that one pass of an image teaches
    all that is known of it; a sample's ``skeleton`` is then the one with most annotated joints.

    Args:
        completed: The folder with the ``<skeleton>.json``.
        skeleton: The skeleton to read.
        skeletons: Instead, several.
        provenance: Which joints are labels: of ``'gt'``, ``'derived'``, ``'translated'``,
            ``'predicted'`` and ``'fused'``; by default all. Others count as not annotated.
        entries: Only persons of these entries of the dataset that was completed; by default all.
        weighting: Weights of filled joints: None (all 1), or ``dict(type='std', blur=0.05)``:
            :func:`label_weights` against an annotator's of each joint (``annotator_stds``),
            with targets that are blurred by so many sizes of the person.
        data_prefix: ``img``: the folder of the images; by default the one that the files name.
        test_mode: For a test; ``provenance`` may then name ``'gt'`` and ``'derived'`` only (both by
            default), so that no model is held to what a model has said.
        **kwargs: As MMPose's datasets: ``data_root``, ``indices``, ``pipeline``, ...

    Attributes:
        skeletons: Those that are read.

    Raises:
        ValueError: If the arguments are unknown or contradict each other.
        KeyError: If a skeleton is unknown.
        DataError: When reading: a file is missing, of another skeleton, or of another run.
    """

    def __init__(
        self,
        *,
        completed: str | os.PathLike[str],
        skeleton: str | None = None,
        skeletons: Sequence[str] | None = None,
        provenance: Sequence[str] | None = None,
        entries: Sequence[str] | None = None,
        weighting: Mapping[str, Any] | None = None,
        data_prefix: Mapping[str, str] | None = None,
        test_mode: bool = False,
        **kwargs: Any,
    ) -> None:
        if (skeleton is None) == (skeletons is None) or isinstance(skeletons, str):
            raise ValueError("give skeleton='<name>', or skeletons=['<name>', '<name>', ...]")
        for given in ('ann_file', 'metainfo', 'bbox_file'):
            if kwargs.pop(given, None):
                raise ValueError(f'{given} follows from `completed` and `skeleton`: leave it out')
        names = list(skeletons) if skeletons is not None else [str(skeleton)]
        self.skeletons: tuple[Skeleton, ...] = tuple(map(get_skeleton, names))
        self.provenance = _known(provenance, TRUTH if test_mode else LABELS)
        self.only_entries = None if entries is None else tuple(entries)
        if isinstance(entries, str):
            raise ValueError(f'entries is a list of names, got {entries!r}')
        self._blur = _blur(weighting)
        self._images_given = data_prefix is not None
        # Several skeletons' joints stay apart here: what they share is the joint space's to say.
        self.representation = (
            self.skeletons[0] if skeletons is None else JointSpace.concat(*self.skeletons)
        )
        super().__init__(
            ann_file=os.path.join(completed, f'{self.skeletons[0].name}.json'),
            metainfo=self.representation.metainfo(),
            data_prefix=dict(data_prefix or {'img': ''}),
            test_mode=test_mode,
            **kwargs,
        )

    @property
    def files(self) -> list[Path]:
        """The annotation file of each skeleton."""
        return [Path(self.ann_file).with_name(f'{s.name}.json') for s in self.skeletons]

    def check_files(self, problems: ProblemList, *, images: bool, entry: str) -> checks.FileFacts:
        """Check the files before they are read.

        Args:
            problems: Collects what is wrong.
            images: Whether to look for the images, too.
            entry: The entry that reads them, for messages.
        """
        facts = checks.FileFacts(self.ann_file, 'completed')
        for file, skeleton in zip(self.files, self.skeletons, strict=True):
            path = str(file)
            if not checks.check_exists(
                path,
                'completed file',
                problems,
                entry=entry,
                data_root=self.data_root,
                how=f'{FIX} CONFIG CHECKPOINT --out {file.parent}',
            ):
                continue
            content = checks.read_json(path, problems, entry=entry)
            if content is None:
                continue
            found = checks.check_coco(
                content, problems, path=path, joints=len(skeleton), entry=entry
            )
            facts = found if file == self.files[0] else facts
            if _check_info(content, skeleton, f'{path} (entry {entry!r})', problems) and images:
                folder = self._image_folder(content)
                checks.check_images(folder, found.images, problems, entry=entry)
                images = False  # the files share their images
        return facts

    def _image_folder(self, content: Mapping[str, Any]) -> str:
        if self._images_given:
            return self.data_prefix['img']
        root = content['info']['hpemap_mm']['image_root']
        return os.path.normpath(os.path.join(os.path.dirname(self.ann_file), root))

    def _load_annotations(self) -> tuple[list[dict], list[dict]]:
        problems = ProblemList()
        contents = [
            self._content(file, skeleton, problems)
            for file, skeleton in zip(self.files, self.skeletons, strict=True)
        ]
        problems.raise_if_any()
        folder = self._image_folder(contents[0])
        self.data_prefix['img'] = folder
        images = {
            image['id']: {
                **image,
                'img_id': image['id'],
                'img_path': os.path.join(folder, image['file_name']),
            }
            for image in contents[0]['images']
        }
        rows = [{row['id']: row for row in content['annotations']} for content in contents]
        keys = [[(row['id'], row['image_id'], row['entry']) for row in r.values()] for r in rows]
        for file, others in zip(self.files, keys, strict=True):
            if others != keys[0]:
                what = f'has other persons than {self.files[0].name}'
                problems.add(file, what, 'take both from one run of tools/complete_dataset.py')
        known = {entry for _, _, entry in keys[0]}
        if lacking := sorted(set(self.only_entries or ()) - known):
            fix = f'name some of {sorted(known)}'
            problems.add(self.ann_file, f'has no persons of the entries {lacking}', fix)
        problems.raise_if_any()
        persons = [
            self._person([of_skeleton[id_] for of_skeleton in rows], images[image], problems)
            for id_, image, entry in keys[0]
            if self.only_entries is None or entry in self.only_entries
        ]
        problems.raise_if_any()
        return [person for person in persons if person is not None], list(images.values())

    def _content(self, file: Path, skeleton: Skeleton, problems: ProblemList) -> Any:
        try:
            content = json.loads(file.read_text(encoding='utf-8'))
        except (OSError, ValueError) as error:
            problems.add(file, f'cannot be read: {error}', FIX)
            return None
        _check_info(content, skeleton, str(file), problems)
        return content

    def _person(
        self, rows: Sequence[Mapping[str, Any]], image: Mapping[str, Any], problems: ProblemList
    ) -> dict[str, Any] | None:
        """A person's data, from its row in the file of each skeleton; None without a label."""
        first = rows[0]
        size = float(np.sqrt(first['area']))
        parts, annotated = [], []
        for row, skeleton, file in zip(rows, self.skeletons, self.files, strict=True):
            codes_K = np.asarray(row['keypoints_provenance'])
            stds_K = np.array(row['keypoints_std'], float) / size
            if codes_K.shape != stds_K.shape or 3 * len(codes_K) != len(row['keypoints']):
                what = f'annotation {row["id"]} has another number of joints than of their origins'
                problems.add(file, what, FIX)
                return None
            part = self._labels(np.array(row['keypoints'], float), codes_K, stds_K, skeleton)
            if not np.isfinite(part.weights).all():
                what = f'annotation {row["id"]} has a filled joint without a standard deviation'
                problems.add(file, what, f'{FIX}, or leave weighting out')
                return None
            parts.append(part)
            annotated.append(codes_K == GT)
        points, visible, weights = (
            np.concatenate(arrays)[None].astype(np.float32) for arrays in zip(*parts, strict=True)
        )
        if not visible.any():
            return None
        x, y, w, h = first['bbox']
        width, height = image['width'] - 1, image['height'] - 1
        box = np.clip([[x, y, x + w, y + h]], 0, [width, height, width, height])
        person = {
            'img_id': image['img_id'],
            'img_path': image['img_path'],
            'bbox': box.astype(np.float32),
            'bbox_score': np.ones(1, np.float32),
            'num_keypoints': int((visible > 0).sum()),
            'keypoints': points,
            # A test reads no weights.
            'keypoints_visible': visible if self.test_mode else np.stack([visible, weights], -1),
            'area': np.array(first['area'], np.float32),
            'iscrowd': first.get('iscrowd', 0),
            'id': first['id'],
            'category_id': np.array(first['category_id']),
            'completed_entry': first['entry'],
        }
        if isinstance(self.representation, JointSpace):
            own = int(np.argmax([given.sum() for given in annotated]))  # the first of equal ones
            person['skeleton'] = self.skeletons[own].name
            person['keypoints_annotated'] = np.concatenate(annotated)[None]
        return person

    def _labels(
        self, values: np.ndarray, codes_K: np.ndarray, stds_K: np.ndarray, skeleton: Skeleton
    ) -> Labels:
        """One skeleton's labels, of the origins that are wanted."""
        points_K3 = values.reshape(-1, 3)
        used_K = np.isin(codes_K, [PROVENANCE.index(name) for name in self.provenance])
        used_K &= points_K3[:, 2] > 0
        weights_K = np.ones(len(codes_K))
        if self._blur is not None:
            reference_K = annotator_stds(skeleton)
            weights_K = label_weights(stds_K, codes_K == GT, reference_K, self._blur)
        return Labels(
            np.where(used_K[:, None], points_K3[:, :2], 0.0),
            np.where(used_K, np.minimum(points_K3[:, 2], 1), 0.0),
            np.where(used_K, weights_K, 0.0),
        )


def _known(names: Sequence[str] | None, choices: Sequence[str]) -> tuple[str, ...]:
    if names is None:
        return tuple(choices)
    given = (names,) if isinstance(names, str) else tuple(names)
    unknown = [name for name in given if name not in choices]
    if unknown or not given:
        raise ValueError(
            f'provenance {unknown or "is empty"}; name some of {list(choices)}'
            + (' (what a model has said is no truth for a test)' if choices is TRUTH else '')
        )
    return given


def _blur(weighting: Mapping[str, Any] | None) -> float | None:
    """Blur of the targets, in sizes; None: no weighting."""
    if weighting is None:
        return None
    options = dict(weighting)
    kind, blur = options.pop('type', None), options.pop('blur', BLUR)
    if kind != 'std' or options:
        raise ValueError(f"weighting is None or dict(type='std', blur={BLUR}), got {weighting!r}")
    if isinstance(blur, bool) or not isinstance(blur, int | float) or not 0 <= blur < np.inf:
        raise ValueError(f'weighting: blur is in sizes of the person, from 0, got {blur!r}')
    return float(blur)


def _check_info(content: Any, skeleton: Skeleton, where: str, problems: ProblemList) -> bool:
    """Whether a file says that it is a completed one, and in this skeleton."""
    info = content.get('info', {}) if isinstance(content, dict) else {}
    ours = info.get('hpemap_mm') if isinstance(info, dict) else None
    if not isinstance(ours, dict) or not {'skeleton', 'provenance', 'image_root'} <= ours.keys():
        problems.add(where, 'is not a completed dataset: its "info" has no "hpemap_mm"', FIX)
        return False
    if ours['skeleton'] != skeleton.name:
        what = f'is in skeleton {ours["skeleton"]!r}, where {skeleton.name!r} is expected'
        problems.add(where, what, 'do not rename the files')
        return False
    if tuple(ours['provenance']) != PROVENANCE:
        what = f'has the origins {ours["provenance"]}, where {list(PROVENANCE)} are known'
        problems.add(where, what, 'write it with this version of tools/complete_dataset.py')
        return False
    # The names of the joints say whether the catalogue's skeleton is still the file's.
    joints = next((c.get('keypoints') for c in content.get('categories', [])), None)
    if joints is not None and list(joints) != list(skeleton.joints):
        problems.add(where, f'names other joints than {skeleton.name!r} has', FIX)
        return False
    return True
