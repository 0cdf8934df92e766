import base64
import dataclasses
import hashlib
import json
from html.parser import HTMLParser

import pytest
from report_worlds import full_report

from hpemap_mm.analysis.report import About, Flag, Report, Section, render, write_report
from hpemap_mm.analysis.report.markup import _VOID

ATTACK = '"\'><script>alert(1)</script><img src=x onerror=alert(1)>&amp;</style>'


class Page(HTMLParser):
    """Checks that tags are closed in order, and collects what is there."""

    def __init__(self, html):
        super().__init__()
        self.open, self.tags, self.attributes, self.scripts = [], [], [], []
        self.texts = []
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, name, value) for name, value in attrs]
        names = [name for name, _ in attrs]
        assert len(set(names)) == len(names), f'<{tag}> has an attribute twice: {names}'
        if tag not in _VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        (self.scripts if self.open[-1:] == ['script'] else self.texts).append(data)

    def values(self, name):
        return [value for _, key, value in self.attributes if key == name]


@pytest.fixture(scope='module')
def page():
    return Page(render(full_report(), json_name='full.json'))


def test_the_page_is_well_formed(page):
    ids = page.values('id')

    assert len(set(ids)) == len(ids)
    targets = [value[1:] for value in page.values('href') if value.startswith('#')]
    assert targets and set(targets) <= set(ids)
    assert page.tags.count('h1') == 1
    assert all(alt for alt in page.values('alt')) and page.values('alt')


def test_nothing_is_fetched(page):
    addresses = page.values('src') + page.values('href')

    assert all(a.startswith(('data:', '#')) or a == 'full.json' for a in addresses)
    assert not {'iframe', 'object', 'embed', 'form', 'base', 'audio', 'video'} & set(page.tags)
    html = render(full_report())
    assert 'http' not in html.replace('http-equiv', '')
    assert 'url(' not in html and '@import' not in html


def test_the_policy_allows_this_script_only(page):
    (policy,) = [v for v in page.values('content') if 'default-src' in v]
    digest = base64.b64encode(hashlib.sha256(''.join(page.scripts).encode()).digest()).decode()

    assert "default-src 'none'" in policy
    assert f"script-src 'sha256-{digest}'" in policy
    assert page.tags.count('script') == 1


def attacked(value):
    """The same data with hostile text wherever text is free."""
    if isinstance(value, str):
        fixed = {'warning', 'note', 'best', 'worst', 'random', 'same', 'near', 'derived', 'none'}
        fixed |= {'text', 'number', 'percent', '%'}
        return value if value in fixed or not value else value + ATTACK
    if dataclasses.is_dataclass(value):
        fields = {f.name: attacked(getattr(value, f.name)) for f in dataclasses.fields(value)}
        return type(value)(**fields)
    if isinstance(value, tuple):
        return tuple(attacked(item) for item in value)
    if hasattr(value, 'items'):
        return {attacked(key): attacked(item) for key, item in value.items()}
    return value


def test_hostile_names_stay_text(page):
    hostile = Page(render(attacked(full_report()), json_name=f'x{ATTACK}.json'))

    assert hostile.scripts == page.scripts
    # More places where a long name may be broken, nothing else.
    tags = [[t for t in p.tags if t != 'wbr'] for p in (hostile, page)]
    assert tags[0] == tags[1]
    assert {n for _, n, _ in hostile.attributes} == {n for _, n, _ in page.attributes}
    assert not [name for _, name, _ in hostile.attributes if name.startswith('on')]
    assert ''.join(hostile.texts).count(ATTACK) > 100


def test_the_page_says_what_the_report_says(page):
    report = full_report()
    text = ''.join(page.texts)

    assert report.title in text and report.answer in text
    for section in report.sections:
        assert section.title in text
        for block in section.blocks:
            assert block.title in text
    for flag in report.flags:
        assert flag.text in text
    assert report.about.command in text and report.about.config in text


def test_figures_and_tables_are_numbered_in_order(page):
    text = ''.join(page.texts)
    places = [text.index(f'Figure {i}') for i in range(1, 7)]

    assert places == sorted(places)
    assert 'Table 1' in text and 'Table 2' not in text


@pytest.mark.parametrize(
    ('date', 'shown'),
    [
        ('2026-01-05', '2026-01-05'),
        ('2026-01-05T09:38:25+00:00', '2026-01-05 09:38 UTC'),
        ('2026-01-05T09:38:25', '2026-01-05 09:38'),
        ('in winter', 'in winter'),
    ],
)
def test_dates_are_shown_to_the_minute(date, shown):
    page = Page(render(Report(title='t', about=About(date=date))))

    assert any(text.endswith(f'\N{MIDDLE DOT} {shown}') for text in page.texts)


def test_the_same_report_gives_the_same_page():
    assert render(full_report()) == render(full_report())


def test_a_report_of_nothing_is_a_page():
    page = Page(render(Report(title='Empty')))

    assert 'Empty' in ''.join(page.texts)


def test_sections_can_be_folded():
    report = Report(title='r', sections=[Section(title='s', folded=True, flags=[Flag('f')])])
    page = Page(render(report))

    assert page.tags.count('details') == 2  # and the one about the report
    with pytest.raises(ValueError, match='level'):
        Flag('f', 'error')


def test_page_and_figures_are_written(tmp_path):
    path = write_report(tmp_path / 'new' / 'report.html', full_report())

    assert path == tmp_path / 'new' / 'report.html'
    assert path.read_text(encoding='utf-8') == render(full_report(), json_name='report.json')
    figures = json.loads((tmp_path / 'new' / 'report.json').read_text(encoding='utf-8'))
    assert figures['title'] == full_report().title
    assert sorted(p.name for p in path.parent.iterdir()) == ['report.html', 'report.json']


def test_a_report_that_cannot_be_written_leaves_the_old_one(tmp_path):
    path = write_report(tmp_path / 'report.html', Report(title='old'))
    before = path.read_bytes()
    broken = Report(title='new', sections=[Section(title='s', blocks=['no block'])])

    with pytest.raises(TypeError, match="'no block' is no block"):
        write_report(path, broken)

    assert path.read_bytes() == before
    assert '"old"' in path.with_suffix('.json').read_text(encoding='utf-8')
    with pytest.raises(ValueError, match=r'\.html'):
        write_report(tmp_path / 'report.pdf', Report(title='x'))


def test_names_that_are_no_unicode_are_written(tmp_path):
    # What Python makes of a file name that is not UTF-8.
    about = About(files={'truth': b'caf\xe9.json'.decode('utf-8', 'surrogateescape')})
    path = write_report(tmp_path / 'r.html', Report(title='t', about=about))

    assert b'caf?.<wbr>json' in path.read_bytes()
    json.loads(path.with_suffix('.json').read_bytes())


def test_the_wheel_carries_style_and_script(project_root):
    folder = project_root / 'hpemap_mm' / 'analysis' / 'report'
    others = {p.suffix for p in folder.iterdir() if p.is_file()} - {'.py'}
    setup = (project_root / 'setup.py').read_text(encoding='utf-8')

    assert others == {'.css', '.js'}
    for suffix in others:
        assert f"'**/*{suffix}'" in setup
