"""Running an exported file on photographs, with ONNX Runtime in place of PyTorch."""

# N persons, K joints

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from mmpose.codecs import UDPHeatmap
from mmpose.datasets.transforms import GetBBoxCenterScale, TopdownAffine
from mmpose.registry import KEYPOINT_CODECS

from hpemap_mm.deployment.check import run_session, session_of
from hpemap_mm.deployment.metadata import OnnxMetadata, OutputInfo
from hpemap_mm.deployment.packages import TO_RUN, require
from hpemap_mm.errors import DataError, Problem
from hpemap_mm.models import BatchUDPHeatmap

FloatArray = npt.NDArray[np.floating]


class Keypoints(NamedTuple):
    """One person in one skeleton.

    Attributes:
        keypoints: (K, 2), x and y in 0-based pixels of the image.
        scores: (K,).
    """

    keypoints: FloatArray
    scores: FloatArray


class OnnxPose:
    """A file of ``tools/export.py`` with a session that runs it: crop, network, decoding.

    To rounding, it gives what :func:`hpemap_mm.apis.predict` gives of the model, where the flip
    test is in the graph if and only if the model's config has it.

    Args:
        path: The ``.onnx`` file.
        threads: Of ONNX Runtime; PyTorch's number where None.

    Attributes:
        metadata: What the file says of itself.

    Raises:
        DataError: The file is missing, damaged, or not one of ``tools/export.py``; or onnxruntime
            is not installed.
    """

    def __init__(self, path: str | os.PathLike[str], *, threads: int | None = None) -> None:
        path = Path(path)
        require(TO_RUN, where=str(path))
        if not path.is_file():
            raise DataError([Problem(str(path), 'no such file', 'check the path')])
        try:
            self.session: Any = session_of(path, threads=threads or torch.get_num_threads())
        except Exception as error:  # onnxruntime's, of which there are many
            what = f'ONNX Runtime cannot read it ({type(error).__name__})'
            raise DataError([Problem(str(path), what, 'export it again')]) from error
        properties = self.session.get_modelmeta().custom_metadata_map
        self.metadata = OnnxMetadata.from_properties(properties, where=path)
        info = self.metadata.input
        self._box_to_crop = GetBBoxCenterScale(padding=info.bbox_padding)
        self._crop = TopdownAffine(input_size=info.size, use_udp=info.udp)
        self._codecs = {n: _codec(o, where=path) for n, o in self.metadata.outputs.items()}
        described = {name for o in self.metadata.outputs.values() for name in o.tensors}
        missing = described - {output.name for output in self.session.get_outputs()}
        if missing:
            what = f'it has no output {", ".join(sorted(missing))}, which its metadata describe'
            raise DataError([Problem(str(path), what, 'export it again')])

    def __call__(
        self,
        image: npt.NDArray[np.uint8],
        boxes: Sequence[Sequence[float]] | FloatArray | None = None,
        *,
        batch_size: int = 32,
    ) -> list[dict[str, Keypoints]]:
        """All skeletons of the persons in an image.

        Args:
            image: (H, W, 3) uint8, BGR, as ``cv2.imread`` gives it.
            boxes: One box a person, (N, 4) in x1, y1, x2, y2 pixels; the whole image where None.
            batch_size: Persons that go through the network at a time.

        Returns:
            For each box, the keypoints by output's name.

        Raises:
            ValueError: The image is none, or a box is empty or not finite.
        """
        image = np.asarray(image)
        if image.ndim != 3 or image.shape[2] != 3 or 0 in image.shape:
            raise ValueError(f'image must be (H, W, 3), got shape {image.shape}')
        height, width = image.shape[:2]
        boxes_N4 = np.array([[0, 0, width - 1, height - 1]] if boxes is None else boxes, np.float32)
        boxes_N4 = boxes_N4.reshape(-1, 4)
        wrong = ~(np.isfinite(boxes_N4).all(1) & (boxes_N4[:, 2:] > boxes_N4[:, :2]).all(1))
        if wrong.any():
            raise ValueError(f'boxes must be x1 < x2, y1 < y2; got {boxes_N4[wrong].tolist()}')
        people: list[dict[str, Keypoints]] = []
        for start in range(0, len(boxes_N4), batch_size):
            crops = [self._cropped(image, box) for box in boxes_N4[start : start + batch_size]]
            people += self.run(
                np.stack([crop['img'] for crop in crops]),
                centers=np.stack([crop['input_center'] for crop in crops]),
                scales=np.stack([crop['input_scale'] for crop in crops]),
            )
        return people

    def run(
        self, crops: npt.NDArray[np.uint8], *, centers: FloatArray, scales: FloatArray
    ) -> list[dict[str, Keypoints]]:
        """Persons that are cropped already.

        Args:
            crops: (N, H, W, 3), BGR pixels of the input's size.
            centers: (N, 2), the crops' centres in pixels of the image.
            scales: (N, 2), the crops' widths and heights in the image.

        Returns:
            As calling it.
        """
        tensors = run_session(self.session, self._as_input(crops))
        by_name = dict(zip((o.name for o in self.session.get_outputs()), tensors, strict=True))
        size = np.array(self.metadata.input.size, float)
        people: list[dict[str, Keypoints]] = [{} for _ in crops]
        for name, output in self.metadata.outputs.items():
            keypoints, scores = self._decoded(output, by_name)
            for i, person in enumerate(people):
                found = keypoints[i] / size * scales[i] + centers[i] - 0.5 * scales[i]
                person[name] = Keypoints(found, scores[i])
        return people

    def _cropped(self, image: npt.NDArray[np.uint8], box: FloatArray) -> dict[str, Any]:
        found = {'img': image, 'bbox': box[None]}
        return self._crop.transform(self._box_to_crop.transform(found))

    def _as_input(self, crops: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        info = self.metadata.input
        images = crops.transpose(0, 3, 1, 2).astype(np.float32)
        if info.color == 'RGB':
            images = images[:, ::-1]
        if info.kind == 'normalized':
            mean, std = (np.array(v, np.float32)[:, None, None] for v in (info.mean, info.std))
            images = (images - mean) / std
        return np.ascontiguousarray(images)

    def _decoded(
        self, output: OutputInfo, tensors: Mapping[str, FloatArray]
    ) -> tuple[FloatArray, FloatArray]:
        """(N, K, 2) in pixels of the input, and scores (N, K)."""
        own = [tensors[name] for name in output.tensors]
        if output.kind == 'keypoints':
            return own[0][..., :2].astype(np.float64), own[0][..., 2]
        codec = self._codecs[output.name]
        decoded: Any
        if isinstance(codec, BatchUDPHeatmap):
            decoded = codec.batch_decode(torch.from_numpy(own[0]))
        else:
            # MMPose's codecs decode one person at a time; SimCC's want an instance axis.
            lead = None if output.kind == 'simcc' else ...
            persons = (codec.decode(*(part[i][lead] for part in own)) for i in range(len(own[0])))
            decoded = tuple(zip(*persons, strict=True))
        keypoints, scores = (np.concatenate(part) for part in decoded)
        return keypoints, scores


def _codec(output: OutputInfo, *, where: Path) -> Any:
    """The codec that decodes an output; None where the graph does.

    Raises:
        DataError: It is none of MMPose's. (MMEngine would import and call whatever a stranger's
            file names as a type.)
    """
    if output.kind == 'keypoints':
        return None
    config = dict(output.codec)
    kind, symmetric = config.pop('type', None), config.pop('symmetric', False)
    codec = KEYPOINT_CODECS.module_dict.get(kind)
    try:
        if codec is UDPHeatmap and config['heatmap_type'] == 'gaussian':
            return BatchUDPHeatmap(**config, symmetric=symmetric)
        if codec is not None:
            return codec(**config)
        what = f'the codec of {output.name!r} is {kind!r}, none of MMPose'
    except (TypeError, KeyError, ValueError, AssertionError) as error:
        what = f'the codec of {output.name!r} cannot be built: {error!r}'
    raise DataError([Problem(str(where), what, 'export it again')])
