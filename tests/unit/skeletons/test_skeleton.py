"""The value object, on a skeleton of four joints written out here."""

import copy
import pickle
from dataclasses import FrozenInstanceError

import numpy as np
import pytest

from hpemap_mm.errors import DataError
from hpemap_mm.skeletons import Skeleton


def puppet() -> dict:
    """Head, two hands (right before left), a foot."""
    return dict(
        dataset_name='puppet',
        keypoint_info={
            0: dict(name='head', id=0, color=[1, 2, 3], type='upper', swap=''),
            1: dict(name='right_hand', id=1, color=[4, 5, 6], type='upper', swap='left_hand'),
            2: dict(name='left_hand', id=2, color=[7, 8, 9], type='upper', swap='right_hand'),
            3: dict(name='foot', id=3, type='lower', swap=''),
        },
        skeleton_info={
            0: dict(link=('head', 'foot'), id=0, color=[9, 9, 9]),
            1: dict(link=('left_hand', 'right_hand'), id=1),
        },
        joint_weights=[1.0, 1.5, 1.5, 2.0],
        sigmas=[0.1, 0.2, 0.2, 0.3],
    )


def test_what_follows_from_the_names() -> None:
    skeleton = Skeleton.from_metainfo(puppet())
    assert (skeleton.name, len(skeleton)) == ('puppet', 4)
    assert skeleton.joints == ('head', 'right_hand', 'left_hand', 'foot')
    assert skeleton.index('foot') == 3
    assert skeleton.flip_indices.tolist() == [0, 2, 1, 3]
    assert skeleton.flip_pairs == ((1, 2),)
    assert skeleton.sigmas.tolist() == [0.1, 0.2, 0.2, 0.3]
    assert skeleton.links == ((0, 3), (2, 1))
    assert skeleton.upper_body_ids == (0, 1, 2)
    assert skeleton.lower_body_ids == (3,)
    assert skeleton.joint_weights == (1.0, 1.5, 1.5, 2.0)


def test_metainfo_round_trip() -> None:
    skeleton = Skeleton.from_metainfo(puppet())
    again = Skeleton.from_metainfo(skeleton.metainfo())
    assert again.metainfo() == skeleton.metainfo()
    assert skeleton.metainfo()['keypoint_info'][1] == puppet()['keypoint_info'][1]
    assert skeleton.metainfo()['dataset_name'] == 'puppet'
    skeleton.metainfo()['sigmas'][0] = 9.0  # a new dict each time
    assert skeleton.sigmas[0] == 0.1


def test_value_semantics() -> None:
    one, two = Skeleton.from_metainfo(puppet()), Skeleton.from_metainfo(puppet())
    assert one == two and hash(one) == hash(two) and len({one, two}) == 1
    other = Skeleton.from_metainfo(puppet(), name='other')
    assert other != one
    with pytest.raises(FrozenInstanceError):
        one.name = 'changed'  # type: ignore[misc]


@pytest.mark.parametrize('duplicate', [copy.deepcopy, lambda s: pickle.loads(pickle.dumps(s))])
def test_arrays_stay_read_only_in_copies(duplicate) -> None:
    skeleton = Skeleton.from_metainfo(puppet())
    _ = skeleton.flip_indices, skeleton.sigmas  # cached before the copy
    again = duplicate(skeleton)
    assert again == skeleton
    for array in (again.flip_indices, again.sigmas, skeleton.flip_indices, skeleton.sigmas):
        with pytest.raises(ValueError, match='read-only'):
            array[0] = 1


def test_unknown_joint_guesses() -> None:
    with pytest.raises(KeyError, match=r"joint of skeleton 'puppet' 'left_hnd'.*'left_hand'"):
        Skeleton.from_metainfo(puppet()).index('left_hnd')


def test_no_sigmas_is_an_error_only_when_asked_for() -> None:
    skeleton = Skeleton.from_metainfo(puppet() | dict(sigmas=[]))
    assert not skeleton.has_sigmas
    assert skeleton.metainfo()['sigmas'] == []
    with pytest.raises(ValueError, match="'puppet' has no sigmas"):
        _ = skeleton.sigmas
    given = skeleton.with_sigmas([1, 2, 3, 4], source='a guess')
    assert given.sigmas.tolist() == [1.0, 2.0, 3.0, 4.0]
    assert given.sigma_source == 'a guess'
    assert not skeleton.has_sigmas


@pytest.mark.parametrize('bad', [[0.1] * 3, [0.1, 0.1, 0.1, 0.0], [0.1, 0.1, 0.1, np.nan]])
def test_bad_sigmas(bad) -> None:
    with pytest.raises(DataError, match='sigmas'):
        Skeleton.from_metainfo(puppet()).with_sigmas(bad, source='a guess')


def test_every_fault_is_reported_at_once() -> None:
    info = puppet()
    info['keypoint_info'][3]['name'] = 'head'
    info['keypoint_info'][1]['swap'] = 'left_hnd'
    info['keypoint_info'][0]['type'] = 'middle'
    info['skeleton_info'][0]['link'] = ('head', 'tail')
    info['sigmas'] = [0.1, 0.2]
    with pytest.raises(DataError) as caught:
        Skeleton.from_metainfo(info, where='puppet.py')
    text = str(caught.value)
    assert all(problem.where == 'puppet.py' for problem in caught.value.problems)
    for part in (
        "'head' occurs at [0, 3]",
        "swaps with unknown joint 'left_hnd' -> did you mean 'left_hand'?",
        "'left_hand' swaps with 'right_hand', but 'right_hand' swaps with 'left_hnd'",
        "'head' has type 'middle'",
        "unknown joint 'tail'",
        '2 sigmas for 4 joints',
    ):
        assert part in text


def test_asymmetric_swap() -> None:
    info = puppet()
    info['keypoint_info'][2]['swap'] = ''
    with pytest.raises(DataError, match="'right_hand' swaps with 'left_hand', but 'left_hand'"):
        Skeleton.from_metainfo(info)


@pytest.mark.parametrize('key', ['dataset_name', 'keypoint_info', 'skeleton_info', 'sigmas'])
def test_missing_key(key: str) -> None:
    info = puppet()
    del info[key]
    with pytest.raises(DataError, match=f'{key!r} is missing'):
        Skeleton.from_metainfo(info)


def test_ids_must_run_from_zero() -> None:
    info = puppet()
    info['keypoint_info'][7] = info['keypoint_info'].pop(3)
    with pytest.raises(DataError, match=r'ids \[0, 1, 2, 7\]'):
        Skeleton.from_metainfo(info)
    info = puppet()
    info['keypoint_info'][3]['id'] = 5
    with pytest.raises(DataError, match='joint 3 has id=5'):
        Skeleton.from_metainfo(info)
