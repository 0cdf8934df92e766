"""The page that shows images that are in two places."""

import json
import re

import cv2
import numpy as np
import pytest

from hpemap_mm.analysis.report import About
from hpemap_mm.datasets.duplicates import Duplicates, Member, Pair, Place
from hpemap_mm.engine.duplicates_report import answer, write_duplicates_report


def member(text: str) -> Member:
    return Member(*text.split('/'))


def pair(first: str, second: str, kind: str, score: float) -> Pair:
    return Pair(member(first), member(second), kind, 3, score)


@pytest.fixture
def world(tmp_path):
    """Images of two entries, and what was found in them."""
    files = {}
    for place, count in ((('train', 'a'), 6), (('val', 'b'), 3)):
        files[place] = {}
        for i in range(count):
            path = tmp_path / f'{place[1]}{i}.png'
            cv2.imwrite(str(path), np.full((30 + 10 * i, 50, 3), 20 * i + 40, np.uint8))
            files[place][f'{i}.png'] = str(path)
    found = Duplicates(
        places=(Place('train', 'a', 'x', 6, ''), Place('val', 'b', 'y', 3, '')),
        pairs=(
            pair('train/a/0.png', 'val/b/0.png', 'mirrored', 0.97),
            pair('train/a/1.png', 'train/a/2.png', 'near', 0.99),
            pair('train/a/3.png', 'train/a/4.png', 'exact', 1.0),
        ),
        groups=tuple(
            tuple(map(member, group.split()))
            for group in (
                'train/a/0.png val/b/0.png',
                'train/a/1.png train/a/2.png',
                'train/a/3.png train/a/4.png',
            )
        ),
        alike=(pair('train/a/5.png', 'val/b/1.png', 'near', 0.75),),
        unreadable={member('val/b/2.png'): 'is empty <0 bytes>'},
        within=True,
    )
    return found, files


def test_the_page_shows_the_pairs_and_needs_no_network(world, tmp_path):
    found, files = world
    told = []
    path = write_duplicates_report(
        tmp_path / 'report.html',
        found,
        files,
        each=5,
        about=About(command='a test'),
        progress=lambda *args: told.append(args),
    )
    page = path.read_text()
    assert page.count('src="data:image/jpeg;base64,') == 4
    assert not re.search(r'(src|href)="(?!data:|#|report\.json)', page)
    headings = re.findall(r'<h2>.*?</span>(.*?)</h2>', page)
    assert headings[:5] == [
        'How many, and where',
        'In training and in evaluation',
        'The same bytes',
        'Nearly the same',
        'Alike, but not counted',
    ]
    assert 'is empty &lt;0 bytes&gt;' in page
    assert told[-1] == ('drawing', 4, 4)
    figures = json.dumps(json.loads((tmp_path / 'report.json').read_text()))
    assert 'LEAK' in figures
    assert '1 images of training entry' in figures


def test_of_many_pairs_the_least_alike_and_some_others_are_shown(world, tmp_path):
    found, files = world
    pairs = tuple(
        pair(f'train/a/{i}.png', f'train/a/{j}.png', 'near', 0.95 + 0.001 * (6 * i + j))
        for i in range(6)
        for j in range(i)
    )
    many = Duplicates(places=found.places, pairs=pairs, groups=found.groups)
    path = write_duplicates_report(tmp_path / 'r.html', many, files, each=4, about=About())
    page = path.read_text()
    assert page.count('src="data:image/jpeg;base64,') == 4
    assert '15 pairs, of which 4 are shown.' in page
    assert 'correlation 0.956' in page  # the least alike
    assert '>The worst<' in page and '>At random<' in page


def test_an_image_that_has_gone_is_a_grey_panel(world, tmp_path):
    found, files = world
    files['train', 'a']['0.png'] = str(tmp_path / 'gone.png')
    write_duplicates_report(tmp_path / 'r.html', found, files, each=5, about=About())


def test_the_answer_says_whether_anything_leaks(world):
    found, _ = world
    assert answer(found) == (
        '1 training image is evaluated on, too. Of 9 images of 2 entries, 3 repeat another one, '
        'in 3 groups.'
    )
    clean = Duplicates(places=found.places, groups=found.groups[1:2])
    assert answer(clean).startswith('No training image is evaluated on. Of 9 images of 2 entries, ')
    assert answer(Duplicates(places=found.places)) == (
        'No image of 9 images of 2 entries was found twice.'
    )
