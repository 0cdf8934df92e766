"""Problems are collected, raised together, and survive a data worker."""

import pickle

import pytest

from hpemap_mm.errors import DataError, Problem, ProblemList


def problems(count):
    found = ProblemList()
    for number in range(count):
        found.add(f'file{number}.json', f'{number} joints', 'export it again')
    return found


def test_a_problem_reads_where_what_fix():
    problem = Problem('a.json, annotation 3', '15 joints, 17 expected', 'check the skeleton')

    assert str(problem) == 'a.json, annotation 3: 15 joints, 17 expected -> check the skeleton'


def test_without_problems_nothing_is_raised():
    empty = ProblemList()

    empty.raise_if_any()

    assert len(empty) == 0


def test_all_problems_are_raised_at_once_in_order():
    with pytest.raises(DataError) as caught:
        problems(3).raise_if_any()

    assert [p.where for p in caught.value.problems] == ['file0.json', 'file1.json', 'file2.json']
    assert str(caught.value).splitlines() == [
        '3 problems found:',
        '  file0.json: 0 joints -> export it again',
        '  file1.json: 1 joints -> export it again',
        '  file2.json: 2 joints -> export it again',
    ]


def test_one_problem_is_singular():
    with pytest.raises(DataError, match=r'^1 problem found:\n'):
        problems(1).raise_if_any()


def test_a_long_list_is_cut_in_the_message_only():
    with pytest.raises(DataError) as caught:
        problems(DataError.max_shown + 5).raise_if_any()

    lines = str(caught.value).splitlines()
    assert lines[0] == '25 problems found:'
    assert len(lines) == 1 + DataError.max_shown + 1
    assert lines[-1] == '  ... and 5 more'
    assert len(caught.value.problems) == 25


def test_pickling_keeps_the_problems():
    error = DataError(list(problems(2)))

    copy = pickle.loads(pickle.dumps(error))

    assert type(copy) is DataError
    assert copy.problems == error.problems
    assert str(copy) == str(error)


def test_problems_of_a_caught_error_can_be_taken_over():
    found = problems(1)

    found.extend(DataError([Problem('b.npz', 'empty', 'download it again')]))

    assert [p.where for p in found] == ['file0.json', 'b.npz']


def test_it_is_a_value_error_and_its_list_is_its_own():
    given = [Problem('a', 'b', 'c')]
    error = DataError(given)
    given.clear()

    assert isinstance(error, ValueError)
    assert len(error.problems) == 1


def test_where_may_be_a_path(tmp_path):
    found = ProblemList()
    found.add(tmp_path / 'x.json', 'missing', 'create it')

    assert next(iter(found)).where == str(tmp_path / 'x.json')


def test_torch_can_raise_it_anew_from_its_text():
    assert str(DataError('Caught DataError in DataLoader worker 0')).startswith('Caught')
    assert DataError('text').problems == []
