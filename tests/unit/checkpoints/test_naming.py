"""Which skeleton a head is of: what is taken, what is asked."""

import pytest
import torch
from published import SIX, THREE, vitpose, vitpose_plus

from hpemap_mm.checkpoints import VITPOSE_PLUS, VITPOSE_THREE, describe, load_pose_weights
from hpemap_mm.errors import DataError


def loaded(tmp_path, joints, build=vitpose, **options):
    path = tmp_path / 'x.pth'
    torch.save({'state_dict': build(joints, depth=1)}, path)
    return load_pose_weights(path, **options)


@pytest.mark.parametrize(
    ('joints', 'name'),
    [
        ((17,), ['coco']),
        ((16,), ['mpii']),
        ((133,), ['coco_wholebody']),
        ((26,), ['halpe']),
        ((15,), ['jhmdb']),
        ((21,), ['seed-21']),
        ((23,), ['seed-23']),
        ((33,), ['seed-33']),
        (THREE, list(VITPOSE_THREE)),
        (SIX, list(VITPOSE_PLUS)),
    ],
)
def test_defaults(tmp_path, joints, name):
    found = loaded(tmp_path, joints)
    assert list(found.known().heads) == name
    assert any('taken as' in note for note in found.notes)


@pytest.mark.parametrize(
    ('joints', 'question'),
    [
        ((14,), 'as many have aic, crowdpose, lsp'),
        ((19,), 'which no known skeleton has'),
        ((17, 16), r'2 heads of \[17, 16\] channels'),
        # The usual order would cut AIC's head for MPII's place.
        ((17, 16, 14), r'3 heads of \[17, 16, 14\] channels'),
    ],
)
def test_what_is_ambiguous_is_asked(tmp_path, joints, question):
    found = loaded(tmp_path, joints)
    assert found.weights is None
    with pytest.raises(DataError, match=f'{question}.*--skeletons'):
        found.known()
    assert 'skeleton not known' in '\n'.join(describe(found.found))


def test_the_user_says(tmp_path):
    found = loaded(tmp_path, (17, 16, 14), skeletons=['coco', 'MPII', 'mine=aic'])
    heads = found.known().heads
    assert {name: head.skeleton for name, head in heads.items()} == {
        'coco': 'coco',
        'mpii': 'mpii',
        'mine': 'aic',
    }
    found = loaded(tmp_path, (14,), skeletons=['crowdpose'])
    assert list(found.known().heads) == ['crowdpose'] and not found.notes[1:]
    found = loaded(tmp_path, (23,), space='bmp-23')
    assert found.known().heads['bmp-23'].space.name == 'bmp-23'
    union = {'kind': 'union', 'skeletons': ['coco', 'mpii']}
    assert list(loaded(tmp_path, (21,), space=union).known().heads) == ['union(coco,mpii)']


@pytest.mark.parametrize(
    ('joints', 'options', 'message'),
    [
        ((17,), dict(skeletons=['coco', 'mpii']), 'it has 1 heads, and --skeletons names 2'),
        ((17,), dict(skeletons=['nobody']), 'Unknown skeleton'),
        ((14,), dict(skeletons=['coco']), 'has 14 channels, coco has 17 joints'),
        (
            (17, 17),
            dict(skeletons=['coco', 'coco']),
            'two heads have one name: coco, coco',
        ),
        ((17, 17), dict(skeletons=['coco', 'own=coco']), "no head can be called 'own'"),
        ((17, 17), dict(skeletons=['all=coco', 'coco']), "no head can be called 'all'"),
        ((17, 17), dict(skeletons=['a.b=coco', 'coco']), r"no head can be called 'a\.b'"),
        ((17,), dict(num_heads=0), '0 attention heads'),
        ((17,), dict(num_heads=-1), '-1 attention heads'),
        ((17,), dict(source_grid=(-12, -16)), 'a grid of -12 x -16'),
        ((17, 17), dict(space='seed-21'), 'it has 2 heads, a joint space one'),
        ((17,), dict(space='seed-21'), 'has 17 channels, seed-21 has 21 joints'),
        ((17,), dict(space='seed-99'), 'seed-99'),
        ((17,), dict(space=dict(kind='union', skeletons=['coco', 'coco'])), 'different skeletons'),
        ((21,), dict(space='seed-21', skeletons=['coco']), 'pass one of --space and --skeletons'),
    ],
)
def test_contradictions(tmp_path, joints, options, message):
    with pytest.raises(DataError, match=message):
        loaded(tmp_path, joints, **options).known()


def test_experts_have_the_heads_names_or_are_asked_for(tmp_path):
    three = loaded(tmp_path, (17, 16, 14), vitpose_plus, skeletons=['coco', 'mpii', 'x=aic'])
    assert three.known().experts == ('coco', 'mpii', 'x')
    state = vitpose_plus(THREE, depth=1)
    alone = {key: t for key, t in state.items() if not key.startswith('associate')}
    torch.save(alone, tmp_path / 'x.pth')
    found = load_pose_weights(tmp_path / 'x.pth')
    with pytest.raises(DataError, match='3 experts and 1 heads.*--experts'):
        found.known()
    for names, message in (
        (['coco', 'mpii', 'coco'], 'two experts have one name'),
        (['lsp', 'mpii', 'aic'], "head coco: No expert for 'coco'.*lsp.*--experts"),
        (['a=coco', 'mpii', 'aic'], "head coco: No expert for 'coco'.*--experts"),
    ):
        with pytest.raises(DataError, match=message) as error:
            load_pose_weights(tmp_path / 'x.pth', experts=names).known()
        assert str(error.value).count('problem found') == 1
    named = load_pose_weights(tmp_path / 'x.pth', experts=['coco', 'mpii', 'lsp'])
    assert named.known().experts == ('coco', 'mpii', 'lsp')
    with pytest.raises(DataError, match='it has 3 experts, and --experts names 1'):
        load_pose_weights(tmp_path / 'x.pth', experts=['coco']).known()


def test_what_a_file_says_of_itself(tmp_path):
    def found(meta, joints=(17,), **options):
        torch.save({'state_dict': vitpose(joints, depth=1), 'meta': meta}, tmp_path / 'x.pth')
        done = load_pose_weights(tmp_path / 'x.pth', **options)
        return {n: h.representation for n, h in done.known().heads.items()}, ' '.join(done.notes)

    of = {'dataset_meta': {'dataset_name': 'apt36k'}}
    heads, notes = found(of)
    assert heads == {'apt36k': 'apt36k'} and "the file's dataset_meta says apt36k" in notes
    assert found(of, skeletons=['h36m'])[0] == {'h36m': 'h36m'}, 'the user is asked first'
    # Of as many joints, or it does not count.
    for name in ('mpii', 'nobody', None, ['coco']):
        assert found({'dataset_meta': {'dataset_name': name}})[0] == {'coco': 'coco'}
    own = {'skeletons': ['mpii', 'x=ap10k']}
    assert found(own, (16, 17))[0] == {'mpii': 'mpii', 'x': 'ap10k'}
    for words in (['lsp', 'coco', 'mpii'], ['coco'], 'coco', [1, 2, 3]):
        assert list(found({'skeletons': words}, THREE)[0]) == list(VITPOSE_THREE)
    assert 'as many has bmp-23: --space' in found({}, (23,))[1]


def test_the_experts_of_another_first_head_are_asked_for(tmp_path):
    # Head i goes with expert i: the first of these is not COCO's.
    state = {k: t for k, t in vitpose_plus(depth=1).items() if not k.startswith('associate')}
    torch.save(state, tmp_path / 'x.pth')
    assert load_pose_weights(tmp_path / 'x.pth').known().experts == VITPOSE_PLUS
    found = load_pose_weights(tmp_path / 'x.pth', skeletons=['ap10k'])
    with pytest.raises(DataError, match='6 experts and 1 heads.*--experts'):
        found.known()


def test_a_file_is_described(tmp_path):
    torch.save({'state_dict': vitpose_plus(padded=133), 'optimizer': {}}, tmp_path / 'x.pth')
    found = load_pose_weights(tmp_path / 'x.pth')
    text = '\n'.join(describe(found.found, found.known()))
    for part in (
        'ViTPose++ (--from vitpose++)',
        'width 384, depth 2, 12 attention heads',
        '192 x 256 pixels (w x h), 12 x 16 patches',
        'keypoint_head: classic, 133 channels: coco, 17 joints (padded)',
        'associate_keypoint_heads.4: classic, 133 channels: coco_wholebody, 133 joints\n',
        'experts    6, 96 of 384: coco, aic, mpii, ap10k, apt36k, coco_wholebody',
        'float32',
        "not used   optimizer: the optimizer's state",
    ):
        assert part in text
