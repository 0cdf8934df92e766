from hpemap_mm.datasets import inspect_entry


def test_a_sound_entry(world):
    report = inspect_entry('coco_train', world.entry('coco'))
    assert (report.name, report.skeleton, report.joints) == ('coco_train', 'coco', 17)
    assert report.problems == ()
    assert (report.facts.kind, report.facts.persons) == ('coco', 3)


def test_faults_are_found_not_raised(world):
    (world.images / '001.jpg').unlink()
    report = inspect_entry('mpii', world.entry('mpii'))
    assert report.facts.persons == 3
    assert ['1 of 2 images' in p.what for p in report.problems] == [True]
    assert inspect_entry('mpii', world.entry('mpii'), check_images=False).problems == ()


def test_configs_that_cannot_be_built(world):
    for cfg, says in [
        (world.entry('coco', type='KokoDataset'), 'KokoDataset'),
        ({**world.entry('coco'), 'skeleton': 'koko'}, "unknown skeleton 'koko'"),
        ({}, "has no 'dataset'"),
    ]:
        report = inspect_entry('e', cfg)
        assert report.facts is None
        assert [says in p.what for p in report.problems] == [True]


def test_pipelines_are_not_its_business(world):
    cfg = {**world.entry('coco'), 'pipeline': [{'type': 'NoSuchTransform'}]}
    assert inspect_entry('e', cfg).problems == ()
