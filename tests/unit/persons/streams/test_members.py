"""Places of an object's values, against json itself."""

import json
import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hpemap_mm.errors import DataError
from hpemap_mm.persons.files.streams import bytes as stream_bytes
from hpemap_mm.persons.files.streams.bytes import Span
from hpemap_mm.persons.files.streams.members import members, read_value

TEXT = st.text(alphabet=string.printable + '\\"{}[],:é\u2028', max_size=8)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=12,
)


@pytest.fixture(scope='module')
def file(tmp_path_factory):
    return tmp_path_factory.mktemp('members') / 'x.json'


def find(file, text: str, block: int = 1 << 16):
    data = text.encode()
    file.write_bytes(data)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stream_bytes, 'BLOCK', block)
        return members(str(file), Span(0, len(data)))


@settings(max_examples=150, deadline=None)
@given(
    value=st.dictionaries(TEXT, VALUES, max_size=4),
    indent=st.sampled_from([None, 0, 3]),
    ascii_only=st.booleans(),
    block=st.sampled_from([1, 2, 7, 1 << 16]),
)
def test_values_are_found_whatever_is_in_them(file, value, indent, ascii_only, block):
    text = json.dumps(value, indent=indent, ensure_ascii=ascii_only)
    found = find(file, f' {text}\n', block)

    assert list(found) == list(value)
    data = file.read_bytes()
    for key, span in found.items():
        assert json.loads(data[span.start : span.end]) == value[key]
        assert data[span.start : span.end].strip() == data[span.start : span.end]
        assert read_value(str(file), span) == value[key]


GOOD = '{"a": [1, {"b": "x]}\\\\\\""}], "c": {"d": [2]}}'


@pytest.mark.parametrize('length', range(1, len(GOOD)))
@pytest.mark.parametrize('block', [1, 1 << 16])
def test_every_file_that_is_cut_off_is_refused(file, length, block):
    with pytest.raises(DataError, match='ends too early|is not json'):
        find(file, GOOD[:length], block)


def test_the_message_says_where_it_was_cut_off(file):
    with pytest.raises(DataError, match=r"ends too early, at byte 20 in 'a' -> it is incomplete"):
        find(file, GOOD[:20])


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        ('{"a": 1} x', 'is not json at byte 9'),
        ('{"a": 1}}', 'is not json at byte 8'),
        ('{"a": 1}{"b": 2}', 'is not json'),
        ('{"a" 1, "b": 2}', 'is not json at byte'),
        ('{"a": 1, }', 'is not json'),
        ('{"a": }', 'is not json'),
        ('{1: 2}', 'is not json at byte 1'),
        ('{"a": 1 "b": 2}', 'is not json'),
        ('{"a": 1, "a": 2}', "has 'a' more than once -> write each key once"),
        ('{' + ','.join(f'"{i}": 0' for i in range(2000)) + '}', 'more than 1000 keys'),
    ],
)
def test_faults(file, text, message):
    with pytest.raises(DataError, match=message):
        find(file, text)


def test_an_empty_object_has_none(file):
    assert find(file, '{ }') == {}


@pytest.mark.parametrize('value', ['NaN', '[Infinity]', '[1 2]', 'nul'])
def test_a_short_value_is_read_strictly(file, value):
    (span,) = find(file, f'{{"a": {value}}}').values()
    with pytest.raises(DataError, match='is not json from byte 6'):
        read_value(str(file), span)
