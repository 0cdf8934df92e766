import numpy as np
import pytest

from hpemap_mm.errors import DataError
from hpemap_mm.persons import Truth
from hpemap_mm.skeletons import get_skeleton
from hpemap_mm.translators.matching import Matching, assign, common_joints, match_persons
from hpemap_mm.translators.sides import Persons

#: Areas are 100 x 100, so a distance in sizes is a hundredth of one in pixels.
AREA = 100.0**2


def side(skeleton, places, images=None, *, ids=None, names=None, areas=True, crowd=None):
    """Persons all of whose joints lie in one place."""
    skeleton = get_skeleton(skeleton)
    points = np.repeat(np.asarray(places, float)[:, None], len(skeleton), axis=1)
    count = len(points)
    visible = np.full(points.shape[:2], 2)
    truth = Truth.build(
        name='t',
        skeleton=skeleton,
        keypoints=points,
        visible=visible,
        ids=ids,
        image_ids=images,
        areas=np.full(count, AREA if areas else np.nan),
        crowd=crowd,
    )
    return Persons(
        skeleton=skeleton,
        keypoints=points,
        scores=None,
        ids=None if ids is None else np.asarray(ids),
        image_ids=None if images is None else np.asarray(images),
        image_names=names or {},
        truth=truth,
        name='t',
        source=f'{skeleton.name}.json',
        notes=(),
    )


def found(matching: Matching):
    return list(zip(matching.source_rows.tolist(), matching.target_rows.tolist(), strict=True))


def test_rows():
    matching = match_persons(side('coco', [(0, 0), (50, 50)]), side('mpii', [(3, 4), (50, 50)]))

    assert found(matching) == [(0, 0), (1, 1)]
    np.testing.assert_allclose(matching.distances, [0.05, 0.0])
    assert str(matching) == '2 pairs of 2 and 2 persons (rows)'


def test_rows_of_other_numbers():
    with pytest.raises(DataError, match='coco.json: has 1 persons, but mpii.json has 2'):
        match_persons(side('coco', [(0, 0)]), side('mpii', [(0, 0), (1, 1)]))


def test_rows_in_another_order_are_refused():
    places = [(0, 0), (1000, 0), (2000, 0)]

    with pytest.raises(DataError, match='lie far from .* in the same order'):
        match_persons(side('coco', places), side('mpii', places[1:] + places[:1]))


def test_ids():
    source = side('coco', [(0, 0), (1, 0), (2, 0)], ids=[30, 10, 20])
    target = side('mpii', [(9, 0), (2, 0), (0, 0)], ids=[99, 20, 30])

    matching = match_persons(source, target, how='ids')

    assert found(matching) == [(2, 1), (0, 2)]
    assert (matching.only_source, matching.only_target) == (1, 1)
    assert str(matching) == '2 pairs of 3 and 3 persons (ids); without a partner: 1 and 1'


def test_ids_that_nobody_has():
    with pytest.raises(DataError, match='coco.json: has no ids of persons'):
        match_persons(side('coco', [(0, 0)]), side('mpii', [(0, 0)], ids=[1]), how='ids')
    with pytest.raises(DataError, match='no id in common'):
        match_persons(side('coco', [(0, 0)], ids=[2]), side('mpii', [(0, 0)], ids=[1]), how='ids')


def test_position_within_images_and_tolerance():
    # Image 1: two persons, written in other orders; image 2: 26 px apart; image 3: only one file.
    source = side('coco', [(0, 0), (500, 0), (0, 0), (0, 0)], [1, 1, 2, 3])
    target = side('mpii', [(510, 0), (0, 20), (26, 0), (0, 0)], [1, 1, 2, 4])

    matching = match_persons(source, target, how='position')

    assert found(matching) == [(1, 0), (0, 1)]
    np.testing.assert_allclose(matching.distances, [0.1, 0.2])
    assert matching.tolerance == 0.25 and matching.ambiguous == 0
    assert str(matching) == (
        '2 pairs of 4 and 4 persons (position, tolerance 0.25); without a partner: 2 and 2'
    )
    wider = match_persons(source, target, how='position', tolerance=0.26)
    assert found(wider) == [(1, 0), (0, 1), (2, 2)]


def test_position_goes_by_file_names_where_both_have_them():
    source = side('coco', [(0, 0), (0, 0)], [1, 2], names={1: 'a/x.jpg', 2: 'a/y.jpg'})
    target = side('mpii', [(0, 0), (5, 0)], [2, 1], names={2: 'x.jpg', 1: 'y.jpg'})

    assert found(match_persons(source, target, how='position')) == [(0, 0), (1, 1)]
    np.testing.assert_allclose(match_persons(source, target, how='position').distances, [0.0, 0.05])


def test_position_needs_images_and_common_joints():
    with pytest.raises(DataError, match='coco.json: does not say which image'):
        match_persons(side('coco', [(0, 0)]), side('mpii', [(0, 0)], [1]), how='position')
    with pytest.raises(DataError, match='no person in common'):
        match_persons(side('coco', [(0, 0)], [1]), side('mpii', [(0, 0)], [2]), how='position')


def test_position_without_areas_takes_half_the_diagonal():
    source, target = (side(name, [(0, 0)], [1], areas=False) for name in ('coco', 'mpii'))
    wrist = get_skeleton('mpii').index('left_wrist')
    target.keypoints[0, wrist] = (60, 80)  # the diagonal is 100, the size 50

    matching = match_persons(source, target, how='position')

    # One of the twelve joints in common is 100 px = 2 sizes away.
    np.testing.assert_allclose(matching.distances, [2 / 12])


def test_missing_joints_do_not_count_but_three_are_needed():
    source, target = (side(name, [(0, 0)], [1]) for name in ('coco', 'mpii'))
    common = common_joints(source.skeleton, target.skeleton)
    source.keypoints[0, common[3:, 0]] = np.nan
    target.keypoints[0, common[0, 1]] = (30, 0)

    np.testing.assert_allclose(match_persons(source, target, how='position').distances, [0.1])
    source.keypoints[0, common[2, 0]] = np.nan
    with pytest.raises(DataError, match='no person in common'):
        match_persons(source, target, how='position')


def test_crowds_and_persons_without_joints_are_left_out():
    source = side('coco', [(0, 0), (0, 0), (0, 0)])
    source.keypoints[2] = np.nan
    target = side('mpii', [(0, 0), (0, 0), (0, 0)], crowd=[0, 1, 0])

    matching = match_persons(source, target)

    assert found(matching) == [(0, 0)]
    assert (matching.crowd, matching.empty) == (1, 1)
    assert str(matching).endswith('of these left out: 1 crowds, 1 no joints')


@pytest.mark.parametrize(
    ('costs', 'pairs', 'refused'),
    [
        ([[0.2]], [(0, 0)], 0),  # nobody else: staying alone is no rival
        ([[0.10, 0.20]], [(0, 0)], 0),  # the other costs twice as much
        ([[0.10, 0.12]], [], 1),  # the other is almost as good
        ([[0.10, 0.12], [0.24, 0.05]], [(0, 0), (1, 1)], 0),  # ... but has a better partner
        ([[0.10, 0.12], [9.0, 0.05]], [(0, 0), (1, 1)], 0),
        ([[0.10, 0.11], [0.11, 0.10]], [], 2),  # two persons who may be exchanged
        ([[0.0, 0.0]], [], 1),  # the same person written twice
        ([[0.001, 0.009]], [], 1),  # closer than labels are exact
        ([[0.0, 0.02]], [(0, 0)], 0),
        ([[np.nan, 0.1]], [(0, 1)], 0),  # too few joints in common
        ([[0.3]], [], 0),
        # Both pairs at 0.2 would be more, but 0.02 is surely the same person.
        ([[0.02, 0.2], [0.2, 9.0]], [(0, 0)], 0),
    ],
)
def test_assignments_of_one_image(costs, pairs, refused):
    assert assign(np.array(costs), 0.25) == (pairs, refused)


def test_ambiguous_pairs_are_counted():
    source = side('coco', [(0, 0), (0, 0)], [1, 2])
    target = side('mpii', [(10, 0), (0, 11), (0, 0)], [1, 1, 2])

    matching = match_persons(source, target, how='position')

    assert found(matching) == [(1, 2)] and matching.ambiguous == 1
    assert str(matching).endswith('of these left out: 1 ambiguous')


def test_common_joints_are_the_same_and_never_near():
    coco, mpii = get_skeleton('coco'), get_skeleton('mpii')
    common = common_joints(coco, mpii)

    assert [coco.joints[s] for s, _ in common] == [mpii.joints[d] for _, d in common]
    assert len(common) == 12
    heads = common_joints(get_skeleton('aic'), mpii)[:, 1]
    assert mpii.index('head_top') not in heads


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ({'how': 'names'}, 'match is one of'),
        ({'how': 'position', 'tolerance': 0.0}, 'tolerance is a positive'),
        ({'how': 'position', 'tolerance': float('nan')}, 'tolerance is a positive'),
    ],
)
def test_wrong_arguments(options, message):
    with pytest.raises(ValueError, match=message):
        match_persons(side('coco', [(0, 0)], [1]), side('mpii', [(0, 0)], [1]), **options)
