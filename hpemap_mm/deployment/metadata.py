"""What an exported file says of itself: all that is needed to run it without this package."""

# N images, K joints, H W input, h w heatmap

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Literal

from hpemap_mm.deployment.packages import require
from hpemap_mm.errors import DataError, Problem
from hpemap_mm.skeletons import JointSpace, Skeleton

PREFIX = 'hpemap_mm.'
#: The one input of every exported file.
INPUT_NAME = 'images'

InputKind = Literal['normalized', 'raw']
#: What an output holds; see :class:`OutputInfo`.
OutputKind = Literal['keypoints', 'heatmaps', 'simcc', 'coordinates']


@dataclass(frozen=True, kw_only=True)
class InputInfo:
    """What the network is given: ``images``, (N, 3, H, W) float32.

    Attributes:
        kind: 'normalized': ``(x - mean) / std`` of pixels 0..255 in ``color`` order, as MMPose's
            data preprocessor makes it; 'raw': pixels 0..255, normalised in the graph.
        color: Order of the channels that the input must have: 'RGB' or 'BGR' (OpenCV's).
        size: (W, H) in pixels.
        mean: By channel of the network, in pixel values; zeros where nothing is subtracted.
        std: By channel of the network; ones where nothing is divided.
        bbox_padding: Side of the crop over that of the person's box, before the crop is widened
            to the shape of the input.
        udp: Whether the crop maps the centres of its outer pixels to those of the input (UDP).
    """

    kind: InputKind
    color: Literal['RGB', 'BGR']
    size: tuple[int, int]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    bbox_padding: float
    udp: bool


@dataclass(frozen=True, kw_only=True)
class OutputInfo:
    """One skeleton's output.

    Attributes:
        name: The head's, or the skeleton's of a joint space.
        tensors: Names of the graph's outputs: one, or two for 'simcc' (x, then y).
        kind: 'keypoints': (N, K, 3), x and y in pixels of the input, then the score;
            'heatmaps': (N, K, h, w), to be decoded by ``codec``; 'simcc': (N, K, bins) by axis;
            'coordinates': (N, K, D), of which the first two are x / W and y / H.
        skeleton: Name of the skeleton, or of the joint space.
        joints: Names of the K joints.
        flip_indices: K: ``flipped[k] = x[flip_indices[k]]`` in a mirrored image.
        links: Pairs of joints to draw as limbs.
        sigmas: K constants of object keypoint similarity; None where the dataset has none.
        codec: Config of MMPose's codec: type, input size, sigma, heatmap size and so on.
    """

    name: str
    tensors: tuple[str, ...]
    kind: OutputKind
    skeleton: str
    joints: tuple[str, ...]
    flip_indices: tuple[int, ...]
    links: tuple[tuple[int, int], ...]
    sigmas: tuple[float, ...] | None
    codec: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class OnnxMetadata:
    """All that an exported file says of itself.

    Attributes:
        version: Of hpemap_mm.
        input: The one input, ``images``.
        outputs: By name.
        decode: 'inside' the graph or 'outside'.
        flip_test: Whether the graph averages over the mirrored images.
    """

    version: str
    input: InputInfo
    outputs: Mapping[str, OutputInfo]
    decode: Literal['inside', 'outside']
    flip_test: bool

    def as_properties(self) -> dict[str, str]:
        """ONNX ``metadata_props``: json by key, each key with :data:`PREFIX`."""
        values = {
            'version': self.version,
            'input': asdict(self.input),
            'outputs': [asdict(output) for output in self.outputs.values()],
            'decode': self.decode,
            'flip_test': self.flip_test,
        }
        return {PREFIX + key: json.dumps(value) for key, value in values.items()}

    @classmethod
    def from_properties(cls, properties: Mapping[str, str], *, where: object) -> OnnxMetadata:
        """The inverse of :meth:`as_properties`.

        Raises:
            DataError: The file is not one of ``tools/export.py``.
        """
        keys = [field.name for field in fields(cls)]
        missing = [key for key in keys if PREFIX + key not in properties]
        if missing:
            what = f'its metadata has no {", ".join(PREFIX + key for key in missing)}'
            raise DataError([Problem(str(where), what, 'write it with tools/export.py')])
        try:
            values = {key: json.loads(properties[PREFIX + key]) for key in keys}
            outputs = [OutputInfo(**_with_tuples(output)) for output in values['outputs']]
            return cls(
                **{
                    **values,
                    'input': InputInfo(**_with_tuples(values['input'])),
                    'outputs': {output.name: output for output in outputs},
                }
            )
        except (TypeError, ValueError) as error:
            what = f'its metadata cannot be read: {error}'
            fix = 'write it anew with tools/export.py of this version'
            raise DataError([Problem(str(where), what, fix)]) from error


def _with_tuples(values: Mapping[str, Any]) -> dict[str, Any]:
    """Json's lists as the tuples they were, the codec's config aside."""

    def as_tuple(value: Any) -> Any:
        return tuple(map(as_tuple, value)) if isinstance(value, list) else value

    return {k: v if k == 'codec' else as_tuple(v) for k, v in values.items()}


def joints_info(joints: Skeleton | JointSpace) -> dict[str, Any]:
    """The fields of :class:`OutputInfo` that follow from a skeleton or a space."""
    return {
        'skeleton': joints.name,
        'joints': tuple(joints.joints),
        'flip_indices': tuple(joints.flip_indices.tolist()),
        'links': tuple((int(a), int(b)) for a, b in joints.links),
        'sigmas': tuple(joints.sigmas.tolist()) if joints.has_sigmas else None,
    }


def read_onnx_metadata(path: str | os.PathLike[str]) -> OnnxMetadata:
    """What a file of ``tools/export.py`` says of itself.

    Raises:
        DataError: The file is missing, no ONNX file, or not one of ``tools/export.py``; or the
            package onnx is not installed.
    """
    require(('onnx',), where=str(path))
    import onnx

    path = Path(path)
    if not path.is_file():
        raise DataError([Problem(str(path), 'no such file', 'check the path')])
    try:
        # Weights beside the file are not needed to read what it says.
        model = onnx.load(path, load_external_data=False)
    except Exception as error:  # protobuf's, of which there are several
        what = f'it is no ONNX file, or damaged ({type(error).__name__})'
        raise DataError([Problem(str(path), what, 'export it again')]) from error
    properties = {entry.key: entry.value for entry in model.metadata_props}
    return OnnxMetadata.from_properties(properties, where=path)
