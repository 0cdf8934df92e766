import numpy as np
import pytest

from hpemap_mm.apis import pretrained_translator
from hpemap_mm.completion.anchoring import ErrorField
from hpemap_mm.completion.calibration import HeadCalibration, PredictionCalibration
from hpemap_mm.completion.candidates import PersonBatch, Predicted
from hpemap_mm.completion.completer import Completer
from hpemap_mm.completion.fusion import CORRELATION
from hpemap_mm.completion.links import Link
from hpemap_mm.persons.provenance import DERIVED, FUSED, GT, NONE, PREDICTED, TRANSLATED
from hpemap_mm.skeletons import annotator_stds, correspondences, get_skeleton
from hpemap_mm.translators.affine import AffineTranslator

COCO, MPII, LSP = (get_skeleton(name) for name in ('coco', 'mpii', 'lsp'))


def persons(skeleton=COCO, count=8, seed=0, missing=()):
    """Persons of 150 px whose joints lie anywhere."""
    rng = np.random.default_rng(seed)
    visibility = rng.integers(1, 3, (count, len(skeleton))).astype(np.uint8)
    visibility[:, [skeleton.index(joint) for joint in missing]] = 0
    keypoints = rng.uniform(20, 220, (count, len(skeleton), 2))
    keypoints[visibility == 0] = np.nan
    return PersonBatch(
        skeleton=skeleton,
        keypoints=keypoints,
        visibility=visibility,
        bboxes=np.tile([10.0, 10, 230, 230], (count, 1)),
        sizes=np.full(count, 150.0),
    )


def calibration(*skeletons, std=0.02, share=0.9):
    heads = {
        skeleton.name: HeadCalibration(
            skeleton=skeleton.name,
            scores=np.array([0.0, 1.0]),
            scales=np.array([10 * std, std]),
            gains=np.ones(len(skeleton)),
            count=1000,
        )
        for skeleton in skeletons
    }
    link = Link(field=ErrorField(share=share, reach=0.3), gain=1.0)
    links = {own: dict.fromkeys(heads, link) for own in heads}
    return PredictionCalibration(heads=heads, links=links)


def predicted(skeleton, points, score=1.0):
    return Predicted(
        skeleton=skeleton, keypoints=points, scores=np.full(points.shape[:2], float(score))
    )


def anywhere(skeleton, count=8, seed=1):
    return np.random.default_rng(seed).uniform(20, 220, (count, len(skeleton), 2))


def test_the_annotation_is_kept_to_the_bit():
    batch = persons(missing=['left_wrist', 'nose'])
    completer = Completer(skeletons=['coco'], calibration=calibration(COCO))
    found = completer.complete(batch, {'coco': predicted(COCO, anywhere(COCO))}).joints['coco']
    given = batch.labelled
    np.testing.assert_array_equal(found.keypoints[given], batch.keypoints[given])
    np.testing.assert_array_equal(found.visibility[given], batch.visibility[given])
    assert (found.provenance[given] == GT).all()
    np.testing.assert_allclose(found.stds[0], 150 * annotator_stds(COCO), rtol=1e-12, atol=9)
    # What the dataset did not annotate comes from the model, and is marked so.
    for joint in ('left_wrist', 'nose'):
        place = COCO.index(joint)
        assert (found.provenance[:, place] == PREDICTED).all()
        assert (found.visibility[:, place] == 1).all()


def test_what_the_ontology_says_exactly_is_derived():
    batch = persons(MPII, missing=['left_knee'])
    found = Completer(skeletons=['coco', 'lsp']).complete(batch).joints
    for name, skeleton in (('coco', COCO), ('lsp', LSP)):
        for place, record in enumerate(correspondences(MPII, skeleton, near=False)):
            exact = record.exact and record.relation in ('same', 'derived')
            here = exact and record.joint != 'left_knee'
            assert (found[name].provenance[:, place] == (DERIVED if here else NONE)).all()
            if here:
                expected = np.einsum(
                    'nsx,s->nx', batch.keypoints[:, list(record.sources)], record.weights
                )
                np.testing.assert_array_equal(found[name].keypoints[:, place], expected)
    assert (found['coco'].provenance == DERIVED).sum() > 0


def test_doubtful_relations_are_not_derived():
    """COCO's hips are not MPII's: without a translator or a model they stay empty."""
    found = Completer(skeletons=['mpii']).complete(persons()).joints['mpii']
    assert (found.provenance[:, MPII.index('left_hip')] == NONE).all()
    assert np.isnan(found.keypoints[:, MPII.index('head_top')]).all()


def test_a_translator_fills_what_it_knows():
    translator = pretrained_translator('coco', 'mpii')
    batch = real_looking(8)
    found = Completer(skeletons=['mpii'], translators=[translator], max_std=1.0).complete(batch)
    top = MPII.index('head_top')
    answer = translator.translate(batch.keypoints)
    assert (found.joints['mpii'].provenance[:, top] == TRANSLATED).all()
    np.testing.assert_array_equal(found.joints['mpii'].keypoints[:, top], answer.keypoints[:, top])
    np.testing.assert_allclose(found.joints['mpii'].stds[:, top], answer.sigmas[:, top])
    assert set(found.candidates['mpii']) == {'derived', 'translated', 'predicted'}


def real_looking(count):
    """Standing persons, so that translators trained on people say something sensible."""
    standing = dict(
        nose=(100, 40), eye=(6, 34), ear=(12, 38), shoulder=(30, 70), elbow=(38, 105),
        wrist=(36, 135), hip=(18, 140), knee=(18, 185), ankle=(18, 225),
    )  # fmt: skip
    points = []
    for joint in COCO.joints:
        side, _, stem = joint.partition('_')
        x, y = standing[stem or joint]
        sign = {'left': 1, 'right': -1}.get(side)
        points.append((100 + sign * x if sign else x, y))
    keypoints = np.array(points, float) + np.random.default_rng(0).normal(
        scale=2, size=(count, len(COCO), 2)
    )
    return PersonBatch(
        skeleton=COCO,
        keypoints=keypoints,
        visibility=np.full(keypoints.shape[:2], 2, np.uint8),
        bboxes=np.tile([50.0, 20, 150, 240], (count, 1)),
        sizes=np.full(count, 100.0),
    )


def test_translator_and_model_are_fused_by_their_uncertainties():
    translator = pretrained_translator('coco', 'mpii')
    batch = real_looking(8)
    answer = translator.translate(batch.keypoints)
    model = predicted(MPII, answer.keypoints + 1.0)
    completer = Completer(
        skeletons=['mpii'], translators=[translator], calibration=calibration(MPII), max_std=1.0
    )
    found = completer.complete(batch, {'mpii': model})
    joints, top = found.joints['mpii'], MPII.index('head_top')
    assert (joints.provenance[:, top] == FUSED).all()
    (point_t, std_t), (point_p, std_p) = (
        (points[:, top], stds[:, top])
        for points, stds in (found.candidates['mpii'][s] for s in ('translated', 'predicted'))
    )
    common = CORRELATION * std_t * std_p
    share = ((std_t**2 - common) / (std_t**2 + std_p**2 - 2 * common))[:, None]
    expected = share * point_p + (1 - share) * point_t
    np.testing.assert_allclose(joints.keypoints[:, top], expected)
    assert (joints.stds[:, top] < np.minimum(std_t, std_p) + 1e-9).all()


def test_what_is_derived_is_kept_as_it_is():
    """A wrist is a wrist: neither translator nor model moves what an annotator has clicked."""
    translator = pretrained_translator('coco', 'mpii')
    batch = real_looking(8)
    model = predicted(MPII, translator.translate(batch.keypoints).keypoints + 1.0)
    given = dict(
        skeletons=['mpii'], translators=[translator], calibration=calibration(MPII), max_std=1.0
    )
    found = Completer(**given).complete(batch, {'mpii': model})
    joints, wrist = found.joints['mpii'], MPII.index('left_wrist')
    clicked = batch.keypoints[:, COCO.index('left_wrist')]
    assert (joints.provenance[:, wrist] == DERIVED).all()
    np.testing.assert_array_equal(joints.keypoints[:, wrist], clicked)
    # Unless the translator is trusted to know better; the model still is not asked.
    weighed = Completer(**given, keep_derived=False).complete(batch, {'mpii': model})
    joints = weighed.joints['mpii']
    assert (joints.provenance[:, wrist] == FUSED).all()
    translated, stds = (value[:, wrist] for value in weighed.candidates['mpii']['translated'])
    share = np.linalg.norm(joints.keypoints[:, wrist] - clicked, axis=-1) / np.linalg.norm(
        translated - clicked, axis=-1
    )
    assert ((share > 0) & (share < 1)).all()
    alone = Completer(**{**given, 'calibration': None}, keep_derived=False).complete(batch)
    np.testing.assert_array_equal(
        alone.joints['mpii'].keypoints[:, wrist], joints.keypoints[:, wrist]
    )


def test_what_a_skeleton_derives_of_its_own_joints():
    """MPII's pelvis is the middle of MPII's hips, also for a person whose pelvis is unlabelled."""
    batch = persons(MPII, missing=['pelvis', 'thorax', 'left_shoulder', 'right_wrist'])
    found = Completer(skeletons=['mpii']).complete(batch).joints['mpii']
    pelvis = MPII.index('pelvis')
    assert (found.provenance[:, pelvis] == DERIVED).all()
    hips = [MPII.index('left_hip'), MPII.index('right_hip')]
    np.testing.assert_allclose(found.keypoints[:, pelvis], batch.keypoints[:, hips].mean(1))
    assert (found.stds[:, pelvis] < found.stds[:, hips].max(1)).all()
    for joint in ('thorax', 'right_wrist'):  # half of the shoulders is not enough
        assert (found.provenance[:, MPII.index(joint)] == NONE).all()
    # An annotated pelvis stays what it is.
    whole = Completer(skeletons=['mpii']).complete(persons(MPII)).joints['mpii']
    assert (whole.provenance == GT).all()


def test_a_model_that_is_wrong_casts_no_doubt_on_what_the_annotation_says():
    batch = persons(LSP)
    model = {name: predicted(get_skeleton(name), anywhere(get_skeleton(name)) + 500.0)
             for name in ('coco', 'lsp')}  # fmt: skip
    found = Completer(skeletons=['coco'], calibration=calibration(COCO, LSP)).complete(batch, model)
    alone = Completer(skeletons=['coco']).complete(batch)
    derived = alone.joints['coco'].provenance == DERIVED
    assert derived.any()
    for key in ('keypoints', 'stds', 'provenance'):
        np.testing.assert_array_equal(
            getattr(found.joints['coco'], key)[derived], getattr(alone.joints['coco'], key)[derived]
        )


def test_predictions_are_anchored_to_the_annotation():
    """The model is 6 px off in all skeletons: what the annotation shows of it is taken off."""
    batch = persons(LSP)
    shared = [(LSP.index(j), COCO.index(j)) for j in LSP.joints if j in COCO.joints]
    off = np.array([6.0, -3.0])
    in_coco = anywhere(COCO)
    for lsp, coco in shared:
        in_coco[:, coco] = batch.keypoints[:, lsp]
    predictions = {
        'lsp': predicted(LSP, batch.keypoints - off),
        'coco': predicted(COCO, in_coco - off),
    }
    completer = Completer(skeletons=['coco'], calibration=calibration(COCO, LSP), max_std=1.0)
    points, stds = completer.complete(batch, predictions).candidates['coco']['predicted']
    alone = Completer(skeletons=['coco'], calibration=calibration(COCO), max_std=1.0)
    points_alone, stds_alone = alone.complete(batch, predictions).candidates['coco']['predicted']
    for _, coco in shared:
        left = np.linalg.norm(points[:, coco] - in_coco[:, coco], axis=-1)
        assert (left < 0.25 * np.linalg.norm(off)).all()
        np.testing.assert_allclose(points_alone[:, coco], in_coco[:, coco] - off)
        assert (stds[:, coco] < 0.6 * stds_alone[:, coco]).all()


def test_evidence_below_the_threshold_leaves_a_joint_empty():
    batch = persons(missing=['left_wrist'])
    wrist = COCO.index('left_wrist')
    scores = np.ones((8, len(COCO)))
    scores[4:, wrist] = 0.0  # 0.2 of the size
    model = Predicted(skeleton=COCO, keypoints=anywhere(COCO), scores=scores)
    completer = Completer(
        skeletons=['coco'], calibration=calibration(COCO, share=0.0), max_std=0.05
    )
    found = completer.complete(batch, {'coco': model}).joints['coco']
    assert found.provenance[:, wrist].tolist() == [PREDICTED] * 4 + [NONE] * 4
    assert np.isnan(found.keypoints[4:, wrist]).all()
    assert (found.visibility[4:, wrist] == 0).all()


def test_an_image_that_could_not_be_read_leaves_the_rest():
    batch = persons(LSP)
    nothing = Predicted(
        skeleton=COCO,
        keypoints=np.full((8, len(COCO), 2), np.nan),
        scores=np.full((8, len(COCO)), np.nan),
    )
    completer = Completer(skeletons=['coco', 'lsp'], calibration=calibration(COCO, LSP))
    own = Predicted(
        skeleton=LSP,
        keypoints=np.full((8, len(LSP), 2), np.nan),
        scores=np.full((8, len(LSP)), np.nan),
    )
    with_model = completer.complete(batch, {'coco': nothing, 'lsp': own}).joints
    without = completer.complete(batch).joints
    for name in ('coco', 'lsp'):
        for field in ('keypoints', 'stds', 'provenance', 'visibility'):
            np.testing.assert_array_equal(
                getattr(with_model[name], field), getattr(without[name], field)
            )


def test_persons_do_not_depend_on_their_batch():
    batch = persons(LSP, count=6, missing=['neck'])
    predictions = {'coco': anywhere(COCO, 6), 'lsp': anywhere(LSP, 6, seed=2)}
    completer = Completer(skeletons=['coco', 'lsp'], calibration=calibration(COCO, LSP))

    def complete(rows):
        part = PersonBatch(
            skeleton=LSP,
            **{
                name: getattr(batch, name)[rows]
                for name in ('keypoints', 'visibility', 'bboxes', 'sizes')
            },
        )
        given = {n: predicted(get_skeleton(n), p[rows]) for n, p in predictions.items()}
        return completer.complete(part, given).joints['coco'].keypoints

    parts = np.concatenate([complete(slice(0, 2)), complete(slice(2, 6))])
    np.testing.assert_allclose(parts, complete(slice(0, 6)), rtol=1e-9, atol=1e-9)


def test_errors():
    with pytest.raises(ValueError, match='two translators from coco to mpii'):
        Completer(skeletons=['mpii'], translators=[pretrained_translator('coco', 'mpii')] * 2)
    with pytest.raises(ValueError, match='not calibrated'):
        Completer(skeletons=['mpii'], translators=[AffineTranslator(source='coco', target='mpii')])
    with pytest.raises(ValueError, match='max_std must be positive'):
        Completer(skeletons=['mpii'], max_std=0)
    with pytest.raises(ValueError, match='3 predictions in coco of 8 persons'):
        Completer(skeletons=['coco']).complete(
            persons(), {'coco': predicted(COCO, anywhere(COCO, 3))}
        )
    with pytest.raises(ValueError, match='exactly where the visibility is 0'):
        batch = persons()
        PersonBatch(
            skeleton=COCO,
            keypoints=batch.keypoints,
            visibility=np.zeros_like(batch.visibility),
            bboxes=batch.bboxes,
            sizes=batch.sizes,
        )
