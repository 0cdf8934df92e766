"""An exported file describes itself, and runs to what the model predicts."""

import json

import cv2
import numpy as np
import onnx
import pytest
import torch
from export_worlds import MEAN, ONE_BLOCK, PIXELS, STD
from mmengine.config import Config
from mmengine.registry import init_default_scope
from pose_worlds import CLASSIC, HEATMAP_SIZE, INPUT_SIZE, SIMCC_HEAD, SIMPLE, multi_head

from hpemap_mm.apis import predict
from hpemap_mm.deployment import OnnxPose, export_onnx, read_onnx_metadata
from hpemap_mm.errors import DataError
from hpemap_mm.skeletons import get_skeleton

BOXES = [[12.0, 20.0, 60.0, 150.0], [40.5, 3.25, 139.0, 99.0], [-20.0, 30.0, 50.0, 200.0]]


def configured(padding=1.25, udp=True, **options):
    """A model with a config, as load_model gives it."""
    model = multi_head(backbone=ONE_BLOCK, data_preprocessor=PIXELS, **options)
    pipeline = [
        dict(type='hpemap_mm.LoadPoseImage'),
        dict(type='GetBBoxCenterScale', padding=padding),
        dict(type='TopdownAffine', input_size=INPUT_SIZE, use_udp=udp),
        dict(type='hpemap_mm.PackSample'),
    ]
    model.cfg = Config(dict(test_dataloader=dict(dataset=dict(pipeline=pipeline))))
    init_default_scope('mmpose')
    return model


@pytest.fixture
def photograph(tmp_path):
    """A smooth picture of 140 x 170 pixels, and its path."""
    rng = np.random.default_rng(3)
    picture = cv2.resize(rng.uniform(0, 255, (9, 7, 3)), (140, 170), interpolation=cv2.INTER_CUBIC)
    path = tmp_path / 'photo.png'
    cv2.imwrite(str(path), picture.clip(0, 255).astype(np.uint8))
    return path


#: How models are exported that predict must agree with.
CASES = {
    'normalized, decoded outside': (dict(head=CLASSIC), {}),
    'pixels, decoded inside, flip test': (
        dict(head=SIMPLE, test_cfg=dict(flip_test=True, shift_heatmap=False), padding=1.1),
        dict(input_kind='raw', decode='inside', flip_test=True),
    ),
    'simcc, crop without UDP': (dict(head=SIMCC_HEAD, udp=False), {}),
}


@pytest.mark.parametrize('case', CASES)
def test_gives_what_predict_gives(tmp_path, photograph, case):
    build, options = CASES[case]
    model = configured(**build)
    # Peaks must be found for the test to compare them.
    for head in model.heads.values():
        if hasattr(head, 'deconv_layers') and hasattr(head, 'final_layer'):
            torch.nn.init.constant_(head.final_layer.bias, 30.0)
    export_onnx(model, tmp_path / 'x.onnx', rounds=0, **options)
    people = OnnxPose(tmp_path / 'x.onnx', threads=1)(cv2.imread(str(photograph)), BOXES)
    expected = predict(model, photograph, BOXES)
    assert len(people) == len(expected) == 3
    close = []
    for got, wanted in zip(people, expected, strict=True):
        assert list(got) == ['coco', 'mpii']
        for name, found in got.items():
            assert found.keypoints.shape == (len(get_skeleton(name)), 2)
            np.testing.assert_allclose(found.scores, wanted[name].scores, rtol=1e-4)
            close.append(np.abs(found.keypoints - wanted[name].keypoints).max(-1))
    difference = np.concatenate(close)
    # Of random heatmaps some have no proper peak, where the last digits decide.
    assert np.median(difference) < 1e-3
    assert (difference < 0.1).mean() > 0.9
    assert np.ptp(people[0]['coco'].keypoints, axis=0).min() > 5


def test_describes_itself(tmp_path, photograph):
    model = configured(head=CLASSIC, padding=1.3)
    report = export_onnx(model, tmp_path / 'x.onnx', rounds=0, skeletons=['mpii', 'coco'])
    found = read_onnx_metadata(tmp_path / 'x.onnx')
    assert found == report.metadata
    assert (found.decode, found.flip_test) == ('outside', False)
    info = found.input
    assert (info.kind, info.color, info.size) == ('normalized', 'RGB', INPUT_SIZE)
    np.testing.assert_allclose(info.mean, MEAN, rtol=1e-6)
    np.testing.assert_allclose(info.std, STD, rtol=1e-6)
    assert (info.bbox_padding, info.udp) == (1.3, True)
    assert list(found.outputs) == ['mpii', 'coco']
    for name, output in found.outputs.items():
        skeleton = get_skeleton(name)
        assert output.skeleton == name
        assert output.joints == skeleton.joints
        assert output.flip_indices == tuple(skeleton.flip_indices)
        assert output.links == skeleton.links
        assert output.sigmas == pytest.approx(skeleton.sigmas)
        assert output.kind == 'heatmaps'
        codec = {k: output.codec[k] for k in ('type', 'sigma')}
        assert codec == {'type': 'UDPHeatmap', 'sigma': 2}
        assert tuple(output.codec['heatmap_size']) == HEATMAP_SIZE

    # What others read, without this package: json by key.
    properties = {p.key: p.value for p in onnx.load(tmp_path / 'x.onnx').metadata_props}
    outputs = json.loads(properties['hpemap_mm.outputs'])
    assert outputs[1]['joints'][0] == 'nose'
    assert json.loads(properties['hpemap_mm.input'])['size'] == list(INPUT_SIZE)

    runner = OnnxPose(tmp_path / 'x.onnx')
    (whole,) = runner(cv2.imread(str(photograph)))
    (same,) = runner(cv2.imread(str(photograph)), [[0, 0, 139, 169]])
    np.testing.assert_array_equal(whole['coco'].keypoints, same['coco'].keypoints)
    with pytest.raises(ValueError, match='x1 < x2'):
        runner(cv2.imread(str(photograph)), [[30, 20, 10, 40]])
    with pytest.raises(ValueError, match='image must be'):
        runner(np.zeros((4, 4), np.uint8))


def test_other_files_are_refused(tmp_path):
    missing, damaged, foreign = (tmp_path / f'{n}.onnx' for n in ('missing', 'damaged', 'foreign'))
    damaged.write_bytes(b'not onnx' * 20)
    info = onnx.helper.make_tensor_value_info('x', onnx.TensorProto.FLOAT, [1])
    node = onnx.helper.make_node('Identity', ['x'], ['y'])
    out = onnx.helper.make_tensor_value_info('y', onnx.TensorProto.FLOAT, [1])
    opset = onnx.helper.make_opsetid('', 18)
    graph = onnx.helper.make_graph([node], 'g', [info], [out])
    onnx.save(onnx.helper.make_model(graph, opset_imports=[opset], ir_version=10), foreign)
    # A stranger's file must not name what is then imported and called.
    codec = {'type': 'os.system', 'command': f'touch {tmp_path / "executed"}'}
    described = {'name': 'y', 'tensors': ['y'], 'kind': 'heatmaps', 'skeleton': 'coco'}
    described |= dict(joints=[], flip_indices=[], links=[], sigmas=None, codec=codec)
    info = dict(kind='raw', color='BGR', size=[48, 64], mean=[0] * 3, std=[1] * 3)
    values = dict(version='0', decode='outside', flip_test=False, outputs=[described])
    values['input'] = info | dict(bbox_padding=1.25, udp=True)
    malicious = onnx.load(foreign)
    for key, value in values.items():
        malicious.metadata_props.add(key=f'hpemap_mm.{key}', value=json.dumps(value))
    onnx.save(malicious, tmp_path / 'malicious.onnx')
    with pytest.raises(DataError, match="codec of 'y' is 'os.system'"):
        OnnxPose(tmp_path / 'malicious.onnx')
    assert not (tmp_path / 'executed').exists()

    for read in (read_onnx_metadata, OnnxPose):
        for path, what in ((missing, 'no such file'), (damaged, 'damaged|cannot read')):
            with pytest.raises(DataError, match=what):
                read(path)
        with pytest.raises(DataError, match='no hpemap_mm.version.*write it with tools/export.py'):
            read(foreign)
