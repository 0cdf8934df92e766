import json

import numpy as np
import pytest

from hpemap_mm.analysis.frames import person_sizes
from hpemap_mm.analysis.image_shift import find_shift
from hpemap_mm.evaluation.bootstrap import image_weights


def shift_of(people, lay_beside, **planted):
    truth = people.truth()
    found = lay_beside(truth, people.predict(truth, **planted))
    return find_shift(found, person_sizes(truth), image_weights(len(truth.images), 200))


def test_origin_and_decoder_are_told_apart(people, lay_beside):
    found = shift_of(people(), lay_beside, shift=(0.03, -0.01), origin=1.0)
    assert [e.value for e in found.origin] == pytest.approx([1.0, 1.0], abs=0.2)
    assert [e.value for e in found.per_size] == pytest.approx([0.03, -0.01], abs=0.004)
    assert found.wrong_origin
    json.dumps(found.to_json(), allow_nan=False)


def test_a_decoder_s_shift_is_no_wrong_origin(people, lay_beside):
    found = shift_of(people(), lay_beside, shift=(0.05, 0.05))
    assert not found.wrong_origin
    assert all(e.low < 0 < e.high or abs(e.value) < 0.2 for e in found.origin)
    assert found.per_size[0].low > 0.04


def test_nothing_planted_nothing_found(people, lay_beside):
    found = shift_of(people(seed=5), lay_beside)
    assert max(abs(e.value) for e in (*found.origin, *found.per_size)) < 0.2
    assert not found.wrong_origin


def test_few_persons_say_nothing(people, lay_beside):
    assert shift_of(people(count=40), lay_beside) is None


def test_real_predictions_read_with_the_wrong_base(mpii_val, lay_beside):
    truth, read = mpii_val
    points = read['resnet'].keypoints
    sizes, weights = person_sizes(truth), image_weights(len(truth.images), 200)
    right = find_shift(lay_beside(truth, points), sizes, weights)
    wrong = find_shift(lay_beside(truth, points + 1), sizes, weights)
    assert (right.wrong_origin, wrong.wrong_origin) == (False, True)
    moved = [b.value - a.value for a, b in zip(right.origin, wrong.origin, strict=True)]
    assert moved == pytest.approx([1.0, 1.0], abs=0.1)
    # The decoder or the flip test: to the right only.
    assert right.per_size[0].low > 0.02
    assert abs(right.per_size[1].value) < 0.01
    assert np.isfinite([e.low for e in right.origin]).all()
