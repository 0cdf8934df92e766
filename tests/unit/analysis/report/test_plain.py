import json

import numpy as np
import pytest
from report_worlds import full_report

from hpemap_mm.analysis.report import (
    Cell,
    Cloud,
    Clouds,
    Figure,
    Matrix,
    Report,
    Section,
    Table,
    to_plain,
)


def test_the_figures_survive_json():
    report = full_report()
    plain = to_plain(report)

    assert json.loads(json.dumps(plain, allow_nan=False)) == plain
    matrix = plain['sections'][0]['blocks'][0]
    assert matrix['kind'] == 'matrix'
    assert len(matrix['cells']) == len(matrix['representations']) * len(matrix['datasets'])
    source = report.sections[0].blocks[0].cells
    for cell in matrix['cells']:
        same = source[cell['representation'], cell['dataset']]
        assert cell['reason'] == same.reason
        assert cell['relations'] == dict(same.relations)
        for name, figure in same.figures.items():
            assert cell['figures'][name]['value'] == figure.value
            assert cell['figures'][name]['instances'] == figure.instances
        for name, joints in same.per_joint.items():
            assert cell['per_joint'][name].keys() == joints.keys()


def test_what_is_drawn_only_is_left_out():
    plain = to_plain(full_report())
    blocks = {b['kind']: b for s in plain['sections'] for b in s['blocks']}

    picture = blocks['pictures']['pictures'][0]
    assert picture.keys() == {'caption', 'group', 'score', 'score_name'}
    cloud = blocks['clouds']['clouds'][0]
    assert 'points' not in cloud
    assert np.shape(cloud['covariance']) == (2, 2)
    assert set(blocks) == {'matrix', 'bars', 'offsets', 'clouds', 'table', 'text', 'pictures'}


def test_numbers_that_are_not_known_are_null():
    rows = [['a', np.nan], ['b', (np.float64(0.5), np.nan, None)], ['c', np.int64(3)]]
    table = Table(title='t', columns=['name', 'value'], rows=rows)
    plain = to_plain(Report(title='r', sections=[Section(title='s', blocks=[table])]))

    assert plain['sections'][0]['blocks'][0]['rows'] == [
        ['a', None],
        ['b', [0.5, None, None]],
        ['c', 3],
    ]


def test_infinities_are_refused():
    table = Table(title='t', columns=['value'], rows=[[float('inf')]])
    with pytest.raises(ValueError, match='inf'):
        to_plain(Report(title='r', sections=[Section(title='s', blocks=[table])]))


def test_a_matrix_needs_every_cell_and_no_other():
    cell = Cell(reason='nothing')
    full = {('coco', 'a'): cell, ('coco', 'b'): cell}
    build = {
        'title': 'm',
        'metrics': ['AP'],
        'representations': ['coco'],
        'datasets': ['a', 'b'],
    }
    assert Matrix(**build, cells=full).metrics[0].name == 'AP'
    with pytest.raises(ValueError, match=r"missing \[\('coco', 'b'\)\]"):
        Matrix(**build, cells={('coco', 'a'): cell})
    with pytest.raises(ValueError, match=r"unexpected \[\('mpii', 'a'\)\]"):
        Matrix(**build, cells={**full, ('mpii', 'a'): cell})
    with pytest.raises(ValueError, match='PCK'):
        Matrix(**build, cells={**full, ('coco', 'a'): Cell(figures={'PCK': Figure(value=0.5)})})


def test_a_cell_from_plain_dicts():
    values = {
        'figures': {'AP': {'value': 0.5, 'low': 0.4, 'high': 0.6, 'joints': 12, 'instances': 7}},
        'relations': {'left_hip': 'same', 'head_top': 'near'},
        'per_joint': {'AP': {'left_hip': {'value': 0.25, 'low': 0.0, 'high': 0.5, 'n': 4}}},
        'reason': '',
    }
    cell = Cell.from_dict(values)

    assert cell.figures['AP'] == Figure(value=0.5, low=0.4, high=0.6, joints=12, instances=7)
    assert cell.per_joint['AP']['left_hip'].n == 4
    with pytest.raises(ValueError, match='alike'):
        Cell.from_dict({**values, 'relations': {'left_hip': 'alike'}})
    with pytest.raises(TypeError):
        Cell.from_dict({**values, 'figure': {}})


def test_clouds_take_finite_points_only():
    cloud = Cloud(joint='nose', points=[[0, 1], [np.nan, 2], [3, np.inf]])

    assert cloud.points.tolist() == [[0.0, 1.0]]
    assert cloud.n == 1
    with pytest.raises(ValueError, match='nose'):
        Cloud(joint='nose', points=[], covariance=[[1, 0], [0, -1]])
    assert Clouds(title='c', clouds=[cloud]).clouds == (cloud,)
