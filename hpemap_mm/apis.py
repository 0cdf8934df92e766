"""A trained model on anybody's photographs, from Python.

>>> model = load_model('configs/multihead/multihead_micro_12e_mannequin_128x96.py', 'epoch_12.pth')
>>> people = predict(model, 'photo.jpg', boxes=[[40, 20, 180, 310]])
>>> people[0]['mpii'].keypoints  # (16, 2), pixels of the photograph
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import torch
from mmengine.config import Config
from mmengine.dataset import Compose, pseudo_collate
from mmengine.registry import DefaultScope, init_default_scope
from mmengine.structures import InstanceData

from hpemap_mm.checkpoints import CheckpointFile, model_config_of
from hpemap_mm.checkpoints.kinds import kind_of
from hpemap_mm.checkpoints.ours import build_carried
from hpemap_mm.engine.checkpoint import load_weights, read_checkpoint
from hpemap_mm.engine.images import read_image
from hpemap_mm.engine.launch import load_config
from hpemap_mm.engine.runner import config_errors
from hpemap_mm.errors import DataError, Problem, ProblemList
from hpemap_mm.models import AnsweringPoseEstimator
from hpemap_mm.registry import MODELS
from hpemap_mm.translators.base import KeypointTranslator
from hpemap_mm.visualization import Pose

WEIGHTS = Path(__file__).parent / 'translators' / 'weights'
#: Translators that come along, by source and target.
PRETRAINED = {('coco', 'mpii'): 'coco-to-mpii.pth', ('mpii', 'coco'): 'mpii-to-coco.pth'}


def load_model(
    config: str | os.PathLike[str] | Config | None,
    checkpoint: str | os.PathLike[str],
    *,
    device: str | torch.device | None = None,
) -> AnsweringPoseEstimator:
    """Build a model and load its weights; nothing in the checkpoint is executed.

    Args:
        config: A config file, or a config; None for a checkpoint that says what model it is of,
            as those that ``tools/convert_checkpoint.py`` writes.
        checkpoint: Weights of a model of that config.
        device: The GPU where there is one, otherwise the CPU, where None.

    Returns:
        The model in evaluation mode; ``model.cfg`` is its config.

    Raises:
        DataError: A file is missing, the weights do not fit the config, or there is no config.
    """
    weights = read_checkpoint(checkpoint)
    if config is None:
        settings = checkpoint_config(weights, where=checkpoint)
    else:
        settings = config if isinstance(config, Config) else load_config(config)
    init_default_scope(settings.get('default_scope', 'mmpose'))
    device = device or ('cuda' if torch.cuda.is_available() else 'cpu')
    with config_errors('model'):
        model = MODELS.build(settings.model)
    load_weights(model, weights, where=checkpoint, whole=True)
    model.cfg = settings
    return model.to(device).eval()


def checkpoint_config(checkpoint: Mapping[str, Any], *, where: str | os.PathLike[str]) -> Config:
    """The config of a checkpoint that carries its model's: enough to build it and to predict.

    Args:
        checkpoint: As :func:`~hpemap_mm.engine.read_checkpoint` gives it; ``meta['model']`` is the
            model's config.
        where: The file, for the message.

    Raises:
        DataError: The checkpoint carries none, one that names what is no model of ours, one that
            cannot be built, or one that its weights do not fit.
    """
    # Checked: MMEngine would call whatever a stranger's file names as a type.
    model = model_config_of(checkpoint.get('meta') or {}, where=where)
    if model is None:
        raise DataError([_without_model(checkpoint['state_dict'], where=where)])
    built = build_carried(model, where=where)
    with warnings.catch_warnings():
        # Only to see that they fit, before memory is taken for whatever the file says.
        warnings.filterwarnings('ignore', '.*copying from a non-meta parameter')
        load_weights(built, dict(checkpoint), where=where, whole=True)
    size = cast(Any, built).backbone.img_size
    pipeline = [
        dict(type='hpemap_mm.LoadPoseImage'),
        dict(type='GetBBoxCenterScale'),
        dict(type='TopdownAffine', input_size=tuple(size), use_udp=True),
        dict(type='hpemap_mm.PackSample'),
    ]
    dataset = dict(pipeline=pipeline)
    return Config(dict(model=dict(model), test_dataloader=dict(dataset=dataset)))


def _without_model(weights: Mapping[str, Any], *, where: str | os.PathLike[str]) -> Problem:
    """What to do with weights that do not say what model they are of."""
    tensors = {name.removeprefix('module.'): tensor for name, tensor in weights.items()}
    try:
        kind = kind_of(CheckpointFile(path=Path(where), tensors=tensors))
    except DataError:
        kind = 'hpemap'  # it may be of any model that train.py trained
    if kind != 'hpemap':
        fix = f'convert it first: python tools/convert_checkpoint.py {where} NEW.pth'
        return Problem(str(where), f"its weights are {kind}'s, not those of hpemap_mm", fix)
    fix = 'name the config that it was trained with (--config)'
    return Problem(str(where), 'does not say what model its weights are of', fix)


@MODELS.register_module(name='LoadedTranslator')
def load_translator(
    config: str | os.PathLike[str] | Config,
    checkpoint: str | os.PathLike[str],
    *,
    source: str | None = None,
    target: str | None = None,
) -> KeypointTranslator:
    """Build a translator and load its weights; nothing in the checkpoint is executed.

    In a config it is one more row of the cross matrix, among a CrossEvaluator's ``translators``, as
    ``dict(type='hpemap_mm.LoadedTranslator', config=..., checkpoint=...)``.

    Args:
        config: A config file of ``configs/translators``, or a config.
        checkpoint: Weights of a translator of that config.
        source: Of an autoencoder over several skeletons: which one is read.
        target: And which one is wanted. For a translator of one pair both may be left out.

    Returns:
        The translator: ``translator(keypoints)`` translates arrays.

    Raises:
        DataError: A file is missing, the weights do not fit the config, the config is of no
            translator, or it has other skeletons.
    """
    if not isinstance(config, Config):
        config = load_config(config)
    model = _build_translator(config.get('model', {}), where=config.filename or 'config')
    load_weights(model, read_checkpoint(checkpoint), where=checkpoint, whole=True)
    return _of_pair(model.eval(), source, target, where=config.filename or 'config')


@MODELS.register_module(name='PretrainedTranslator')
def pretrained_translator(source: str, target: str) -> KeypointTranslator:
    """A translator that comes with hpemap_mm.

    Fitted on MPII train and a COCO model's predictions for it; see :data:`PRETRAINED`. In a config:
    ``dict(type='hpemap_mm.PretrainedTranslator', source='coco', target='mpii')``.

    Raises:
        KeyError: There is none for these skeletons; lists those that there are.
    """
    if (source, target) not in PRETRAINED:
        known = ', '.join(f'{a} to {b}' for a, b in PRETRAINED)
        raise KeyError(f'No translator from {source!r} to {target!r} comes along, only: {known}')
    path = WEIGHTS / PRETRAINED[source, target]
    checkpoint = read_checkpoint(path)
    model = _build_translator(checkpoint['meta']['model'], where=str(path))
    load_weights(model, checkpoint, where=path, whole=True)
    return model.eval()


def _build_translator(config: Mapping[str, Any], *, where: str) -> Any:
    from hpemap_mm.translators import registered  # noqa: F401 - registers

    options = dict(config)
    kind = str(options.pop('type', '')).removeprefix('hpemap_mm.')
    # Looked up here, not by MODELS.build: that would import MMPose's models, for seconds.
    built = MODELS.module_dict.get(kind)
    if built is None or not hasattr(built, 'calibrate'):
        what, fix = f'its model is {kind!r}, no translator', 'name one of configs/translators'
        raise DataError([Problem(str(where), what, fix)])
    with config_errors('model'):
        return built(**options)


def _of_pair(model: Any, source: str | None, target: str | None, *, where: str) -> Any:
    """The translator between the skeletons that are wanted."""
    problems = ProblemList()
    if hasattr(model, 'between'):
        known = [skeleton.name for skeleton in model.skeletons]
        for option, name in (('from', source), ('to', target)):
            if name not in known:
                fix = f'name one of {", ".join(known)} by --{option}'
                problems.add(where, f'translates between several skeletons; got {name!r}', fix)
        problems.raise_if_any()
        return model.between(source, target)
    for option, name, own in (('from', source, model.source), ('to', target, model.target)):
        if name not in (None, own.name):
            what = f'translates from {model.source.name} to {model.target.name}, not {name!r}'
            problems.add(where, what, f'leave --{option} out, or take another config')
    problems.raise_if_any()
    return model


@contextmanager
def answering(model: AnsweringPoseEstimator, answer: str) -> Iterator[None]:
    """Let a model answer in one skeleton, or in 'all', for a while."""
    before = model.answer
    model.answer = answer
    try:
        yield
    finally:
        model.answer = before


def predict(
    model: AnsweringPoseEstimator,
    image: str | os.PathLike[str],
    boxes: Sequence[Sequence[float]] | npt.NDArray[np.floating] | None = None,
    *,
    batch_size: int = 32,
) -> list[dict[str, Pose]]:
    """All skeletons of the persons in an image.

    Args:
        model: As :func:`load_model` gives it.
        image: A photograph.
        boxes: One box a person, (N, 4) in x1, y1, x2, y2 pixels; the whole image where None.
        batch_size: Persons that go through the model at a time.

    Returns:
        For each box, the pose by skeleton's name, in pixels of the photograph.

    Raises:
        DataError: The image cannot be read, or a box is empty or not finite.
    """
    height, width = read_image(image).shape[:2]
    found = checked_boxes(boxes, where=str(image), size=(width, height))
    pipeline = Compose(_pipeline(model.cfg))
    answers: list[dict[str, Pose]] = []
    with torch.inference_mode(), answering(model, 'all'):
        for start in range(0, len(found), batch_size):
            batch = [
                pipeline(
                    {
                        'img_path': str(image),
                        'bbox': box[None].astype(np.float32),
                        'bbox_score': np.ones(1, np.float32),
                        'id': start + number,
                    }
                )
                for number, box in enumerate(found[start : start + batch_size])
            ]
            for sample in model.test_step(pseudo_collate(batch)):
                answers.append(poses_of(sample.pred_by_skeleton))
    return answers


def checked_boxes(boxes: Any, *, where: str, size: tuple[int, int]) -> npt.NDArray[np.float64]:
    """Boxes as (N, 4); the whole image of ``size`` (width, height) where None.

    Raises:
        DataError: A box has no extent, or lies outside of the image.
    """
    if boxes is None:
        return np.array([[0.0, 0.0, size[0] - 1.0, size[1] - 1.0]])
    found = np.asarray(boxes, float).reshape(-1, 4)
    problems = ProblemList()
    for number, (x1, y1, x2, y2) in enumerate(found):
        fix = 'give x1 y1 x2 y2 in pixels, with x1 < x2 and y1 < y2'
        if not np.isfinite([x1, y1, x2, y2]).all() or x2 <= x1 or y2 <= y1:
            problems.add(where, f'box {number} is {x1:g} {y1:g} {x2:g} {y2:g}', fix)
        elif x2 < 0 or y2 < 0 or x1 >= size[0] or y1 >= size[1]:
            problems.add(where, f'box {number} lies outside of the {size[0]}x{size[1]} image', fix)
    problems.raise_if_any()
    return found


def poses_of(answers: dict[str, InstanceData]) -> dict[str, Pose]:
    """The first person's pose by skeleton, from a sample's ``pred_by_skeleton``."""
    return {
        name: Pose(np.asarray(found.keypoints)[0], np.asarray(found.keypoint_scores)[0])
        for name, found in answers.items()
    }


def _pipeline(config: Config) -> list[dict[str, Any]]:
    dataset = config.get('test_dataloader', config.get('val_dataloader', {})).get('dataset', {})
    pipeline = dataset.get('pipeline')
    if not pipeline:
        problems = ProblemList()
        problems.add(
            Path(config.filename or 'config'),
            'test_dataloader.dataset has no pipeline',
            'give the test dataset a pipeline',
        )
        problems.raise_if_any()
    scope = DefaultScope.get_current_instance()
    assert scope is not None, 'load_model sets the default scope'
    return list(pipeline)


__all__ = [
    'DataError',
    'answering',
    'checked_boxes',
    'checkpoint_config',
    'load_model',
    'poses_of',
    'predict',
]
