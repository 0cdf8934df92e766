"""What a config would do, found out before an hour is wasted.

Each step adds its problems to one list and lets the next step go on, so that a person sees every
fault at once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.logging import MMLogger
from mmengine.registry import Registry, init_default_scope

from hpemap_mm.datasets import EntryReport, MultiSkeletonDataset, inspect_entry
from hpemap_mm.engine.cross_hook import CrossMatrixHook
from hpemap_mm.engine.images import write_image
from hpemap_mm.errors import DataError, ProblemList
from hpemap_mm.evaluation.cross_metric import CrossEvaluator
from hpemap_mm.models import AnsweringPoseEstimator
from hpemap_mm.registry import DATASETS, HOOKS, METRICS, MODELS
from hpemap_mm.skeletons import JointSpace, get_skeleton
from hpemap_mm.visualization import Pose, grid, pose_panel, row

SPLITS = ('train', 'val', 'test')

#: Floats that AdamW keeps per parameter besides the weight: its gradient and two moments.
ADAMW_FLOATS = 3


@dataclass
class ConfigReport:
    """What was found.

    Attributes:
        entries: Reports of the entries by split; splits that repeat an earlier one are left out.
        space: The joint space, or the union of the heads' skeletons.
        supervision: By training entry, one cell per joint of the space: the number of persons
            who have it labelled, 'yes' where the entry has the joint but could not be read, '-'
            where it has not.
        memory: What training costs; None where the model or the data cannot be built.
        picture: Augmented training samples; None where there are none.
        problems: Every fault.
    """

    entries: dict[str, list[EntryReport]] = field(default_factory=dict)
    space: JointSpace | None = None
    shared_space: bool = False
    supervision: dict[str, list[str]] = field(default_factory=dict)
    memory: Memory | None = None
    picture: Path | None = None
    problems: ProblemList = field(default_factory=ProblemList)


@dataclass(frozen=True)
class Memory:
    """Bytes that training takes, counted from the tensors themselves.

    Attributes:
        parameters: Number of parameters.
        weights: Weights, gradients and AdamW's moments.
        activations: What autograd keeps for the backward pass, for one sample.
        batch_size: Of the config, per process.
    """

    parameters: int
    weights: int
    activations: int
    batch_size: int

    @property
    def batch(self) -> int:
        """One training step with the config's batch size."""
        return self.weights + self.activations * self.batch_size


def check_config(config: Config, picture: Path, *, samples_per_entry: int = 4) -> ConfigReport:
    """Check files, data, model and targets of a config.

    Args:
        config: The config.
        picture: Where to draw augmented training samples.
        samples_per_entry: How many of each entry.
    """
    init_default_scope(config.get('default_scope', 'mmpose'))
    # What building and initialising a model logs would bury the findings.
    MMLogger.get_current_instance().setLevel('ERROR')
    report = ConfigReport()
    _check_entries(config, report)
    datasets = _build_datasets(config, report)
    train = datasets.get('train')
    model = _build(lambda: MODELS.build(config.model), 'model', report.problems)
    _find_space(config, report)
    _find_supervision(train, report)
    if train is not None:
        samples = _load_samples(train, samples_per_entry, report.problems)
        if samples:
            _draw(train, samples, picture, report)
            if model is not None:
                batch_size = int(config.train_dataloader.batch_size)
                flat = [sample for found in samples.values() for sample in found]
                report.memory = _measure(model, flat, batch_size, report.problems)
    return report


def _check_entries(config: Config, report: ConfigReport) -> None:
    seen: list[Any] = []
    for split in SPLITS:
        dataset = config.get(f'{split}_dataloader', {}).get('dataset')
        if dataset is None or dataset in seen:
            continue
        seen.append(dataset)
        if 'entries' not in dataset:
            report.problems.add(
                f'{split}_dataloader.dataset',
                f'is a {dataset.get("type")}',
                'wrap it: type=hpemap_mm.MultiSkeletonDataset with entries',
            )
            continue
        skip = dataset.get('on_bad_image') == 'skip'
        report.entries[split] = [
            inspect_entry(name, cfg, test_mode=split != 'train', check_images=not skip)
            for name, cfg in dataset.entries.items()
        ]
        for entry in report.entries[split]:
            for problem in entry.problems:
                report.problems.add(f'[{split}] {problem.where}', problem.what, problem.fix)


def _build_datasets(config: Config, report: ConfigReport) -> dict[str, MultiSkeletonDataset]:
    """The datasets whose entries are sound, with their pipelines."""
    built = {}
    for split, entries in report.entries.items():
        if any(entry.problems for entry in entries):
            continue
        cfg = config[f'{split}_dataloader'].dataset
        dataset = _build(lambda cfg=cfg: DATASETS.build(cfg), f'[{split}]', report.problems)
        if dataset is not None:
            built[split] = dataset
    return built


def _build(make: Any, where: str, problems: ProblemList) -> Any:
    """What ``make`` gives, or None with a problem noted."""
    try:
        return make()
    except DataError as error:
        problems.extend(error)
    except Exception as error:
        # Whatever a constructor raises is a finding about the config.
        problems.add(where, f'cannot be built: {error}', 'correct its config')
    return None


def _find_space(config: Config, report: ConfigReport) -> None:
    model = config.model
    space = model.get('joint_space', config.get('joint_space'))
    names = [
        name for entries in report.entries.values() for entry in entries for name in entry.skeletons
    ]
    try:
        if space is not None:
            report.space, report.shared_space = JointSpace.from_config(space), True
        elif names or 'skeletons' in model:
            skeletons = [get_skeleton(name) for name in model.get('skeletons', names)]
            report.space = JointSpace.union(*dict.fromkeys(skeletons))
    except (KeyError, ValueError) as error:
        report.problems.add('joint_space', str(error), 'correct joint_space or skeletons')
        return
    answered = {s.name for s in report.space.skeletons} if report.space else set()
    for split, entries in report.entries.items():
        for entry in entries:
            known = answered.issuperset(entry.skeletons)
            if not known and not compared_in_others(config, split, entry.name):
                fix = f'add it to the model: it has {sorted(answered)}'
                if split != 'train':
                    fix += f'; or have hpemap_mm.CrossEvaluator alone as {split}_evaluator'
                report.problems.add(
                    f'[{split}] entry {entry.name!r}',
                    f'is annotated in {entry.skeleton}, which the model does not answer in',
                    fix,
                )


def compared_in_others(config: Config, split: str, entry: str) -> bool:
    """Whether what a model answers in other skeletons is all that an entry is evaluated by.

    So it is where cross evaluators see it, and the hook makes the model give all its answers: an
    entry may then be of a skeleton that the model does not have.
    """
    evaluators = config.get(f'{split}_evaluator') or []
    evaluators = [evaluators] if isinstance(evaluators, Mapping) else evaluators
    hooks = config.get('custom_hooks') or []
    return (
        bool(evaluators)
        and all(
            _is_a(METRICS, metric, CrossEvaluator) and entry in (metric.get('entries') or [entry])
            for metric in evaluators
        )
        and any(_is_a(HOOKS, hook, CrossMatrixHook) for hook in hooks)
    )


def _is_a(registry: Registry, config: Mapping[str, Any], kind: type) -> bool:
    found = config.get('type')
    found = registry.get(found) if isinstance(found, str) else found
    return isinstance(found, type) and issubclass(found, kind)


def _find_supervision(dataset: MultiSkeletonDataset | None, report: ConfigReport) -> None:
    if report.space is None:
        return
    known = {skeleton.name for skeleton in report.space.skeletons}
    counts = {} if dataset is None else {s.name: s.labelled for s in dataset.summary()}
    for entry in report.entries.get('train', []):
        if not entry.skeletons or not known.issuperset(entry.skeletons):
            continue
        places = [place for name in entry.skeletons for place in report.space.indices(name)]
        cells: dict[int, int] = {}
        for place, count in zip(places, counts.get(entry.name, [-1] * entry.joints), strict=True):
            # Of several skeletons at once, the one that has a joint most often.
            cells[place] = max(count, cells.get(place, count))
        report.supervision[entry.name] = [
            '-' if place not in cells else 'yes' if cells[place] < 0 else str(cells[place])
            for place in range(len(report.space))
        ]


def _load_samples(
    dataset: MultiSkeletonDataset, count: int, problems: ProblemList
) -> dict[str, list[dict[str, Any]]]:
    """The first few samples of every entry in the first epoch, augmented."""
    dataset.indices_carry_epoch()
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in dataset.entries}
    for index in range(len(dataset)):
        name = dataset.entry_of(index)
        if len(found[name]) < count:
            sample = _build(lambda i=index: dataset[i], f'entry {name!r}', problems)
            if sample is None:
                return {}
            found[name].append(sample)
        if all(len(samples) >= count for samples in found.values()):
            break
    return {name: samples for name, samples in found.items() if samples}


def _draw(
    dataset: MultiSkeletonDataset,
    samples: Mapping[str, Sequence[dict[str, Any]]],
    picture: Path,
    report: ConfigReport,
) -> None:
    rows = []
    for name, found in samples.items():
        space = dataset.joint_space
        skeleton = dataset.skeleton_of(name) if space is None else space
        panels = []
        for sample in found:
            image = np.ascontiguousarray(sample['inputs'].permute(1, 2, 0).numpy())
            scale = max(1, round(256 / image.shape[0]))
            large = image.repeat(scale, 0).repeat(scale, 1)
            pose, weights = target_pose(sample['data_samples'], image.shape[1::-1])
            panels.append(
                pose_panel(
                    _heated(large, sample['data_samples']),
                    [Pose(pose, weights).moved((0.0, 0.0), scale)],
                    skeleton,
                    name,
                    f'{int((weights > 0).sum())} of {len(skeleton)} joints supervised',
                )
            )
        rows.append(row(panels))
    write_image(picture, grid(rows))
    report.picture = picture


def target_pose(sample: Any, input_size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Where a training sample's target says each joint is.

    Args:
        sample: Packed sample with heatmaps, SimCC labels or coordinates as its target.
        input_size: (width, height) of the input.

    Returns:
        Keypoints in pixels of the input, (K, 2), and the weights of the loss, (K,).
    """
    labels = sample.gt_instance_labels
    weights = labels.keypoint_weights.numpy().reshape(-1)
    size = np.asarray(input_size, float)
    if 'keypoint_x_labels' in labels:
        x, y = (labels[f'keypoint_{axis}_labels'].numpy() for axis in 'xy')
        bins = np.array([x.shape[-1], y.shape[-1]])
        found = np.stack([x.argmax(-1), y.argmax(-1)], -1).reshape(-1, 2)
        return found / bins * size, weights
    if 'gt_fields' in sample and 'heatmaps' in sample.gt_fields:
        heatmaps = sample.gt_fields.heatmaps.numpy()
        height, width = heatmaps.shape[1:]
        peak = heatmaps.reshape(len(heatmaps), -1).argmax(-1)
        found = np.stack([peak % width, peak // width], -1)
        # UDP: the first and the last cell are the first and the last pixel.
        return found * (size - 1) / (np.array([width, height]) - 1.0), weights
    return labels.keypoint_labels.numpy().reshape(-1, 2) * size, weights


def _heated(image: np.ndarray, sample: Any) -> np.ndarray:
    """The image with its target heatmaps shining through."""
    if 'gt_fields' not in sample or 'heatmaps' not in sample.gt_fields:
        return image
    weights = sample.gt_instance_labels.keypoint_weights.reshape(-1, 1, 1)
    heat = (sample.gt_fields.heatmaps * (weights > 0)).amax(0)[None, None]
    heat = torch.nn.functional.interpolate(
        heat, size=image.shape[:2], mode='bilinear', align_corners=True
    )
    glow = heat[0, 0, :, :, None].numpy() * np.array([90.0, 200.0, 255.0]) * 0.55
    return np.clip(image * 0.75 + glow, 0, 255).astype(np.uint8)


def _measure(
    model: AnsweringPoseEstimator,
    samples: Sequence[dict[str, Any]],
    batch_size: int,
    problems: ProblemList,
) -> Memory | None:
    """Run one training step on the samples and count what autograd keeps."""
    model.init_weights()
    model.train()
    own = {parameter.untyped_storage().data_ptr() for parameter in model.parameters()}
    kept: dict[int, int] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    def step() -> bool:
        data = model.data_preprocessor(pseudo_collate(list(samples)), training=True)
        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            losses = model(**data, mode='loss')
            total, _ = model.parse_losses(losses)
        total.backward()
        if not torch.isfinite(total):
            problems.add('model', 'the first loss is not finite', 'check targets and weights')
        return True

    if _build(step, 'a training step', problems) is None:
        return None
    count = sum(parameter.numel() for parameter in model.parameters())
    size = sum(p.numel() * p.element_size() for p in model.parameters())
    return Memory(
        parameters=count,
        weights=size * (1 + ADAMW_FLOATS),
        activations=round(sum(kept.values()) / len(samples)),
        batch_size=batch_size,
    )


__all__ = ['ConfigReport', 'Memory', 'check_config', 'target_pose']
