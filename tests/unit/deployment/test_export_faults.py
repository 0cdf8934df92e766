"""What cannot be exported, or comes out as something else, is refused; nothing is written."""

import errno

import numpy as np
import pytest
import torch
from export_worlds import WORLDS, raw
from pose_worlds import REGRESSION_HEAD, SIMCC_HEAD, images, multi_head, space_model

from hpemap_mm.deployment import export, export_onnx, packages
from hpemap_mm.errors import DataError
from hpemap_mm.models import ViTPoseBackbone


def refused(tmp_path, model, **options):
    """The message, and that nothing was written."""
    with pytest.raises(DataError) as caught:
        export_onnx(model, tmp_path / 'x.onnx', rounds=0, **options)
    assert list(tmp_path.iterdir()) == []
    return str(caught.value)


def test_a_file_that_says_something_else_is_refused(tmp_path, monkeypatch):
    honest = export.to_onnx

    def off(graph):
        model = honest(graph)
        import onnx_ir

        (bias,) = (v for n, v in model.graph.initializers.items() if n.endswith('final_layer.bias'))
        changed = bias.const_value.numpy().copy()
        changed[3] += 0.01 * np.abs(raw(graph.model, images(1))['coco'].numpy()).max()
        bias.const_value = onnx_ir.tensor(changed, name=bias.name)
        return model

    monkeypatch.setattr(export, 'to_onnx', off)
    model, _ = WORLDS['dense']()
    message = refused(tmp_path, model, skeletons=['coco'])
    assert "the output 'coco' is" in message
    assert 'off from PyTorch' in message
    error = float(message.split("'coco' is ")[1].split()[0])
    assert 1e-3 < error < 1e-1


def test_weights_that_are_no_numbers_are_refused(tmp_path):
    model, _ = WORLDS['dense']()
    with torch.no_grad():
        model.heads['mpii'].final_layer.bias[0] = np.nan
    message = refused(tmp_path, model, skeletons=['mpii'])
    assert "'mpii' is nan off" in message


def test_a_full_disk_ends_in_a_message(tmp_path, monkeypatch):
    def save(model, path, data):
        path.write_bytes(b'half')
        raise OSError(errno.ENOSPC, 'No space left on device')

    monkeypatch.setattr(export, '_save', save)
    message = refused(tmp_path, WORLDS['dense']()[0], skeletons=['coco'])
    assert 'x.onnx: cannot be written ([Errno 28] No space left' in message
    with pytest.raises(ValueError, match='rounds must be 0 or more'):
        export_onnx(multi_head(), tmp_path / 'x.onnx', rounds=-1)


def test_a_layer_that_fixes_the_batch_is_found_out(tmp_path, monkeypatch):
    def as_maps(self, x):
        grid_w, grid_h = self.grid
        return x.transpose(1, 2).reshape(len(x), -1, grid_h, grid_w)

    monkeypatch.setattr(ViTPoseBackbone, 'as_maps', as_maps)
    model, _ = WORLDS['dense']()
    message = refused(tmp_path, model, skeletons=['coco'])
    assert 'takes 2 images only' in message


def test_what_cannot_be_exported_is_told_before_anything_is_done(tmp_path):
    model = multi_head(head=SIMCC_HEAD)
    message = refused(tmp_path, model, decode='inside')
    assert "'coco' is a SimCCHead with codec SimCCLabel" in message
    assert "'mpii' is a SimCCHead" in message
    assert 'use --decode outside' in message
    assert '--flip-test' in refused(tmp_path, multi_head(head=REGRESSION_HEAD), flip_test=True)
    message = refused(tmp_path, multi_head(), skeletons=['coco', 'aic', 'space'])
    assert "does not answer in 'aic'" in message
    assert "does not answer in 'space'" in message
    assert 'choose from coco, mpii' in message
    assert 'none is named' in refused(tmp_path, multi_head(), skeletons=[])


def test_experts_have_no_output_over_the_space(tmp_path):
    model, _ = WORLDS['moe_union']()
    message = refused(tmp_path, model, skeletons=['space'])
    assert "does not answer in 'space'" in message
    assert 'choose from coco, mpii' in message
    # Without experts there is one.
    assert 'space' in space_model(dict(kind='union', skeletons=['coco', 'mpii'])).answers


def test_a_model_in_training_is_refused(tmp_path):
    with pytest.raises(ValueError, match='eval'):
        export_onnx(multi_head().train(), tmp_path / 'x.onnx')


def test_missing_packages_are_named(tmp_path, monkeypatch):
    monkeypatch.setattr(packages, 'find_spec', lambda name: None if name == 'onnxscript' else 1)
    message = refused(tmp_path, multi_head())
    assert 'onnxscript is not installed' in message
    assert "pip install 'hpemap_mm[export]'" in message
