"""Columns, json, counts, shards and their merging: by hand, and read back by others' readers."""

import json
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from mmpose.datasets import CocoDataset
from pycocotools.coco import COCO

sys.path.insert(0, str(Path(__file__).parent))

from completion_worlds import predicted, write_world  # noqa: E402

from hpemap_mm.completion.columns import (  # noqa: E402
    CompletedPersons,
    annotation_rows,
    points_of,
    schema,
    to_table,
)
from hpemap_mm.completion.completer import CompletedBatch, Completer  # noqa: E402
from hpemap_mm.completion.ensemble import Ensemble  # noqa: E402
from hpemap_mm.completion.finishing import Task, workshop_for  # noqa: E402
from hpemap_mm.completion.index import EntryIndex  # noqa: E402
from hpemap_mm.completion.merging import (  # noqa: E402
    merge_skeleton,
    merge_table,
    merge_tallies,
    merge_unread,
)
from hpemap_mm.completion.person_rows import PersonRows  # noqa: E402
from hpemap_mm.completion.plan import Plan  # noqa: E402
from hpemap_mm.completion.predicting import arrays_of  # noqa: E402
from hpemap_mm.completion.reading import read_entries  # noqa: E402
from hpemap_mm.completion.tally import BINS, STEP, Doubt, Tally, median_of  # noqa: E402
from hpemap_mm.errors import DataError  # noqa: E402
from hpemap_mm.persons.completed import CompletedJoints  # noqa: E402
from hpemap_mm.persons.provenance import (  # noqa: E402
    DERIVED,
    GT,
    NONE,
    PREDICTED,
    PROVENANCE,
    SOURCES,
)
from hpemap_mm.skeletons import get_skeleton  # noqa: E402

SKELETONS = ('coco', 'mpii', 'lsp')


def rows(count=2, joints=17, **more):
    """Persons whose joints are at (k + 0.123, 2 k), of whom only the first two are annotated."""
    points = np.full((count, joints, 2), np.nan)
    points[:, :2] = np.array([[0.123456789, 0.0], [1.25, 2.0]])
    visibility = np.zeros((count, joints), np.uint8)
    visibility[:, :2] = (1, 2)
    values = {
        'images': np.arange(3, 3 + count),
        'image_sizes': np.full((count, 2), (120, 90), np.int32),
        'paths': tuple(f'/data/images/{i}.jpg' for i in range(count)),
        'source_ids': np.arange(70, 70 + count),
        'boxes': np.full((count, 4), (5, 5, 55, 85), np.float32),
        'centers': np.full((count, 2), np.nan, np.float32),
        'scales': np.full((count, 2), np.nan, np.float32),
        'bboxes': np.full((count, 4), (5, 5, 50.5, 80)),
        'areas': np.array([2000.25, np.nan][:count]),
        'keypoints': points,
        'visibility': visibility,
        **more,
    }
    return PersonRows(**values)


def persons(given=None):
    """The same, completed: a derived, a predicted, and the rest empty."""
    given = given or rows()
    skeleton = get_skeleton('coco')
    count = len(given)
    points = given.keypoints.copy()
    points[:, 2:4] = [[10.006, 20.0], [11.2149, 21.999]]
    codes = np.full((count, 17), NONE, np.uint8)
    codes[:, :4] = (GT, GT, DERIVED, PREDICTED)
    stds = np.full((count, 17), np.nan)
    stds[:, :4] = (0.5, 0.6, 1.23456, 2.0)
    visibility = given.visibility.copy()
    visibility[:, 2:4] = 1
    joints = CompletedJoints(
        skeleton=skeleton, keypoints=points, visibility=visibility, stds=stds, provenance=codes
    )
    nothing = np.full((count, 17, 2), np.nan), np.full((count, 17), np.nan)
    candidates = {'coco': {source: nothing for source in SOURCES}}
    return CompletedPersons(
        first_id=5,
        entry='e',
        skeleton='coco',
        rows=given,
        names=[f'{i}.jpg' for i in range(count)],
        completed=CompletedBatch(joints={'coco': joints}, candidates=candidates),
    )


def test_rows_come_back_from_arrow():
    before = rows()
    after = PersonRows.from_table(before.to_table())
    for name in before.__dataclass_fields__:
        one, other = getattr(before, name), getattr(after, name)
        if name == 'paths':
            assert one == other
        else:
            assert one.dtype == other.dtype and one.shape == other.shape
            np.testing.assert_array_equal(one, other)
    taken = PersonRows.concatenate([before, before]).take(np.array([1, 2]))
    assert taken.paths == ('/data/images/1.jpg', '/data/images/0.jpg')
    assert [len(batch) for batch in PersonRows.concatenate([before, before]).batches(3)] == [3, 1]


def test_a_batch_has_the_sizes_of_the_areas():
    batch = rows().batch(get_skeleton('coco'))
    assert batch.sizes == pytest.approx([np.sqrt(2000.25), np.sqrt(0.53 * 50 * 80)])


def test_annotated_joints_are_written_as_they_are_and_others_rounded():
    (first, second) = annotation_rows(persons(), 'coco')
    assert first['keypoints'][:12] == [
        *(0.123456789, 0, 1),
        *(1.25, 2, 2),
        *(10.01, 20, 1),
        *(11.21, 22, 1),
    ]
    assert first['keypoints'][12:] == [0] * 39
    assert first['keypoints_std'] == [0.5, 0.6, 1.23, 2.0, *[None] * 13]
    assert first['keypoints_provenance'] == [1, 1, 2, 4, *[0] * 13]
    assert first['num_keypoints'] == 4
    assert (first['id'], first['image_id'], second['id'], second['image_id']) == (5, 3, 6, 4)
    assert (first['entry'], first['source_id']) == ('e', 70)
    assert first['bbox'] == [5, 5, 50.5, 80]
    assert first['area'] == 2000.25
    assert second['area'] == pytest.approx(0.53 * 50 * 80)  # what uncertainties refer to
    text = json.dumps(first)
    assert '0.123456789, 0, 1, 1.25, 2, 2' in text  # whole numbers without a point


def test_points_of_another_skeletons_file_are_not_longer():
    assert [len(row) for row in points_of(persons().completed.joints['coco'])] == [51, 51]


def test_the_table_says_what_it_holds():
    wanted = schema(['coco'], max_std=0.05, image_root='../images')
    table = to_table(persons(), wanted)
    about = json.loads(table.schema.metadata[b'hpemap_mm'])
    assert about['provenance'] == list(PROVENANCE)
    assert about['joints']['coco'] == list(get_skeleton('coco').joints)
    row = table.to_pylist()[0]
    assert row['id'] == 5 and row['image'] == '0.jpg' and row['skeleton'] == 'coco'
    assert row['coco_keypoints'][:2] == [0.123456789, 0.0]
    assert np.isnan(row['coco_keypoints'][-1])
    assert row['coco_std'][2] == pytest.approx(1.23456)
    assert len(row['coco_translated']) == 34 and len(row['coco_translated_std']) == 17


# -- counts ---------------------------------------------------------------------------------


def test_the_median_of_bins_is_that_of_the_distances():
    rng = np.random.default_rng(0)
    for count in (1, 2, 7, 1000):
        distances = rng.exponential(0.05, count)
        bins = np.minimum(distances / STEP, BINS - 1).astype(int)
        counts = np.bincount(bins, minlength=BINS)
        low, high = np.sort(distances)[[(count - 1) // 2, count // 2]]
        assert low - STEP <= median_of(counts) <= high + STEP
    assert np.isnan(median_of(np.zeros(BINS, int)))


def tally_of(count=2, first=5):
    given = rows(
        count,
        areas=np.linspace(1000, 2000, count),
        images=np.arange(count),
        source_ids=np.arange(count),
    )
    batch = given.batch(get_skeleton('coco'))
    completer = Completer(skeletons=SKELETONS, max_std=0.05)
    completed = completer.complete(batch)
    own = {'coco': predicted(batch, 'coco')}
    return Tally.of('e', first, batch, completed, own, max_std=0.05)


def test_tallies_add_up(tmp_path):
    total = Tally()
    for part in (tally_of(), tally_of(3, first=7)):
        part.write(tmp_path / 'x.npz')
        total.add(Tally.read(tmp_path / 'x.npz'))
    one, other = tally_of(), tally_of(3, first=7)
    assert total.persons == {'e': 5}
    for name in SKELETONS:
        assert total.joints(name).sum() == 5 * len(get_skeleton(name))
        expected = one.provenance['e', name] + other.provenance['e', name]
        assert (total.provenance['e', name] == expected).all()
    assert total.joints('coco')[:2, GT].tolist() == [5, 5]
    key = ('coco', 'annotated', 'predicted, not anchored')
    assert total.agreement[key][:2].sum(axis=1).tolist() == [5, 5]
    assert total.agreement[key][2:].sum() == 0


def test_only_the_ends_of_the_order_are_kept():
    total = Tally()
    for start in range(0, 100, 10):
        doubts = [Doubt(value=float((37 * i) % 100), id=i) for i in range(start, start + 10)]
        total.add(Tally(surest=sorted(doubts), doubtful=sorted(doubts)[::-1]))
    assert [d.value for d in total.surest] == list(range(24))
    assert [d.value for d in total.doubtful] == list(range(99, 75, -1))


# -- shards and merging ---------------------------------------------------------------------


class Run:
    """Everything between an index and the merged files."""

    def __init__(self, folder, entries, *, shard_size=2, predict=True, completer=None):
        self.folder, self.out = folder, folder / 'out'
        self.out.mkdir(exist_ok=True)
        found, root = read_entries(entries, folder / 'index', shard_size=shard_size)
        self.plan = Plan(fingerprint={}, entries=found, shard_size=shard_size, image_root=root)
        parts = []
        for number, entry in enumerate(found):
            with EntryIndex(folder / 'index', number) as index:
                for part in range(-(-entry.persons // shard_size)):
                    batch = index.shard(part).batch(get_skeleton(entry.skeleton))
                    parts.append((batch, [{n: predicted(batch, n, seed=part) for n in SKELETONS}]))
        self.predictions = [arrays_of([given]) for _, (given,) in parts]
        ensemble = Ensemble.fit(parts) if predict else None
        completer = completer or Completer(
            skeletons=SKELETONS, calibration=ensemble.whole if predict else None, max_std=0.5
        )
        self.workshop = workshop_for(
            self.plan,
            completer,
            ensemble,
            folder=folder / 'shards',
            index=folder / 'index',
            image_root='../data/images',
        )

    def task(self, shard, **more):
        return Task(shard=shard, predictions=[self.predictions[shard.number]], **more)

    def finish(self, **faults):
        for shard in self.plan.shards():
            self.workshop.finish(self.task(shard, faults=faults.get(f's{shard.number}')))

    def merge(self):
        shards = self.workshop.shards
        for name in SKELETONS:
            merge_skeleton(
                name,
                self.plan,
                shards,
                index=self.folder / 'index',
                out=self.out,
                image_root='../data/images',
                max_std=0.5,
            )
        merge_table(self.plan, shards, out=self.out)
        return merge_tallies(self.plan, shards), merge_unread(self.plan, shards, self.out)


@pytest.fixture
def run(tmp_path):
    made = Run(tmp_path, write_world(tmp_path / 'data', coco_persons=25, lsp_persons=20))
    made.finish()
    return made


@pytest.mark.parametrize('name', SKELETONS)
def test_stock_readers_load_every_json(run, name):
    run.merge()
    path = run.out / f'{name}.json'
    dataset = CocoDataset(
        ann_file=str(path),
        metainfo=dict(from_file=f'configs/_base_/datasets/{name}.py')
        if name != 'lsp'
        else get_skeleton('lsp').metainfo(),
        data_root=str(run.out),
        data_prefix=dict(img=json.loads(path.read_text())['info']['hpemap_mm']['image_root']),
        pipeline=[dict(type='mmpose.LoadImage')],
    )
    assert len(dataset) == 45
    assert dataset[0]['img'].shape == (90, 120, 3)
    assert dataset[0]['keypoints'].shape == (1, len(get_skeleton(name)), 2)
    coco = COCO(str(path))
    assert coco.getAnnIds() == list(range(1, 46))
    assert coco.loadCats(1)[0]['keypoints'] == list(get_skeleton(name).joints)


def test_the_files_agree_with_each_other_and_with_the_input(run):
    tally, unread = run.merge()
    assert unread == 0 and not (run.out / 'unread.tsv').exists()
    table = pq.read_table(run.out / 'completed.parquet').to_pylist()
    assert pq.ParquetFile(run.out / 'completed.parquet').num_row_groups == run.plan.shard_count
    assert [row['id'] for row in table] == list(range(1, 46))
    source = json.loads((run.folder / 'data' / 'coco.json').read_text())['annotations']
    by_id = {annotation['id']: annotation for annotation in source}
    for name in SKELETONS:
        content = json.loads((run.out / f'{name}.json').read_text())
        images = {image['id']: image['file_name'] for image in content['images']}
        assert sorted(images.values()) == ['a.png', 'b.png', 'x.png', 'y.png']
        codes = np.array([a['keypoints_provenance'] for a in content['annotations']])
        assert (tally.joints(name)[:, GT] == (codes == GT).sum(axis=0)).all()
        for row, annotation in zip(table, content['annotations'], strict=True):
            assert annotation['id'] == row['id']
            assert images[annotation['image_id']] == row['image']
            points = np.array(annotation['keypoints']).reshape(-1, 3)
            given = np.array(row[f'{name}_keypoints']).reshape(-1, 2)
            provenance = np.array(annotation['keypoints_provenance'])
            assert provenance.tolist() == row[f'{name}_provenance']
            assert points[:, 2].tolist() == row[f'{name}_visibility']
            filled = provenance != NONE
            assert (np.isfinite(given).all(axis=1) == filled).all()
            assert np.abs(points[filled, :2] - given[filled]).max(initial=0) <= 0.00501
            assert [v is None for v in annotation['keypoints_std']] == (~filled).tolist()
            if name == 'coco' and row['entry'] == 'c':
                own = np.array(by_id[row['source_id']]['keypoints']).reshape(-1, 3)
                labelled = own[:, 2] > 0
                assert (points[labelled] == own[labelled]).all()
                assert (provenance[labelled] == GT).all()
                assert (provenance[~labelled] != GT).all()
                assert annotation['bbox'] == by_id[row['source_id']]['bbox']


def test_persons_without_an_image_keep_what_needs_none(tmp_path):
    run = Run(tmp_path, write_world(tmp_path / 'data', coco_persons=25, lsp_persons=20))
    gone = run.predictions[1]
    for points, scores in gone.values():
        points[0], scores[0] = np.nan, np.nan
    run.finish(s1={0: 'the image is missing'})
    _, unread = run.merge()
    assert unread == 1
    lines = (run.out / 'unread.tsv').read_text().splitlines()
    assert lines[0].split('\t') == ['id', 'entry', 'source_id', 'image', 'fault']
    identity, entry, _, image, fault = lines[1].split('\t')
    assert (identity, entry, fault) == ('3', 'c', 'the image is missing')
    assert image.endswith('a.png')
    codes = {
        name: json.loads((run.out / f'{name}.json').read_text())['annotations'][2][
            'keypoints_provenance'
        ]
        for name in SKELETONS
    }
    assert GT in codes['coco'] and DERIVED in codes['lsp']
    assert all(PREDICTED not in own for own in codes.values())


def test_a_shard_is_written_once_and_whole(run, tmp_path):
    shard = next(run.plan.shards())
    path = run.workshop.shards.path(shard)
    before = {file.name: file.read_bytes() for file in path.iterdir()}
    stale = run.workshop.shards.folder / f'.{shard.name}.99999'
    stale.mkdir()
    (stale / 'persons.parquet').write_bytes(b'half')
    run.workshop.finish(run.task(shard))  # as a second process that was slower
    assert {file.name: file.read_bytes() for file in path.iterdir()} == before
    assert not list(run.workshop.shards.folder.glob('.*'))
    assert run.workshop.shards.missing(run.plan.shards()) == []


def test_a_process_that_is_no_longer_wanted_gives_no_name(tmp_path):
    run = Run(tmp_path, write_world(tmp_path / 'data', coco_persons=25, lsp_persons=20))
    shard = next(run.plan.shards())
    run.workshop.finish(run.task(shard), alive=lambda: False)
    assert shard in run.workshop.shards.missing(run.plan.shards())


def test_a_part_that_is_gone_is_told(run):
    shard = list(run.plan.shards())[2]
    (run.workshop.shards.path(shard) / 'mpii.json').unlink()
    with pytest.raises(DataError, match=r'mpii\.json: a part that was written is gone') as error:
        run.merge()
    assert str(run.workshop.shards.path(shard)) in error.value.problems[0].fix
    assert not (run.out / 'mpii.json').exists()


def test_bytes_do_not_depend_on_the_order_of_the_shards(run, tmp_path):
    run.merge()
    other = Run.__new__(Run)
    other.__dict__.update(run.__dict__, out=tmp_path / 'other')
    other.out.mkdir()
    other.workshop = workshop_for(
        run.plan,
        run.workshop.completer,
        run.workshop.ensemble,
        folder=tmp_path / 'more',
        index=run.folder / 'index',
        image_root='../data/images',
    )
    for shard in reversed(list(run.plan.shards())):
        other.workshop.finish(run.task(shard))
    other.merge()
    for file in run.out.iterdir():
        assert (other.out / file.name).read_bytes() == file.read_bytes(), file.name
