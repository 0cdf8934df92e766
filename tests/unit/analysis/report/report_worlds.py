"""An invented report with something of everything, of the size and shape of a real one."""

import cv2
import numpy as np

from hpemap_mm.analysis.report import (
    About,
    Bar,
    Bars,
    Cell,
    Cloud,
    Clouds,
    Column,
    Figure,
    Flag,
    JointFigure,
    Matrix,
    Metric,
    Offset,
    Offsets,
    Picture,
    Pictures,
    Report,
    Section,
    Table,
    Text,
    encode_picture,
    standing_body,
)
from hpemap_mm.skeletons import correspondences, get_skeleton

#: How hard a joint is, by a word of its name.
HARD = {'ankle': 0.16, 'wrist': 0.14, 'hip': 0.11, 'knee': 0.1, 'elbow': 0.09, 'pelvis': 0.08}
DATASETS = {'coco_val': 'coco', 'mpii_val': 'mpii', 'aic_val': 'aic', 'lspet_val': 'lsp'}
METRICS = (
    Metric('PCKh@0.5', about='Share of joints within half a head size of the truth.'),
    Metric('PCKh@0.1', about='Share of joints within a tenth of a head size of the truth.'),
    Metric('AP', about="COCO's average precision by object keypoint similarity, boxes given."),
    Metric(
        'mean error', unit='head sizes', higher_is_better=False, about='Mean distance to the truth.'
    ),
)


def per_joint(joints, scale, rng):
    """Plausible figures of some joints."""
    figures = {}
    for joint in joints:
        miss = next((v for word, v in HARD.items() if word in joint), 0.05)
        value = float(np.clip(scale * (1 - miss * rng.uniform(0.8, 1.3)), 0, 1))
        half = float(rng.uniform(0.006, 0.014))
        n = int(rng.integers(1900, 2958))
        figures[joint] = JointFigure(value=value, low=value - half, high=value + half, n=n)
    return figures


def cell(representation, dataset, rng):
    """A cell as the ontology has it, with invented figures."""
    skeleton = get_skeleton(DATASETS[dataset])
    records = correspondences(representation, skeleton)
    relations = {r.joint: r.relation for r in records}
    answered = [joint for joint, relation in relations.items() if relation != 'none']
    own = representation == DATASETS[dataset]
    levels = {'PCKh@0.5': 0.93 if own else 0.86, 'PCKh@0.1': 0.38 if own else 0.24, 'AP': 0.71}
    joints = {name: per_joint(answered, level, rng) for name, level in levels.items()}
    people = int(rng.integers(400, 6352))
    figures = {}
    for name, rows in joints.items():
        value = float(np.mean([f.value for f in rows.values()]))
        figures[name] = Figure(
            value=value,
            low=value - 0.008,
            high=value + 0.0075,
            joints=len(answered),
            instances=people,
            images=int(people * 0.8),
        )
    error = 0.3 * (1 - figures['PCKh@0.1'].value)
    figures['mean error'] = Figure(
        value=error,
        low=error - 0.004,
        high=error + 0.005,
        joints=len(answered),
        instances=people,
        images=int(people * 0.8),
    )
    if dataset == 'coco_val':
        for name in ('PCKh@0.5', 'PCKh@0.1'):
            figures[name] = Figure(reason='coco_val has no head sizes')
            joints.pop(name)
    return Cell(figures=figures, relations=relations, per_joint=joints)


def matrix(rng):
    """Four representations on four datasets, and one that has nothing in common with them."""
    representations = ['coco', 'mpii', 'aic', 'lsp', 'face68']
    nothing = 'no joint of face68 is one of {}'
    cells = {
        (r, d): Cell(reason=nothing.format(d)) if r == 'face68' else cell(r, d, rng)
        for r in representations
        for d in DATASETS
    }
    notes = {d: f'{s}, {len(get_skeleton(s))} joints' for d, s in DATASETS.items()}
    return Matrix(
        title='Every representation on every dataset',
        metrics=METRICS,
        representations=representations,
        datasets=list(DATASETS),
        dataset_notes=notes,
        cells=cells,
        lead='Rows are what the model answered in, columns whose annotation judged it. '
        'A cell leads to its joints.',
        note='Intervals: 95%, bootstrap over images, 1000 replicates.',
    )


def offsets(rng):
    """COCO's joints against MPII's definition."""
    skeleton = get_skeleton('mpii')
    body = standing_body(skeleton)
    base = {
        'shoulder': (0.045, 0.06),
        'elbow': (0.012, 0.01),
        'wrist': (0.004, -0.012),
        'hip': (0.06, -0.115),
        'knee': (0.011, -0.018),
        'ankle': (0.014, -0.032),
        'neck': (0.002, 0.082),
        'top': (0.001, 0.061),
    }
    arrows = []
    for joint in skeleton.joints:
        word = joint.split('_')[-1]
        if word not in base:
            continue
        x, y = base[word]
        x = -x if joint.startswith('right') else x
        x, y = x + rng.normal(0, 0.002), y + rng.normal(0, 0.002)
        half = 0.004
        arrows.append(
            Offset(
                joint=joint,
                x=x,
                y=y,
                low_x=x - half,
                high_x=x + half,
                low_y=y - half,
                high_y=y + half,
                relation='near' if word in ('neck', 'top') else 'same',
                claimed=bool(np.hypot(x, y) > 0.03),
                n=19000 + int(rng.integers(900)),
            )
        )
    return Offsets(
        title="From MPII's joints to COCO's",
        offsets=arrows,
        positions=body.positions,
        links=body.links,
        lead="COCO's hips are clicked higher and further out than MPII's; elbows and wrists "
        'are the same points.',
        note='Control: the common bias of the decoder, from persons who face the camera and who '
        'face away. Floor: 0.02 head sizes.',
    )


def clouds(rng):
    """Cores with tails."""
    panels = []
    for joint in get_skeleton('mpii').joints:
        miss = next((v for word, v in HARD.items() if word in joint), 0.05)
        core = np.array([[0.004 + miss / 40, 0.001], [0.001, 0.003 + miss / 60]])
        points = rng.multivariate_normal([0.02, -0.03], core, 1500)
        tail = rng.random(1500) < miss
        points[tail] *= 6
        panels.append(
            Cloud(
                joint=joint,
                points=points,
                center=(0.02, -0.03),
                covariance=core,
                n=2958,
                note=f'tails {100 * miss:.0f}%, D = {0.04 + miss / 4:.2f}',
            )
        )
    return Clouds(
        title='Errors by joint',
        clouds=panels,
        lead='In the frame of the body: to the right is towards the person’s left.',
    )


def photograph(rng, width=320, height=300):
    """A picture that is nobody's photograph: a figure in front of a wall."""
    image = np.zeros((height, width, 3), np.float32)
    image += np.linspace(0.55, 0.8, height)[:, None, None] * rng.uniform(120, 240, 3)
    image = np.clip(image + rng.normal(0, 3, image.shape), 0, 255).astype(np.uint8)
    body = standing_body(get_skeleton('coco'))
    shift = np.array([width / 2, height * 0.52])
    places = {
        joint: tuple((shift + np.multiply(xy, height / 13) + rng.normal(0, 4, 2)).astype(int))
        for joint, xy in body.positions.items()
    }
    for a, b in body.links:
        pa, pb = (tuple(map(int, places[j])) for j in (a, b))
        cv2.line(image, pa, pb, (60, 60, 70), 9, cv2.LINE_AA)
        cv2.line(image, pa, pb, (60, 190, 250), 2, cv2.LINE_AA)
    for place in places.values():
        cv2.circle(image, tuple(map(int, place)), 4, (250, 250, 250), -1, cv2.LINE_AA)
    return image


def pictures(rng):
    """Three groups, and one picture that is wide."""
    shown = []
    for group, scores in {
        'best': (0.981, 0.975, 0.97, 0.968),
        'worst': (0.02, 0.05, 0.11, 0.14),
        'random': (0.71, 0.86, 0.9, 0.64),
    }.items():
        for i, score in enumerate(scores):
            jpeg = encode_picture(photograph(rng))
            caption = f'mpii_val 0{i}5{i * 7}.jpg: truth (white), coco'
            shown.append(
                Picture(jpeg=jpeg, caption=caption, group=group, score=score, score_name='OKS')
            )
    row = np.hstack([photograph(rng) for _ in range(4)])
    shown.append(
        Picture(
            jpeg=encode_picture(row, longest=1280),
            caption='aic_val 000031.jpg: truth, coco, mpii, aic',
            group='random',
            score=0.8123,
            score_name='OKS',
        )
    )
    return Pictures(
        title='Persons', pictures=shown, lead='By OKS of the representation against the truth.'
    )


def long_names(length=160):
    """A report in which everything that has a name has a long one, without a space."""
    name = 'abcdefghij' * (length // 10)
    figure = {name: Figure(value=0.5, low=0.4, high=0.6, joints=1, instances=10)}
    cell = Cell(
        figures=figure,
        relations={name: 'near'},
        per_joint={name: {name: JointFigure(value=0.5)}},
        notes=[name],
    )
    blocks = [
        Matrix(
            title=name,
            metrics=[Metric(name, about=name)],
            representations=[name],
            datasets=[name, 'empty'],
            dataset_notes={name: name},
            cells={(name, name): cell, (name, 'empty'): Cell(reason=name)},
            note=name,
        ),
        Bars(title=name, series={name: [Bar(label=name, value=None, note=name)], 'b': []}),
        Bars(title=name, unit=name, series={name: [Bar(label=name, value=0.5)]}),
        Offsets(
            title=name,
            offsets=[Offset(joint=name, x=0.1, y=0.1, note=name)],
            positions={name: (1, 1)},
        ),
        Clouds(title=name, unit=name, clouds=[Cloud(joint=name, points=[[0, 1]], note=name)]),
        Table(title=name, columns=[name, 'b'], rows=[[name, name]]),
        Text(name, [name]),
    ]
    about = About(command=name, config=name, versions={name: name}, files={name: name})
    return Report(
        title=name,
        answer=name,
        flags=[Flag(name)],
        sections=[Section(title=name, lead=name, blocks=blocks)],
        about=about,
    )


def full_report(seed=7):
    """A report with every kind of block."""
    rng = np.random.default_rng(seed)
    joints = get_skeleton('mpii').joints
    series = {
        name: [
            Bar(label=joint, value=f.value, low=f.low, high=f.high, n=f.n)
            for joint, f in per_joint(joints, level, rng).items()
        ]
        for name, level in {'coco on mpii_val': 0.88, 'mpii on mpii_val': 0.93}.items()
    }
    kinds = {'good': 0.8, 'jitter': 0.1, 'inversion': 0.03, 'swap': 0.01, 'miss': 0.06}
    taxonomy = [
        [
            joint,
            *(
                (v, v - 0.004, v + 0.004)
                for v in (float(rate * rng.uniform(0.8, 1.1)) for rate in kinds.values())
            ),
            int(rng.integers(1800, 2958)),
        ]
        for joint in joints
    ]
    return Report(
        title='How good is a COCO model on MPII?',
        answer='PCKh@0.5 is 87.9 (95% interval 87.4 to 88.4) over the 14 of 16 joints that it '
        'answers; its hips and shoulders are other points than MPII’s, and no left or right '
        'was mixed up.',
        flags=[
            Flag(
                'left_eye and right_eye coincide in 93% of persons: their predictions were '
                'averaged with the wrong flip pairs.'
            ),
            Flag('coco_val has no head sizes, so PCKh is not defined there.', 'note'),
        ],
        sections=[
            Section(
                title='The matrix',
                lead='Cells compare only the joints that both sides have.',
                blocks=[matrix(rng)],
            ),
            Section(
                title='By joint',
                blocks=[
                    Bars(
                        title='PCKh@0.5 by joint',
                        series=series,
                        lead='Ankles and wrists are hardest in either representation.',
                    ),
                    Bars(
                        title='Median error by joint',
                        unit='head sizes',
                        series={
                            'coco': [
                                Bar(label=j, value=v, low=v * 0.93, high=v * 1.08, n=2900)
                                for j, v in zip(joints, rng.uniform(0.03, 0.19, 16), strict=True)
                            ]
                        },
                    ),
                ],
            ),
            Section(
                title='Definitions',
                lead='Is the same joint the same point?',
                blocks=[offsets(rng)],
            ),
            Section(title='Distributions', blocks=[clouds(rng)]),
            Section(
                title='Kinds of error',
                blocks=[
                    Table(
                        title='Shares by joint',
                        columns=[
                            'joint',
                            *(Column(kind, 'percent') for kind in kinds),
                            Column('n', 'number', about='persons with the joint'),
                        ],
                        rows=taxonomy,
                        note='After Ronchi and Perona, ICCV 2017.',
                    ),
                    Text(
                        'Jitter is most of what is lost. Inversions are rare where persons face '
                        'the camera and common where they turn away.',
                        points=['Swaps need a second person in the picture: 31% have one.'],
                    ),
                ],
            ),
            Section(title='Pictures', blocks=[pictures(rng)]),
        ],
        about=About(
            command='python tools/evaluate.py predictions.json mpii_val.json --from coco --to mpii',
            config="_base_ = ['../_base_/default_runtime.py']\nmodel = dict(type='x')\n" * 20,
            date='2026-01-05',
            versions={'hpemap_mm': '0.1.0', 'numpy': np.__version__},
            files={'predictions': 'predictions.json', 'truth': 'mpii_val.json'},
            notes=['mpii_val.json: 1-based, shifted by one pixel.'],
        ),
    )
