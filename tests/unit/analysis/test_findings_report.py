import json

import pytest

from hpemap_mm.analysis.analyze import Settings, analyze
from hpemap_mm.analysis.findings_report import findings_report
from hpemap_mm.analysis.findings_text import (
    all_flags,
    answer,
    interval,
    render_analysis,
)
from hpemap_mm.analysis.offset_values import Estimate
from hpemap_mm.analysis.report import Bars, Clouds, Offsets, Table, write_report
from hpemap_mm.analysis.subject import Subject

QUICK = Settings(replicates=100)


@pytest.fixture(scope='module')
def analysis(people, as_predictions):
    """Hips planted further out, a shifted image, a computed pelvis, averaged knees; a control."""
    world = people(count=1200)
    truth = world.truth()
    pelvis, left, right = (truth.skeleton.index(j) for j in ('pelvis', 'left_hip', 'right_hip'))
    truth.keypoints[:, pelvis] = (truth.keypoints[:, left] + truth.keypoints[:, right]) / 2
    points = world.predict(truth, outwards={'hip': 0.06}, shift=(0.04, 0.0))
    knees = [truth.skeleton.index(f'{side}_knee') for side in ('left', 'right')]
    points[:, knees] = points[:, knees].mean(1, keepdims=True)
    other = people(count=1200, seed=7)
    seen = other.truth()
    control = Subject.build(seen, as_predictions(seen, other.predict(seen)), name='control')
    subject = Subject.build(truth, as_predictions(truth, points), name='subject')
    return analyze(subject, controls=[control], settings=QUICK), truth.skeleton


def test_the_answer_says_what_was_found(analysis):
    done, _ = analysis
    text = answer(done)
    assert text.startswith('Not the same point in mpii and mpii, beyond the offsets of control: ')
    assert 'beyond the offsets of control: hip (0.0' in text
    assert 'knee, ' in text
    assert 'without exchanging' in text
    assert 'are Gaussian' in text


def test_flags_name_what_must_not_be_missed(analysis):
    done, _ = analysis
    told = all_flags(done)
    assert [level for level, text in told if 'left_knee' in text] == ['warning']
    (shift,) = [text for level, text in told if 'to the right' in text]
    assert 'by 0.04' in shift
    assert any('pelvis is the midpoint of' in text for _, text in told)
    assert not any(text.startswith('control: ') for _, text in told)


def test_a_wrong_first_pixel_is_asked_about(people, as_predictions):
    world = people()
    truth = world.truth()
    points = as_predictions(truth, world.predict(truth, origin=1.0))
    done = analyze(Subject.build(truth, points), settings=QUICK)
    (text,) = [text for level, text in all_flags(done) if level == 'warning']
    assert text.startswith('All predictions are off by +')
    assert 'first pixel (0 or 1)?' in text


def test_a_terminal_s_tables(analysis):
    done, _ = analysis
    text = render_analysis(done)
    assert 'Offsets in head sizes: subject' in text
    assert 'Beyond those of control' in text
    assert 'Gaussian' in text
    assert 'inversion' in text
    assert 'nan' not in text


def test_the_page(analysis, tmp_path):
    done, skeleton = analysis
    page = findings_report(done, skeleton=skeleton, title='Errors of <b>x</b>')
    assert [s.title for s in page.sections][:2] == [
        'Is the same joint the same point?',
        'How errors are distributed',
    ]
    blocks = [block for section in page.sections for block in section.blocks]
    kinds = {type(block) for block in blocks}
    assert {Offsets, Clouds, Bars, Table} <= kinds
    figure = next(block for block in blocks if isinstance(block, Offsets))
    arrows = {arrow.joint: arrow for arrow in figure.offsets}
    # A pair's arrows mirror each other: outwards is to the person's left on its left.
    assert arrows['left_hip'].x == pytest.approx(0.06, abs=0.01)
    assert arrows['right_hip'].x == pytest.approx(-0.06, abs=0.01)
    assert arrows['right_hip'].low_x < arrows['right_hip'].x < arrows['right_hip'].high_x
    assert arrows['left_hip'].claimed is True
    assert arrows['left_knee'].claimed is None
    assert arrows['left_elbow'].claimed is False
    path = write_report(tmp_path / 'report.html', page)
    html = path.read_text()
    assert '<b>x</b>' not in html
    json.loads((tmp_path / 'report.json').read_text())


def test_clouds_show_the_errors_of_their_joint(analysis):
    done, skeleton = analysis
    page = findings_report(done, skeleton=skeleton, title='t')
    clouds = next(
        block for section in page.sections for block in section.blocks if isinstance(block, Clouds)
    )
    hips = {cloud.joint: cloud for cloud in clouds.clouds if cloud.joint.endswith('hip')}
    assert hips['left_hip'].center[0] > 0.03 > -0.03 > hips['right_hip'].center[0]
    for cloud in hips.values():
        assert len(cloud.points) == 400
        assert cloud.points.mean(0) == pytest.approx(cloud.center, abs=0.03)


def test_interval():
    assert interval(Estimate(0.05, 0.04, 0.061)) == '+0.050 [+0.040, +0.061]'
    assert interval(None) == '-'
