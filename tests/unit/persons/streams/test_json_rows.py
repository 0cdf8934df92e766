"""Rows of json lists, some at a time, with their numbers where one is at fault."""

import json

import pytest

from hpemap_mm.errors import DataError
from hpemap_mm.persons.files.streams.bytes import Meter, Span
from hpemap_mm.persons.files.streams.json_rows import copy_value, json_rows


@pytest.fixture
def rows(tmp_path):
    def read(text: str, count: int = 2, **options):
        path = tmp_path / 'x.json'
        path.write_text(text)
        span = Span(0, len(path.read_bytes()))
        return list(json_rows(str(path), span, count=count, **options))

    return read


def test_batches_hold_what_json_says(rows):
    value = [{'a': [1, 2.5, -1e-3], 'b': {'c': None}}, {'é': 'x"]'}, {'d': True}]
    meter = Meter()
    found = rows(json.dumps(value), meter=meter)

    assert found == [value[:2], value[2:]]
    assert meter.done == len(json.dumps(value))
    assert [type(n) for n in found[0][0]['a']] == [int, float, float]
    assert rows('[]') == []


MANY = ', '.join(f'{{"k": [{i}, 1.5]}}' for i in range(20_000))


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        ('[{"a": 1}, {"a": NaN}]', r'annotation 1: is not json after byte .*NaN.*finite'),
        (f'[{MANY}, {{"k": -Infinity}}]', 'annotation 20000: is not json'),
        (f'[{MANY}, {{"k": [7', 'annotation 20000: ends too early, at byte'),
        ('[{"a": 1e999}]', 'annotation 0: is not json.*overflow'),
        ('[{"a": 99999999999999999999}]', 'annotation 0: is not json.*overflow'),
        ('[{"a": 1}] x', 'annotation 1: is not json.*trailing'),
        ('[{"a": 1} {"a": 2}]', 'annotation 1: is not json'),
        ('{"a": 1}', r'has no list of annotations at byte 0 -> write a list'),
    ],
)
def test_faults_name_the_row(rows, text, message):
    with pytest.raises(DataError, match=message):
        rows(text, count=3, noun='annotation')


def test_a_value_is_copied_byte_by_byte(tmp_path):
    text = f'  {{"a":  [1.50, "\\u00e9", {MANY}]}} '
    path = tmp_path / 'x.json'
    path.write_text(text)
    copied = bytearray()
    copy_value(str(path), Span(2, len(text) - 1), copied.extend)
    assert copied.decode() == text[2:-1]


@pytest.mark.parametrize('text', ['[1, NaN]', '[1 2]', '[1', '"\\x"'])
def test_what_is_no_json_is_not_copied(tmp_path, text):
    path = tmp_path / 'x.json'
    path.write_text(text)
    with pytest.raises(DataError, match='x.json: '):
        copy_value(str(path), Span(0, len(text)), bytearray().extend)


def test_a_file_that_shrinks_meanwhile_is_refused(tmp_path):
    path = tmp_path / 'x.json'
    path.write_text('[1]')
    with pytest.raises(DataError, match='became shorter while it was read'):
        list(json_rows(str(path), Span(0, 10), count=1))


@pytest.mark.parametrize('error', [KeyboardInterrupt, SystemExit])
def test_a_stop_while_reading_gets_through(tmp_path, error):
    path = tmp_path / 'x.json'
    path.write_text(f'[{MANY}]')

    def stop(done: int, total: int) -> None:
        if done > 1 << 17:
            raise error

    with pytest.raises(error):
        list(json_rows(str(path), Span(0, path.stat().st_size), count=10, meter=Meter(stop)))
