"""Checkpoints: what is refused, with what words, and that nothing in them is executed."""

import os
import pickle

import pytest
import torch
from torch import nn

from hpemap_mm.engine.checkpoint import find_resumable, load_weights, read_checkpoint
from hpemap_mm.errors import DataError


def test_reads_a_checkpoint_and_a_bare_state_dict(tmp_path):
    weights = {'a': torch.arange(3.0)}
    whole = {'state_dict': weights, 'meta': {}}
    for name, content in (('whole.pth', whole), ('bare.pth', weights)):
        torch.save(content, tmp_path / name)
        assert read_checkpoint(tmp_path / name)['state_dict']['a'].tolist() == [0, 1, 2]


class Malicious:
    """Its pickle creates a file when it is executed."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def test_a_pickle_that_executes_is_refused_and_not_executed(tmp_path):
    trap = tmp_path / 'executed'
    torch.save({'state_dict': {'a': Malicious(trap)}}, tmp_path / 'evil.pth')
    with pytest.raises(DataError, match='evil.pth.*would execute code'):
        read_checkpoint(tmp_path / 'evil.pth')
    assert not trap.exists()
    # The trap works: read the unsafe way, it does go off.
    torch.load(tmp_path / 'evil.pth', weights_only=False)
    assert trap.exists()


@pytest.mark.parametrize(
    ('content', 'message'),
    [
        (None, 'no such checkpoint'),
        (b'', 'is empty'),
        (b'not a checkpoint at all', 'it is no checkpoint: it begins with'),
        (pickle.dumps([1, 2]), 'a plain pickle, no checkpoint'),
    ],
)
def test_what_is_no_checkpoint_is_refused(tmp_path, content, message):
    path = tmp_path / 'x.pth'
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DataError, match=f'x.pth.*({message})'):
        read_checkpoint(path)


def test_a_truncated_file_is_refused(tmp_path):
    torch.save({'state_dict': {'a': torch.zeros(1000)}}, tmp_path / 'x.pth')
    data = (tmp_path / 'x.pth').read_bytes()
    (tmp_path / 'x.pth').write_bytes(data[: len(data) // 2])
    with pytest.raises(DataError, match='x.pth.*damaged'):
        read_checkpoint(tmp_path / 'x.pth')


def test_weights_are_needed(tmp_path):
    torch.save({'epoch': 3}, tmp_path / 'x.pth')
    with pytest.raises(DataError, match='no state_dict'):
        read_checkpoint(tmp_path / 'x.pth')


def test_the_newest_readable_checkpoint_is_found(tmp_path):
    assert find_resumable(tmp_path) is None
    for epoch in (2, 9, 10):
        torch.save({'state_dict': {'a': torch.zeros(1)}}, tmp_path / f'epoch_{epoch}.pth')
    assert find_resumable(tmp_path).name == 'epoch_10.pth'
    # A kill while MMEngine's own runner was writing: the file is there, and of no use.
    (tmp_path / 'epoch_10.pth').write_bytes(b'half')
    (tmp_path / 'last_checkpoint').write_text('')
    assert find_resumable(tmp_path).name == 'epoch_9.pth'


class Estimator(nn.Module):
    """A backbone and a head, named as in MMPose."""

    def __init__(self):
        super().__init__()
        self.backbone = nn.Linear(2, 3)
        self.head = nn.Linear(3, 1)


def test_shapes_and_missing_parameters_are_all_named():
    model = Estimator()
    weights = {**model.state_dict(), 'backbone.weight': torch.zeros(5, 2)}
    del weights['backbone.bias']
    weights['other'] = torch.zeros(1)
    with pytest.raises(DataError) as error:
        load_weights(model, {'state_dict': weights}, where='x.pth', whole=True)
    text = str(error.value)
    assert 'backbone.weight has shape (5, 2), the model needs (3, 2)' in text
    assert 'lacks backbone.bias' in text
    assert 'more than the model: other' in text


def test_part_of_the_weights_is_enough_to_start_from():
    model = Estimator()
    weights = {'module.backbone.weight': torch.ones(3, 2)}
    load_weights(model, {'state_dict': weights}, where='x.pth', whole=False)
    assert model.backbone.weight.tolist() == [[1, 1]] * 3


def test_a_head_that_does_not_fit_is_refused_also_to_start_from():
    model = Estimator()
    weights = {'head.weight': torch.ones(2, 3), 'head.bias': torch.ones(2)}
    with pytest.raises(DataError, match="head 'head'"):
        load_weights(model, {'state_dict': weights}, where='x.pth', whole=False)


def test_a_model_without_heads_needs_none():
    model = nn.Linear(2, 3)
    weights = {'weight': torch.ones(3, 2), 'bias': torch.zeros(3)}
    load_weights(model, {'state_dict': weights}, where='x.pth', whole=True)
    assert (model.weight == 1).all()
    with pytest.raises(DataError, match='lacks bias'):
        load_weights(
            model, {'state_dict': {'weight': weights['weight']}}, where='x.pth', whole=True
        )
