"""Does one autoencoder over four skeletons do what pairwise translators do?

Trains the ACAE over COCO, MPII, CrowdPose and LSP, and the pairwise networks, in one run; then, on
test parts that nothing was tuned on:

- COCO to MPII beside the pairwise network;
- the cycle COCO to MPII and back, against what two annotators differ by;
- a pair that was never trained: MPII to CrowdPose, for persons labelled in COCO and CrowdPose.

    HPEMAP_DATA=... python benchmarks/autoencoder.py [--keep]
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
from _common import publish, table
from translators import CONFIGS, train

from hpemap_mm.analysis.mappings import annotator_distances, person_scales
from hpemap_mm.apis import load_translator
from hpemap_mm.engine.launch import load_config
from hpemap_mm.evaluation.pckh import pckh
from hpemap_mm.registry import DATASETS
from hpemap_mm.skeletons import get_skeleton

ACAE = 'acae_60e_coco-mpii-crowdpose-lsp'
PAIRS = ('coco-to-mpii', 'mpii-to-coco', 'coco-to-crowdpose')


def main() -> None:
    """Train, measure, print, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument('--keep', action='store_true', help='take what an earlier run trained')
    args = parser.parse_args()
    names = {'acae': ACAE}
    names |= {pair: f'residual_60e_{pair}' for pair in PAIRS}
    files = {}
    for name, config in names.items():
        folder, _ = train(config, f'autoencoder_{name}', {'randomness.seed': 0}, keep=args.keep)
        file = folder / 'epoch_60.pth'
        files[name] = (config, file)
    config = load_config(f'{CONFIGS}/{ACAE}.py')
    entries = DATASETS.build(config.test_dataloader.dataset).entries
    pairs = {entry.pairs.name: entry.pairs for entry in entries}
    parts, results = [], {}
    for title, measure in (
        ('COCO to MPII, test persons of MPII train, PCKh', direct),
        ('COCO to MPII and back: the medians of the distance to the start', cycle),
        ('To CrowdPose, test persons of COCO: median distance', unseen),
    ):
        text, found = measure(files, pairs)
        parts.append(f'## {title}\n\n{text}')
        results[title] = found
    publish('autoencoder', 'One autoencoder over four skeletons', '\n\n'.join(parts), results)


def way(files: dict[str, tuple[str, Path]], name: str, source: str, target: str) -> Any:
    """A translator by its name: an autoencoder, or 'pairwise', or 'remap'."""
    if name == 'remap':
        from hpemap_mm.translators.remap import RemapTranslator

        return RemapTranslator(source=source, target=target)
    if name == 'pairwise':
        config, file = files[f'{source}-to-{target}']
        translator = load_translator(f'{CONFIGS}/{config}.py', file)
        translator.correct_shift = False  # the pairs here have it taken off already
        return translator
    config, file = files[name]
    return load_translator(f'{CONFIGS}/{config}.py', file, source=source, target=target)


def direct(files: Any, pairs: Any) -> tuple[str, Any]:
    """PCKh of the autoencoder beside the pairwise network, on the same persons."""
    own = pairs['mpii']
    truth = own.target
    rows, results = [], {}
    for name in ('remap', 'pairwise', 'acae'):
        answer = way(files, name, 'coco', 'mpii')(own.keypoints)
        found = pckh(
            answer.keypoints, truth.keypoints, truth.valid, truth.head_sizes, truth.skeleton
        )
        results[name] = {f'@{t}': 100 * found.mean(t) for t in (0.5, 0.1)}
        rows.append([name, *(f'{value:.2f}' for value in results[name].values())])
    return table(['', '@0.5', '@0.1'], rows), results


def cycle(files: Any, pairs: Any) -> tuple[str, Any]:
    """Per joint, in per cent of the square root of the person's area."""
    start = pairs['mpii'].keypoints
    coco = get_skeleton('coco')
    scales = person_scales(start)
    back = {}
    for name in ('remap', 'pairwise', 'acae'):
        there = way(files, name, 'coco', 'mpii')(start).keypoints
        again = way(files, name, 'mpii', 'coco')(there).keypoints
        back[name] = 100 * np.linalg.norm(again - start, axis=-1) / scales[:, None]
    rows, results = [], {}
    for place, joint in enumerate(coco.joints):
        noise, _ = annotator_distances(np.full(1, 100 * coco.sigmas[place]), 1.0)
        medians = {
            name: float(np.nanmedian(own[:, place])) if np.isfinite(own[:, place]).any() else None
            for name, own in back.items()
        }
        results[joint] = {'noise': noise, **medians}
        shown = ['-' if value is None else f'{value:.2f}' for value in medians.values()]
        inside = 'yes' if (medians['acae'] or 0.0) <= noise else 'no'
        rows.append([joint, f'{noise:.2f}', *shown, inside])
    head = ['joint', 'two annotators', 'remap', 'pairwise', 'acae', 'acae within noise']
    note = (
        '\n\nIn per cent of the square root of the area. Two annotators: sqrt(2 ln 2) x sigma, by '
        "COCO's constants. The eyes and ears of this file are not to be trusted, and MPII has no "
        'face: what comes back there is a guess from head and neck.'
    )
    return table(head, rows) + note, results


def unseen(files: Any, pairs: Any) -> tuple[str, Any]:
    """Head and neck, in per cent of the square root of the person's area."""
    own = pairs['crowdpose']
    skeleton = own.target.skeleton
    scales = person_scales(own.target_points)
    through = way(files, 'acae', 'coco', 'mpii')(own.keypoints).keypoints
    answers = {
        'remap, COCO to CrowdPose': way(files, 'remap', 'coco', 'crowdpose')(own.keypoints),
        'pairwise network, COCO to CrowdPose': way(files, 'pairwise', 'coco', 'crowdpose')(
            own.keypoints
        ),
        'acae, COCO to CrowdPose': way(files, 'acae', 'coco', 'crowdpose')(own.keypoints),
        'remap, MPII to CrowdPose': way(files, 'remap', 'mpii', 'crowdpose')(through),
        'acae, MPII to CrowdPose, never trained': way(files, 'acae', 'mpii', 'crowdpose')(through),
    }
    rows, results = [], {}
    for name, answer in answers.items():
        errors = 100 * np.linalg.norm(answer.keypoints - own.target_points, axis=-1)
        errors = errors / scales[:, None]
        medians = {
            joint: float(np.nanmedian(errors[:, skeleton.index(joint)]))
            if np.isfinite(errors[:, skeleton.index(joint)]).any()
            else None
            for joint in ('top_head', 'neck', 'left_hip', 'left_ankle')
        }
        results[name] = medians
        rows.append([name, *('-' if v is None else f'{v:.2f}' for v in medians.values())])
    head = ['', 'top_head', 'neck', 'left_hip', 'left_ankle']
    note = (
        '\n\nIn per cent of the square root of the area. The rows from MPII start from what the '
        'autoencoder makes of the COCO labels in MPII, as nobody labelled these persons in MPII: '
        'the hips and ankles there went to another definition and back.'
    )
    return table(head, rows) + note, results


if __name__ == '__main__':
    main()
