"""tools/export.py as a person runs it."""

import json
import os
import subprocess
import sys

import numpy as np
import onnxruntime
import pytest
import torch

CONFIG = """
default_scope = 'mmpose'
codec = dict(type='UDPHeatmap', input_size=(48, 64), heatmap_size=(12, 16), sigma=2)
model = dict(
    type='hpemap_mm.MultiHeadPoseEstimator',
    data_preprocessor=dict(
        type='PoseDataPreprocessor', mean=[123.7, 116.3, 103.5], std=[58.4, 57.1, 57.4],
        bgr_to_rgb=True),
    skeletons=['coco', 'mpii'],
    backbone=dict(
        type='hpemap_mm.ViTPoseMoEBackbone', experts=['mpii', 'coco'],
        arch=dict(embed_dim=16, depth=1, num_heads=2), img_size=(48, 64)),
    head=dict(
        type='hpemap_mm.SimpleHeatmapHead', in_channels=16,
        loss=dict(type='KeypointMSELoss', use_target_weight=True), decoder=codec),
    test_cfg=dict(flip_test=True),
)
"""


@pytest.fixture
def world(tmp_path):
    """A config and its weights: their paths, and the model."""
    from hpemap_mm.engine.launch import load_config
    from hpemap_mm.registry import MODELS

    config = tmp_path / 'config.py'
    config.write_text(CONFIG)
    from mmengine.registry import init_default_scope

    init_default_scope('mmpose')
    model = MODELS.build(load_config(config).model).eval()
    generator = torch.Generator().manual_seed(0)
    for parameter in model.parameters():
        parameter.data = 0.3 * torch.randn(parameter.shape, generator=generator)
    checkpoint = tmp_path / 'model.pth'
    torch.save({'state_dict': model.state_dict()}, checkpoint)
    return config, checkpoint, model


@pytest.fixture
def tool(tool_here, capsys):
    """Run the tool in this process: what it printed."""

    def run(*arguments):
        assert tool_here('export', *arguments) == 0
        return capsys.readouterr().out

    return run


@pytest.mark.timeout(300)
def test_onnx_is_written_checked_and_told(tool, world, tmp_path):
    config, checkpoint, model = world
    out = tmp_path / 'model.onnx'
    told = tool(checkpoint, out, '--config', config, '--rounds', 2, '--threads', 1)
    for expected in (
        'images: (N, 3, 64, 48) float32, RGB, (pixel - mean) / std',
        'coco: 17 joints, heatmaps',
        'mpii: 16 joints, heatmaps',
        'Batch of 1: PyTorch',
        'Batch of 8: PyTorch',
        'CPU, 1 threads',
        '--flip-test puts it there',
    ):
        assert expected in told
    session = onnxruntime.InferenceSession(str(out))
    x = torch.randn(3, 3, 64, 48)
    got = session.run(['mpii'], {'images': x.numpy()})[0]
    with torch.no_grad():
        expected = model(x, None, mode='tensor')['mpii'].numpy()
    assert np.abs(got - expected).max() < 1e-5 * np.abs(expected).max()
    properties = session.get_modelmeta().custom_metadata_map
    assert json.loads(properties['hpemap_mm.decode']) == 'outside'
    assert sorted(p.name for p in tmp_path.iterdir()) == ['config.py', 'model.onnx', 'model.pth']


@pytest.mark.timeout(300)
def test_one_skeleton_is_split_off(tool, world, tmp_path):
    config, checkpoint, model = world
    out = tmp_path / 'mpii.pth'
    told = tool(checkpoint, out, '--config', config, '--skeleton', 'mpii')
    assert 'mpii, 16 joints' in told
    assert 'MMPose has no config of this size' in told
    state = torch.load(out, weights_only=True)['state_dict']
    torch.testing.assert_close(
        state['head.final_layer.weight'], model.heads['mpii'].final_layer.weight, rtol=0, atol=0
    )
    assert state['backbone.layers.0.ffn.layers.1.weight'].shape == (16, 64)


def test_a_checkpoint_that_brings_its_model_needs_no_config(tool, world, tmp_path):
    from hpemap_mm.checkpoints import model_config, pose_weights_of, to_hpemap, write_weights

    _, checkpoint, model = world
    weights = pose_weights_of(model)
    own = tmp_path / 'own.pth'
    write_weights(own, to_hpemap(weights), {'model': model_config(weights)})
    told = tool(own, tmp_path / 'coco.pth', '--skeleton', 'coco')
    assert 'coco, 17 joints' in told
    state = torch.load(tmp_path / 'coco.pth', weights_only=True)['state_dict']
    assert torch.equal(state['head.final_layer.bias'], model.heads['coco'].final_layer.bias)
    # The file of the same weights alone does not say what it is.
    from hpemap_mm.errors import DataError

    with pytest.raises(DataError, match='name the config'):
        tool(checkpoint, tmp_path / 'x.pth', '--skeleton', 'coco')


@pytest.mark.parametrize(
    ('arguments', 'expected'),
    [
        (['{model}', '{dir}/x.pt', '--config', '{config}'], ["suffix is '.pt'"]),
        (['{model}', '{dir}/x.pth', '--config', '{config}'], ['name it by --skeleton NAME']),
        (
            ['{model}', '{dir}/x.pth', '--skeleton', 'coco', '--decode', 'inside', '--flip-test'],
            ['--decode is not for a .pth file', '--flip-test is not for'],
        ),
        (['{model}', '{dir}/x.onnx', '--skeleton', 'coco'], ['--skeleton is not for a .onnx file']),
        (['{dir}/nowhere.pth', '{dir}/x.onnx', '--config', '{config}'], ['nowhere.pth']),
        (
            ['{model}', '{dir}/x.onnx', '--config', '{config}', '--skeletons', 'coco', 'aic'],
            ["does not answer in 'aic'", 'choose from coco, mpii'],
        ),
        (
            ['{model}', '{dir}/x.pth', '--config', '{config}', '--skeleton', 'aic'],
            ["no skeleton 'aic'"],
        ),
        (
            ['{model}', '{model}', '--config', '{config}', '--skeleton', 'coco'],
            ['take the place of its source'],
        ),
        (['{model}', '{dir}/dir.onnx', '--config', '{config}'], ['dir.onnx: is a folder']),
    ],
)
def test_a_users_mistake_ends_in_a_message(tool_here, world, tmp_path, arguments, expected):
    from hpemap_mm.errors import DataError

    config, checkpoint, _ = world
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    (tmp_path / 'dir.onnx').mkdir()
    names = dict(config=config, model=checkpoint, dir=tmp_path)
    with pytest.raises(DataError) as caught:
        tool_here('export', *(argument.format(**names) for argument in arguments))
    for part in expected:
        assert part in str(caught.value)
    (tmp_path / 'dir.onnx').rmdir()
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


@pytest.mark.parametrize('option', ['--rounds', '--threads'])
def test_numbers_below_zero_are_refused(tool_here, capsys, option):
    with pytest.raises(SystemExit):
        tool_here('export', 'a.pth', 'a.onnx', option, '-1')
    assert f'argument {option}: must be 0 or more, got -1' in capsys.readouterr().err


@pytest.mark.parametrize('rest', [['x.pth', '--skeleton', 'coco'], ['x.onnx']])
def test_weights_that_are_not_finite_are_named(tool_here, world, tmp_path, rest):
    from hpemap_mm.errors import DataError

    config, checkpoint, model = world
    state = model.state_dict()
    state['heads.mpii.final_layer.bias'][2] = torch.nan
    torch.save({'state_dict': state}, checkpoint)
    out, *options = rest
    message = r'model\.pth: NaN or infinite weights in heads\.mpii\.final_layer\.bias'
    with pytest.raises(DataError, match=message):
        tool_here('export', checkpoint, tmp_path / out, '--config', config, *options)
    assert not (tmp_path / out).exists()


def test_a_message_and_no_traceback_in_a_shell(project_root, tmp_path):
    done = subprocess.run(
        [sys.executable, '-W', 'ignore', project_root / 'tools' / 'export.py', 'a.pth', 'a.zip'],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, 'OMP_NUM_THREADS': '1'},
    )
    assert done.returncode == 1
    assert "the suffix is '.zip'" in done.stderr
    assert 'Traceback' not in done.stderr
