"""A trained model as an ONNX file that was checked against it."""

from __future__ import annotations

import contextlib
import hashlib
import io
import logging
import os
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from hpemap_mm.deployment.check import TOLERANCE, OutputError, compare, session_of, times
from hpemap_mm.deployment.graph import PoseGraph
from hpemap_mm.deployment.inputs import input_info
from hpemap_mm.deployment.metadata import INPUT_NAME, InputKind, OnnxMetadata
from hpemap_mm.deployment.outputs import Decode, choose_outputs
from hpemap_mm.deployment.packages import TO_EXPORT, require
from hpemap_mm.errors import DataError, Problem
from hpemap_mm.files import atomic_path
from hpemap_mm.models import AnsweringPoseEstimator
from hpemap_mm.version import __version__

#: ONNX operators of version 18 (December 2022): the first in which all that is needed exist.
OPSET = 18
#: Protobuf ends at 2 GiB. Weights of more bytes than this lie in a file beside the graph's.
MAX_BYTES = 2**31 - 2**26


@dataclass(frozen=True, kw_only=True)
class ExportReport:
    """What was written, and how it compares.

    Attributes:
        files: The ONNX file, and the file of its weights where they are apart.
        metadata: What the file says of itself.
        errors: By output's name.
        seconds: Of a batch, by its size: medians of 'pytorch' and 'onnxruntime'.
        threads: Of both.
    """

    files: tuple[Path, ...]
    metadata: OnnxMetadata
    errors: Mapping[str, OutputError]
    seconds: Mapping[int, Mapping[str, float]]
    threads: int


def export_onnx(
    model: AnsweringPoseEstimator,
    out: str | os.PathLike[str],
    *,
    skeletons: Sequence[str] | None = None,
    input_kind: InputKind = 'normalized',
    decode: Decode = 'outside',
    flip_test: bool = False,
    rounds: int = 5,
    max_bytes: int = MAX_BYTES,
) -> ExportReport:
    """Write a model as ONNX, with one output per skeleton and any batch size.

    The file is compared with PyTorch by ONNX Runtime, on the CPU, before it takes its place; see
    :func:`hpemap_mm.deployment.check.compare`. Heads that are not wanted are left out.

    Args:
        model: A trained estimator, on the CPU, in evaluation mode.
        out: The ``.onnx`` file.
        skeletons: Names of the outputs, of a joint space also ``'space'``; all where None.
        input_kind: 'normalized': images as MMPose's data preprocessor gives them; 'raw': BGR
            pixels 0..255, normalised in the graph.
        decode: 'outside': outputs are what the heads give; 'inside': keypoints.
        flip_test: Average over the mirrored images in the graph, which doubles its work.
        rounds: Of timing; 0 times nothing.
        max_bytes: Weights of more bytes lie in a file beside, ``<stem>-<digest>.data``.

    Raises:
        DataError: A package is missing, the model cannot be exported so, or the file gives
            something else than PyTorch; then nothing is written.
        ValueError: The model is in training mode or not on the CPU, or rounds are negative.
    """
    if model.training or next(model.parameters()).device.type != 'cpu':
        raise ValueError('export_onnx wants model.cpu().eval()')
    if rounds < 0:
        raise ValueError(f'rounds must be 0 or more, got {rounds}')
    out = Path(out)
    require(TO_EXPORT, where=str(out))
    outputs = choose_outputs(model, skeletons, decode=decode, flip_test=flip_test)
    graph = PoseGraph(
        model,
        outputs=outputs,
        input_info=input_info(model, outputs, kind=input_kind),
        flip_test=flip_test,
    )
    metadata = OnnxMetadata(
        version=__version__,
        input=graph.input_info,
        outputs=outputs,
        decode=decode,
        flip_test=flip_test,
    )
    graph.eval().with_heatmaps = bool(len(graph.decoders))
    exported = to_onnx(graph)
    exported.metadata_props.update(metadata.as_properties())
    threads = torch.get_num_threads()
    with (
        _writing(out),
        atomic_path(out) as partial,
        _weights_beside(out, graph, metadata, max_bytes) as data,
    ):
        _save(exported, partial, data)
        errors = compare(graph, session_of(partial, threads=threads))
        _refuse(out, errors)
        if graph.with_heatmaps:
            del exported.graph.outputs[len(graph.names) - len(graph.decoders) :]
            graph.with_heatmaps = False
            _save(exported, partial, data)
        seconds = {}
        if rounds:
            seconds = times(graph, session_of(partial, threads=threads), rounds=rounds)
    return ExportReport(
        files=(out,) if data is None else (out, data),
        metadata=metadata,
        errors=errors,
        seconds=seconds,
        threads=threads,
    )


def to_onnx(graph: PoseGraph) -> Any:
    """The graph as an ``onnx_ir.Model``, by PyTorch's exporter of traced programs.

    The older one (TorchScript's) is deprecated, and leaves shapes and constants to be computed.
    """
    width, height = graph.input_info.size
    # Two images: batches of 0 or 1 are taken for constants.
    example = torch.zeros(2, 3, height, width)
    with torch.no_grad(), _quietly():
        program = torch.onnx.export(
            graph,
            (example,),
            dynamo=True,
            opset_version=OPSET,
            input_names=[INPUT_NAME],
            output_names=list(graph.names),
            dynamic_shapes=({0: torch.export.Dim('N', min=1)},),
            verbose=False,
        )
    assert program is not None, 'torch.onnx.export gives a program with dynamo=True'
    model = program.model
    _forget_where_it_was_made(model)
    shape = model.graph.inputs[0].shape
    assert shape is not None, 'the exporter states the shape of its inputs'
    if isinstance(shape[0], int):
        raise DataError(
            [
                Problem(
                    'model',
                    f'its graph takes {shape[0]} images only: a layer reads the batch as a number',
                    'use tensor.shape[0] in it, not len(tensor)',
                )
            ]
        )
    return model


def _forget_where_it_was_made(model: Any) -> None:
    """Take out the exporter's notes: source lines, with the paths of this machine."""
    from onnx_ir.passes.common import ClearMetadataAndDocStringPass

    ClearMetadataAndDocStringPass()(model)


@contextlib.contextmanager
def _quietly() -> Iterator[None]:
    """Without the exporter's progress and its warnings about itself."""
    loggers = [logging.getLogger(name) for name in ('torch.onnx', 'onnxscript', 'onnx_ir')]
    levels = [logger.level for logger in loggers]
    try:
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter('ignore')
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


@contextlib.contextmanager
def _writing(out: Path) -> Iterator[None]:
    """What keeps the files from being written, as a message."""
    try:
        yield
    except OSError as error:
        fix = 'choose a folder with room, that you may write to'
        raise DataError([Problem(str(out), f'cannot be written ({error})', fix)]) from error


def _save(model: Any, path: Path, data: Path | None) -> None:
    import onnx_ir

    onnx_ir.save(model, path, external_data=None if data is None else data.name)


@contextlib.contextmanager
def _weights_beside(
    out: Path, graph: nn.Module, metadata: OnnxMetadata, max_bytes: int
) -> Iterator[Path | None]:
    """Where weights go that the graph's file cannot hold; None where it can.

    The file's name has a digest of the weights, so that an older graph beside it keeps its own.
    """
    tensors = graph.state_dict()
    if sum(tensor.nbytes for tensor in tensors.values()) <= max_bytes:
        yield None
        return
    data = out.with_name(f'{out.stem}-{_digest(tensors, metadata)}.data')
    existed = data.exists()
    try:
        yield data
    except BaseException:
        if not existed:
            data.unlink(missing_ok=True)
        raise


def _digest(tensors: Mapping[str, Tensor], metadata: OnnxMetadata) -> str:
    found = hashlib.sha256(repr(sorted(metadata.as_properties().items())).encode())
    for name, tensor in tensors.items():
        found.update(name.encode())
        found.update(tensor.contiguous().cpu().reshape(-1).view(torch.uint8).numpy().data)
    return found.hexdigest()[:12]


def _refuse(out: Path, errors: Mapping[str, OutputError]) -> None:
    """Raise where an error is too large, or not a number."""
    problems = [
        Problem(
            str(out),
            f'the output {name!r} is {error.largest:.1e} off from PyTorch (relative; at most '
            f'{TOLERANCE:.0e} is accepted)',
            'nothing was written; check that the weights are finite, then report it',
        )
        for name, error in errors.items()
        if not error.largest <= TOLERANCE
    ]
    if problems:
        raise DataError(problems)
