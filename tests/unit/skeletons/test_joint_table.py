"""The command that prints joints, as a user meets it."""

import subprocess
import sys

import pytest

from hpemap_mm.skeletons import JointSpace, list_skeletons
from hpemap_mm.skeletons.__main__ import main
from hpemap_mm.skeletons.table import joint_table, mapping_table


def row(text: str, joint: str) -> str:
    (line,) = [
        line
        for line in text.splitlines()
        if f' {joint} ' in line[:24] and line.split()[0].isdigit()
    ]
    return ' '.join(line.split())


def test_table_of_a_union() -> None:
    text = joint_table(JointSpace.union('coco', 'mpii', 'aic'))
    assert text.startswith('union(coco,mpii,aic): 23 joints\n')
    assert row(text, 'left_elbow') == (
        '7 left_elbow 7 left_elbow 14 left_elbow 4 left_elbow 8 same in all'
    )
    assert row(text, 'nose') == '0 nose 0 nose - - -'
    assert row(text, 'left_hip').endswith('12 same in all (?)')
    assert row(text, 'pelvis') == '17 pelvis - 6 pelvis - - mean of 11, 12'
    assert row(text, 'aic_neck') == '22 aic_neck - - 13 neck - near 19; about mean of 5, 6'
    assert 'near: 20 head_top, 21 aic_head_top (with or without hair or helmet)' in text
    summary = ' '.join(text.splitlines()[-2:])
    assert summary.startswith('23 joints for the 47 of 3 skeletons: 12 same in several')
    assert max(map(len, text.splitlines())) <= 118


def test_table_of_merged_and_separate_joints() -> None:
    merged = joint_table(JointSpace.union('mpii', 'aic', merge='near'))
    assert 'near, merged: neck is mpii upper_neck, aic neck' in merged
    concat = joint_table(JointSpace.concat('coco', 'mpii'))
    assert row(concat, 'mpii/left_knee').endswith('same as 13')
    assert row(concat, 'mpii/pelvis').endswith('mean of 20, 19')  # of its own hips


def test_many_skeletons_give_indices_only() -> None:
    text = joint_table(JointSpace.union(*list_skeletons()))
    assert row(text, 'left_wrist') == '9 left_wrist 9 9 9 15 5 4 9 11 9 12 13 - - 10 same in 11'


def test_mapping_table() -> None:
    text = mapping_table('coco', 'mpii')
    assert row(text, 'pelvis').startswith('6 pelvis derived mean of left_hip and right_hip')
    assert row(text, 'head_top') == '9 head_top none -'
    assert text.endswith('16 joints of mpii from coco: 12 same, 0 near, 3 derived, 1 none.')


@pytest.mark.parametrize(
    ('argv', 'part'),
    [
        (['coco', 'mpii'], 'union(coco,mpii): 21 joints'),
        (['coco', 'mpii', '--kind', 'concat'], 'concat(coco,mpii): 33 joints'),
        (['mpii', 'aic', '--merge', 'near'], 'union(mpii,aic;merge=near): 16 joints'),
        (['mpii', 'aic', '--merge', 'neck,head_top'], 'merge=head_top+neck): 16 joints'),
        (['coco', 'mpii', '--apart', 'shoulder,hip'], 'apart=hip+shoulder): 25 joints'),
        (['--preset', 'bmp-23'], 'bmp-23: 23 joints'),
        (['COCO17', 'mpii16', '--mapping'], 'coco -> mpii'),
        ([], 'seed-33'),
    ],
)
def test_command(argv: list, part: str, capsys) -> None:
    assert main(argv) == 0
    assert part in capsys.readouterr().out


@pytest.mark.parametrize(
    ('argv', 'message'),
    [
        (['cocoo'], "Unknown skeleton 'cocoo'. Did you mean 'coco'?"),
        (['coco', 'coco'], 'different skeletons'),
        (['mpii', '--merge', 'nek'], "Did you mean 'neck'?"),
        (['--preset', 'seed-20'], 'Unknown preset'),
        (['coco', '--preset', 'seed-21'], 'leave out skeletons'),
        (['coco', '--mapping'], 'two skeletons'),
        (['coco', 'mpii', '--kind', 'concat', '--merge', 'near'], 'for unions'),
    ],
)
def test_mistakes_end_with_status_2(argv: list, message: str, capsys) -> None:
    with pytest.raises(SystemExit) as caught:
        main(argv)
    assert caught.value.code == 2
    assert message in capsys.readouterr().err


def test_as_a_module() -> None:
    run = subprocess.run(
        [sys.executable, '-m', 'hpemap_mm.skeletons', 'lsp', 'nope'],
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 2
    assert "Unknown skeleton 'nope'" in run.stderr and 'Traceback' not in run.stderr
