"""MMEngine's side of the metrics: they accumulate, the pure functions compute."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from mmengine.evaluator import BaseMetric
from mmengine.logging import MMLogger

from hpemap_mm.evaluation.pck import (
    NORMALIZERS,
    PCKResult,
    box_sizes,
    has_torso,
    pck,
    torso_sizes,
)
from hpemap_mm.registry import METRICS
from hpemap_mm.skeletons import get_skeleton

#: Thresholds that the field quotes: 5% and 10% of the box, 20% of the torso.
DEFAULT_THRESHOLDS = {'bbox': (0.05, 0.1), 'torso': (0.2,)}


@METRICS.register_module()
class MultiSkeletonPCK(BaseMetric):
    """PCK of every entry in the skeleton in which it is annotated.

    Results are keyed ``<entry>/PCK@<threshold>_<normalizer>``, in [0, 1]. After an evaluation
    :attr:`table` holds what the keys leave out: the skeleton, how many persons and joints were
    scored, and the figure for each joint.

    Args:
        thresholds: Thresholds by normalizer: 'bbox' is the longer side of the person's box,
            'torso' a shoulder to the opposite hip, 'head' MPII's head size (PCKh). Entries whose
            skeleton has no torso (animals') go without its figures.
        entries: Only these entries; all where None.
        collect_device: See MMEngine's BaseMetric.
        collect_dir: See MMEngine's BaseMetric.
    """

    default_prefix = None

    def __init__(
        self,
        *,
        thresholds: Mapping[str, Sequence[float]] | None = None,
        entries: Sequence[str] | None = None,
        collect_device: str = 'cpu',
        collect_dir: str | None = None,
    ) -> None:
        # BaseMetric logs a warning where no prefix is set; the entry is the prefix here.
        super().__init__(collect_device=collect_device, prefix='pck', collect_dir=collect_dir)
        self.prefix = None
        self.thresholds = {k: tuple(v) for k, v in (thresholds or DEFAULT_THRESHOLDS).items()}
        unknown = sorted(set(self.thresholds) - set(NORMALIZERS))
        if unknown:
            raise ValueError(f'Unknown normalizers {unknown}. Available: {list(NORMALIZERS)}')
        self.entries = None if entries is None else tuple(entries)
        self.table: dict[str, dict[str, Any]] = {}

    def process(self, data_batch: Any, data_samples: Sequence[dict[str, Any]]) -> None:
        """Keep what the scores need of each sample.

        Raises:
            ValueError: A sample is not answered in the skeleton of its annotation, or has no head
                size where thresholds of the head are asked for.
        """
        for sample in data_samples:
            if self.entries is not None and sample['dataset_name'] not in self.entries:
                # MMEngine counts results against samples: a skipped one is kept, empty.
                self.results.append(None)
                continue
            truth = sample['gt_instances']
            answered = sample['pred_skeleton']
            if answered != sample['skeleton'] or sample.get('joint_space'):
                raise ValueError(
                    f'Sample {sample.get("id")} of {sample["dataset_name"]} is annotated in '
                    f'{sample.get("joint_space") or sample["skeleton"]} and answered in '
                    f"{answered}. Set test_cfg answer='own' and leave ToJointSpace out of test "
                    'pipelines.'
                )
            if 'head' in self.thresholds and 'head_sizes' not in truth:
                raise ValueError(
                    f'Sample {sample.get("id")} of {sample["dataset_name"]} has no head_sizes: '
                    "thresholds of 'head' are for MPII; name its entries in `entries`."
                )
            self.results.append(
                {
                    'entry': sample['dataset_name'],
                    'skeleton': sample['skeleton'],
                    'id': sample.get('id'),
                    'predicted': np.asarray(sample['pred_instances']['keypoints'])[..., :2],
                    'truth': np.asarray(truth['keypoints'])[..., :2],
                    'visible': np.asarray(truth['keypoints_visible']),
                    'bbox': np.asarray(truth['bboxes']),
                    'head': np.asarray(truth.get('head_sizes', np.nan), float).reshape(-1),
                }
            )

    def compute_metrics(self, results: list[dict[str, Any] | None]) -> dict[str, float]:
        """Score each entry; fill :attr:`table`.

        Raises:
            ValueError: A person of an entry was predicted twice.
        """
        by_entry: dict[str, list[dict[str, Any]]] = {}
        for result in results:
            if result is not None:
                by_entry.setdefault(result['entry'], []).append(result)
        for entry, rows in by_entry.items():
            _check_no_duplicates(entry, rows)
        self.table = {entry: self._score(rows) for entry, rows in by_entry.items()}
        metrics = {
            f'{entry}/{name}': figures['mean']
            for entry, row in self.table.items()
            for name, figures in row['metrics'].items()
        }
        for key in [k for k, v in metrics.items() if np.isnan(v)]:
            MMLogger.get_current_instance().warning(f'{key}: no joint could be scored')
        return metrics

    def _score(self, rows: list[dict[str, Any]]) -> dict[str, Any]:
        skeleton = get_skeleton(rows[0]['skeleton'])
        predicted, truth, visible, boxes = (
            np.concatenate([row[key] for row in rows])
            for key in ('predicted', 'truth', 'visible', 'bbox')
        )
        visible = visible.reshape(len(truth), len(skeleton), -1)[..., 0]
        valid = visible > 0
        sizes = {'bbox': box_sizes(boxes)}
        if 'head' in self.thresholds:
            sizes['head'] = np.concatenate([row['head'] for row in rows])
        if 'torso' in self.thresholds and has_torso(skeleton):
            sizes['torso'] = torso_sizes(truth, valid, skeleton)
        metrics = {
            f'PCK@{threshold:g}_{normalizer}': _figures(
                pck(predicted, truth, valid, sizes[normalizer], threshold), skeleton.joints
            )
            for normalizer, thresholds in self.thresholds.items()
            if normalizer in sizes
            for threshold in thresholds
        }
        return {'skeleton': skeleton.name, 'persons': len(truth), 'metrics': metrics}


def _check_no_duplicates(entry: str, rows: list[dict[str, Any]]) -> None:
    seen: set[Any] = set()
    for row in rows:
        if row['id'] is not None and row['id'] in seen:
            raise ValueError(
                f'{entry}: person {row["id"]} was scored twice. Give the test dataloader a sampler '
                'with round_up=False, and the annotations unique ids.'
            )
        seen.add(row['id'])


def _figures(result: PCKResult, joints: Sequence[str]) -> dict[str, Any]:
    return {
        'mean': result.mean,
        'persons': result.persons,
        'joints': int(result.total.sum()),
        'per_joint': {
            joint: {'pck': float(value) if total else None, 'joints': int(total)}
            for joint, value, total in zip(joints, result.per_joint, result.total, strict=True)
        },
    }
