"""A picture of a generated dataset: photographs with each dataset's own joints drawn in."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from hpemap_mm.skeletons import get_skeleton

from .generate import read_manifest

#: BGR of the person's left, right and middle joints.
SIDE_COLOURS = {'left': (60, 220, 60), 'right': (60, 60, 255), None: (255, 170, 0)}


def _side(joint: str) -> str | None:
    side = joint.partition('_')[0]
    return side if side in ('left', 'right') else None


def draw_joints(
    image: NDArray[np.uint8], keypoints: NDArray[np.float64], skeleton: str, *, zoom: int = 2
) -> None:
    """Draw one person's joints in place: green left, red right, hollow where occluded.

    Args:
        image: BGR, already enlarged by ``zoom``.
        keypoints: ``(K, 3)``: x, y in pixels of the original image, visibility.
        skeleton: Whose joints they are.
        zoom: Enlargement of the image.
    """
    sk = get_skeleton(skeleton)
    points = np.round((keypoints[:, :2] * zoom + (zoom - 1) / 2) * 8).astype(int).tolist()
    for a, b in sk.links:
        if keypoints[a, 2] and keypoints[b, 2]:
            colour = SIDE_COLOURS[_side(sk.joints[a]) or _side(sk.joints[b])]
            cv2.line(image, points[a], points[b], colour, 1, cv2.LINE_AA, 3)
    for joint, point, seen in zip(sk.joints, points, keypoints[:, 2], strict=True):
        if seen:
            fill = -1 if seen == 2 else 1
            cv2.circle(image, point, 3 * 8, SIDE_COLOURS[_side(joint)], fill, cv2.LINE_AA, 3)


def _enlarged(path: Path, zoom: int) -> NDArray[np.uint8]:
    image = cv2.imread(str(path))
    if image is None:
        raise FileNotFoundError(f'{path} is missing or is not an image')
    image = cv2.resize(image, None, fx=zoom, fy=zoom, interpolation=cv2.INTER_CUBIC)
    return np.asarray(image, np.uint8)


def contact_sheet(
    out_dir: str | Path,
    path: str | Path,
    n: int = 12,
    *,
    split: str = 'train',
    columns: int = 4,
    joints: bool = True,
    zoom: int = 2,
) -> None:
    """Draw the first ``n`` photographs of a split, each with its dataset's joints.

    Args:
        out_dir: A generated dataset.
        path: Picture file to write.
        n: Number of photographs.
        split: ``'train'`` or ``'val'``.
        columns: Photographs per row.
        joints: Whether to draw the joints, and the dataset's name.
        zoom: Enlargement.

    Raises:
        FileNotFoundError: If there is no generated dataset at ``out_dir``.
    """
    root = Path(out_dir)
    if read_manifest(root) is None:
        raise FileNotFoundError(f'{root} is not a generated dataset: it has no manifest.json')
    with np.load(root / 'truth' / f'{split}.npz') as archive:
        truth = dict(archive)
    tiles: list[NDArray[np.uint8]] = []
    for name in dict.fromkeys(truth['image'].tolist()):
        if len(tiles) == n:
            break
        image = _enlarged(root / 'images' / split / name, zoom)
        rows = np.flatnonzero(truth['image'] == name)
        if joints:
            dataset = str(truth['dataset'][rows[0]])
            for row in rows:
                draw_joints(image, truth[dataset][row], dataset, zoom=zoom)
            for colour, thick in (((0, 0, 0), 3), ((255, 255, 255), 1)):
                cv2.putText(image, dataset, (8, 22), 0, 0.6, colour, thick, cv2.LINE_AA)
        tiles.append(np.pad(image, ((3, 3), (3, 3), (0, 0)), constant_values=255))
    blank = np.full_like(tiles[0], 255)
    tiles += [blank] * (-len(tiles) % columns)
    sheet = np.vstack([np.hstack(tiles[k : k + columns]) for k in range(0, len(tiles), columns)])
    if not cv2.imwrite(str(path), sheet):
        raise OSError(f'could not write {path}')
