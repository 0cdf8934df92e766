"""ONNX Runtime gives what PyTorch gives, for every kind of model and batch size."""

import numpy as np
import onnx
import pytest
from export_worlds import assert_equal, raw, run
from pose_worlds import HEATMAP_SIZE, images

from hpemap_mm.skeletons import get_skeleton


@pytest.mark.parametrize('count', [1, 3, 8])
@pytest.mark.parametrize('name', ['dense', 'wide', 'moe'])
def test_every_batch_gives_what_pytorch_gives(exported, name, count):
    model, report, _, session = exported(name)
    x = images(count, seed=count)
    got, expected = run(session, x), raw(model, x)
    assert list(got) == list(report.metadata.outputs)
    for skeleton, heatmaps in got.items():
        assert heatmaps.shape == (count, len(get_skeleton(skeleton)), *HEATMAP_SIZE[::-1])
        assert_equal(heatmaps, expected[skeleton])
        # The heatmaps of two images differ, or a fixed batch would not show.
        assert count == 1 or np.abs(heatmaps[0] - heatmaps[1]).max() > 0.1


def test_only_the_skeletons_that_are_named_are_in_the_file(exported):
    model, report, path, session = exported('wide')
    assert [output.name for output in session.get_outputs()] == ['mpii']
    assert list(model.heads) == ['coco', 'mpii', 'aic'], 'the model itself keeps its heads'
    stored = sum(onnx.numpy_helper.to_array(t).size for t in onnx.load(path).graph.initializer)
    needed = sum(
        p.numel()
        for n, p in model.named_parameters()
        if not n.startswith(('heads.coco', 'heads.aic'))
    )
    # pos_embed's first place is folded; a few shapes and axes are stored too.
    assert needed - 200 < stored < needed + 500


def test_experts_share_what_they_have_in_common(exported):
    model, _, path, _ = exported('moe')
    graph = onnx.load(path).graph
    stored = sum(onnx.numpy_helper.to_array(tensor).size for tensor in graph.initializer)
    assert stored < sum(p.numel() for p in model.parameters()) + 1000
    # Norms: all experts share the first block's; then each has the second's two and the last.
    norms = [node for node in graph.node if node.op_type == 'LayerNormalization']
    assert len(norms) == 2 + 3 * (2 + 1)


@pytest.mark.parametrize('name', ['dense', 'moe'])
def test_nothing_tells_of_the_machine_that_made_it(exported, name):
    path = exported(name).path
    content = path.read_bytes()
    for trace in (b'site-packages', b'stack_trace', b'hpemap_mm/models', str(path.parent).encode()):
        assert trace not in content
    onnx.checker.check_model(path, full_check=True)
    (opset,) = onnx.load(path).opset_import
    assert (opset.domain, opset.version) == ('', 18)
