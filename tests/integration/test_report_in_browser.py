"""The report in a real browser: it renders, works, stays silent and stays inside."""

import shutil
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / 'unit' / 'analysis' / 'report'))

from report_worlds import full_report, long_names  # noqa: E402

from hpemap_mm.analysis.report import write_report  # noqa: E402

BROWSERS = ('chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable')
DESKTOP = {'width': 1280, 'height': 900}
PHONE = {'width': 360, 'height': 740}


@pytest.fixture(scope='module')
def browser():
    playwright = pytest.importorskip('playwright.sync_api', reason='playwright is not installed')
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        pytest.skip(f'no browser: none of {", ".join(BROWSERS)} is on PATH (`make browser`)')
    with playwright.sync_playwright() as started:
        # Root, as in containers, has no sandbox; shared memory is small there.
        arguments = ['--no-sandbox', '--disable-dev-shm-usage']
        chromium = started.chromium.launch(executable_path=found, args=arguments)
        yield chromium
        chromium.close()


@pytest.fixture(scope='module')
def report_url(tmp_path_factory):
    return write_report(tmp_path_factory.mktemp('report') / 'report.html', full_report()).as_uri()


@pytest.fixture
def open_page(browser, report_url):
    """Opens the report; at the end, nothing was said on the console and nothing left the page."""
    contexts, said, requests = [], [], []

    def open_it(viewport=DESKTOP, **options):
        context = browser.new_context(viewport=viewport, **options)
        context.set_default_timeout(10_000)
        contexts.append(context)
        page = context.new_page()
        page.on('console', lambda message: said.append(message.text))
        page.on('pageerror', lambda error: said.append(str(error)))
        page.on('request', lambda request: requests.append(request.url))
        page.goto(report_url)
        return page

    yield open_it
    for context in contexts:
        context.close()
    assert said == []
    assert requests
    assert [u for u in requests if u != report_url and not u.startswith('data:')] == []


def until(page, condition):
    """Wait for a condition; playwright's own waiting evaluates text, which the policy forbids."""
    for _ in range(100):
        if page.evaluate(condition):
            return
        page.wait_for_timeout(50)
    pytest.fail(f'never true: {condition}')


def sorted_column(page, table, column):
    cells = table.locator(f'tbody td:nth-child({column})')
    return [cell.get_attribute('data-v') for cell in cells.all()]


@pytest.mark.parametrize('scheme', ['light', 'dark'])
@pytest.mark.parametrize('viewport', [DESKTOP, PHONE], ids=['desktop', 'phone'])
def test_everything_is_drawn(open_page, viewport, scheme):
    page = open_page(viewport, color_scheme=scheme)

    for kind in ('matrix', 'bars-block', 'offsets', 'clouds', 'table', 'pictures'):
        box = page.locator(f'.block.{kind}').first.bounding_box()
        assert box['width'] > 250 and box['height'] > 100, kind
    sizes = page.evaluate('[...document.images].map((image) => image.naturalWidth)')
    assert len(sizes) == 13 and min(sizes) > 0
    assert page.locator('.panel svg').count() == 16
    # What belongs on one line is on one line: its text, as a cell is as high as its row, whose
    # heading may take two where fonts are wide.
    short = '.ticks span, .bar .value, .heat .v, .heat td[style] small, .small td:not(.text)'
    heights = page.evaluate(
        """selector => [...document.querySelectorAll(selector)].map(element => {
            const text = document.createRange();
            text.selectNodeContents(element);
            return text.getBoundingClientRect().height;
        })""",
        short,
    )
    assert len(heights) > 300 and max(heights) < 30
    assert page.locator('.drawing .arrow .head').first.bounding_box()['height'] > 2


def test_the_page_never_scrolls_sideways(open_page):
    for width in (320, 360, 412, 768, 1024, 1920):
        page = open_page({'width': width, 'height': 740})
        for details in page.locator('details').all():
            details.evaluate('(element) => { element.open = true; }')
        page.locator('.heat a:visible').nth(1).click()

        assert page.evaluate('document.documentElement.scrollWidth') <= width


def test_long_names_never_widen_the_page(browser, tmp_path):
    page = browser.new_page(viewport=PHONE)
    page.goto(write_report(tmp_path / 'long.html', long_names()).as_uri())
    for details in page.locator('details').all():
        details.evaluate('(element) => { element.open = true; }')
    page.locator('.heat a').first.click()

    assert page.locator('.pane').is_visible()
    assert page.evaluate('document.documentElement.scrollWidth') <= PHONE['width']
    page.close()


def test_wide_tables_scroll_inside(open_page):
    page = open_page(PHONE)
    region = page.locator('.table .scroll')
    inner, outer = region.evaluate('(e) => [e.scrollWidth, e.clientWidth]')

    assert inner > outer
    # Regions that scroll can be reached and moved with the keyboard.
    region.focus()
    page.keyboard.press('ArrowRight')
    until(page, "document.querySelector('.table .scroll').scrollLeft > 0")


def test_dark_mode_is_dark_and_light_mode_is_light(open_page):
    def brightness(scheme):
        page = open_page(color_scheme=scheme)
        colours = page.evaluate(
            "[['body', 'backgroundColor'], ['h1', 'color'], ['.heat td[style]', 'backgroundColor']]"
            '.map(([s, key]) => getComputedStyle(document.querySelector(s))[key])'
        )
        return [
            sum(int(v) for v in colour.strip('rgb()').split(',')) / 3 for colour in colours
        ], colours[2]

    (paper, ink), cell = brightness('light')[0][:2], brightness('light')[1]
    (dark_paper, dark_ink), dark_cell = brightness('dark')[0][:2], brightness('dark')[1]

    assert paper > 240 and ink < 60
    assert dark_paper < 40 and dark_ink > 200
    assert cell != dark_cell


def test_the_metric_switches(open_page):
    page = open_page()
    first = page.locator('.heat:visible')

    assert first.count() == 1
    assert page.locator('.key b:visible').inner_text() == 'PCKh@0.5'
    values = page.locator('.heat:visible .v').all_inner_texts()
    page.get_by_role('radio', name='AP').check()
    assert page.locator('.key b:visible').inner_text() == 'AP'
    assert page.locator('.heat:visible').count() == 1
    assert page.locator('.heat:visible .v').all_inner_texts() != values
    # Radio buttons: the arrow keys move the choice.
    page.keyboard.press('ArrowRight')
    assert page.locator('.key b:visible').inner_text() == 'mean error'


def test_a_cell_shows_its_details(open_page):
    page = open_page()
    cell = page.locator('.heat:visible a[aria-label^="coco on mpii_val"]')
    pane = page.locator('.pane')

    assert not pane.is_visible()
    cell.click()
    text = pane.inner_text()
    assert 'coco on mpii_val' in text and 'right_ankle' in text and 'derived' in text
    assert pane.locator('.bars:visible').count() == 1
    assert cell.get_attribute('aria-current') == 'true'
    page.get_by_role('radio', name='AP').check()
    assert 'AP by joint' in pane.inner_text() and 'PCKh@0.5 by joint' not in pane.inner_text()
    pane.locator('.close').click()
    assert not pane.is_visible()

    # By keyboard, and an empty cell says why.
    page.locator('.heat:visible .empty a').last.focus()
    page.keyboard.press('Enter')
    assert 'no joint of face68 is one of lspet_val' in pane.inner_text()


def test_hovering_tells_joints_persons_and_interval(open_page):
    page = open_page()
    page.locator('.heat:visible a[aria-label^="mpii on mpii_val"]').hover()
    tip = page.locator('#tip')

    assert tip.is_visible()
    assert '16 of 16 joints' in tip.inner_text() and 'persons' in tip.inner_text()
    box = tip.bounding_box()
    assert box['x'] >= 0 and box['x'] + box['width'] <= DESKTOP['width']
    page.keyboard.press('Escape')
    assert not tip.is_visible()


def test_a_finger_opens_a_cell_and_a_bar(open_page):
    page = open_page(PHONE, has_touch=True, is_mobile=True)
    page.locator('.heat:visible a[aria-label^="coco on mpii_val"]').tap()
    assert page.locator('.pane').is_visible()
    page.locator('.bars-block .bar[data-tip]').first.tap()
    assert '95% interval' in page.locator('#tip').inner_text()


def test_tables_sort_by_click_and_by_keyboard(open_page):
    page = open_page()
    table = page.locator('.table .sortable')
    before = sorted_column(page, table, 1)
    rows = table.locator('tbody tr').all_inner_texts()

    jitter = table.locator('th button', has_text='jitter')
    jitter.click()
    values = [float(v) for v in sorted_column(page, table, 3)]
    assert values == sorted(values, reverse=True)
    assert table.locator('th[aria-sort=descending]').inner_text() == 'jitter'
    jitter.click()
    assert [float(v) for v in sorted_column(page, table, 3)] == sorted(values)
    assert table.locator('th[aria-sort=ascending]').inner_text() == 'jitter'

    joint = table.locator('th button', has_text='joint')
    joint.focus()
    page.keyboard.press('Enter')
    assert sorted_column(page, table, 1) == sorted(before)
    page.keyboard.press('Space')
    assert sorted_column(page, table, 1) == sorted(before, reverse=True)
    assert table.locator('th:not([aria-sort=none])').count() == 1
    # Rows moved whole.
    assert sorted(table.locator('tbody tr').all_inner_texts()) == sorted(rows)


def test_pictures_open_at_full_size(open_page):
    page = open_page()
    page.locator('.enlarge[aria-label*="aic_val 000031.jpg"]').click()
    dialog = page.locator('dialog')

    assert dialog.is_visible()
    assert dialog.locator('img').evaluate('(i) => [i.width, i.naturalWidth]') == [1280, 1280]
    assert 'aic_val 000031.jpg' in dialog.inner_text()
    page.keyboard.press('Escape')
    assert not dialog.is_visible()


def test_the_contents_lead_to_sections_and_unfold_them(open_page):
    page = open_page()
    page.locator('nav a', has_text='Pictures').click()
    until(page, "document.querySelector('#section-6').getBoundingClientRect().top < 200")
    page.locator('nav a', has_text='About').click()
    until(page, "document.querySelector('#about details').open")
    assert page.locator('#about pre').first.is_visible()


def test_the_page_reads_without_a_script(open_page):
    page = open_page(java_script_enabled=False)

    assert page.locator('.heat:visible').count() == 1
    page.get_by_role('radio', name='AP').check()
    assert page.locator('.key b:visible').inner_text() == 'AP'
    assert page.locator('.bars-block .bar').first.is_visible()
    assert page.locator('.drawing svg').is_visible()
    # A cell leads to its details, which unfold.
    page.locator('.heat:visible a').nth(1).click()
    assert page.locator('.cells .cell-details').nth(1).is_visible()


def test_the_policy_keeps_everything_inside(browser, report_url):
    # On a page of its own: here the console does speak.
    page = browser.new_page()
    page.goto(report_url)
    refused = page.evaluate(
        """async () => {
          const refused = [];
          addEventListener('securitypolicyviolation', (e) => refused.push(e.effectiveDirective));
          const picture = new Image();
          const loaded = new Promise((done) => { picture.onload = picture.onerror = done; });
          picture.src = 'https://example.invalid/pixel.png';
          await loaded;
          await fetch('https://example.invalid/').catch(() => {});
          const script = document.createElement('script');
          script.textContent = 'window.ran = true';
          document.body.append(script);
          await new Promise((done) => setTimeout(done));
          return [...refused, window.ran === true];
        }"""
    )
    page.close()

    assert refused == ['img-src', 'connect-src', 'script-src-elem', False]
