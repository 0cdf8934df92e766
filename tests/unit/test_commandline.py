"""Tools' errors as messages, and what a run says of itself."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from hpemap_mm.commandline import command_line, relative_to_here, run_tool, versions
from hpemap_mm.errors import DataError, Problem


def status_of(main, monkeypatch, debug=''):
    monkeypatch.setenv('HPEMAP_DEBUG', debug)
    with pytest.raises(SystemExit) as done:
        run_tool(main)
    return done.value.code


def fail(argv):
    raise DataError([Problem('x.json', 'is empty', 'write it again')])


def interrupt(argv):
    raise KeyboardInterrupt


def test_a_users_mistake_is_a_message(monkeypatch, capsys):
    assert status_of(fail, monkeypatch) == 1
    assert 'x.json: is empty -> write it again' in capsys.readouterr().err


def test_other_ends(monkeypatch, capsys):
    assert status_of(lambda argv: 3, monkeypatch) == 3
    assert status_of(interrupt, monkeypatch) == 130
    assert 'interrupted' in capsys.readouterr().err


def test_the_traceback_is_shown_when_asked_for(monkeypatch):
    monkeypatch.setenv('HPEMAP_DEBUG', '1')
    with pytest.raises(DataError):
        run_tool(fail)


def refuse(number, name=None):
    def main(argv):
        raise OSError(number, os.strerror(number), name)

    return main


@pytest.mark.parametrize(
    ('number', 'name', 'expected'),
    [
        (errno.ENOSPC, 'a/b.json', 'a/b.json: No space left on device -> free some space, or'),
        (errno.EDQUOT, 'b.json', '-> free some space, or choose another folder'),
        (errno.ENOSPC, None, 'a file: No space left on device -> free some space'),
        (errno.EROFS, 'a', 'a: Read-only file system -> choose another folder'),
        (errno.EACCES, 'a', 'a: Permission denied -> choose another folder, or change its rights'),
        (errno.ENOTDIR, 'a/b', 'a/b: Not a directory -> a file stands where a folder is needed'),
        (errno.ENOENT, 'a', 'a: No such file or directory -> check the name'),
        (errno.ESTALE, 'a', '-> HPEMAP_DEBUG=1 shows where'),
    ],
)
def test_what_the_system_refuses_is_a_message(monkeypatch, capsys, number, name, expected):
    assert status_of(refuse(number, name), monkeypatch) == 1
    error = capsys.readouterr().err
    assert error.startswith('error: 1 problem found:')
    assert expected in error


def test_an_error_of_the_system_that_says_words_only(monkeypatch, capsys):
    def main(argv):
        raise ConnectionResetError('the other side hung up')

    assert status_of(main, monkeypatch) == 1
    assert 'ConnectionResetError: the other side hung up' in capsys.readouterr().err


def test_the_traceback_of_what_the_system_refuses(monkeypatch):
    monkeypatch.setenv('HPEMAP_DEBUG', '1')
    with pytest.raises(PermissionError):
        run_tool(refuse(errno.EACCES, 'a'))


def program(tmp_path, body) -> str:
    """A shell command of a tool with this main."""
    path = tmp_path / 'tool.py'
    path.write_text(
        'import argparse, os\nfrom hpemap_mm.commandline import run_tool\n\n\n'
        f'def main(argv):\n    {body}\n\n\nrun_tool(main)\n'
    )
    return f'{sys.executable} {path}'


def in_shell(command):
    root = Path(__file__).resolve().parents[2]
    environment = {
        **os.environ,
        'PYTHONPATH': str(root),
        'HPEMAP_DEBUG': '',
        'PYTHONUNBUFFERED': '',
    }
    done = subprocess.run(
        ['bash', '-c', f'{command}; echo "${{PIPESTATUS[@]}}"'],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.split(), done.stderr


@pytest.mark.parametrize(
    'body',
    [
        'print(1); return 0',  # fits into the buffer: told when it is written out
        'print("x" * 10**6); return 0',
        '[print("x" * 99) for _ in range(10**4)]; return 0',
        'argparse.ArgumentParser().parse_args(["--help"])',
    ],
)
def test_a_pipe_that_nobody_reads_ends_a_tool_quietly(tmp_path, body):
    command = program(tmp_path, f'import time; time.sleep(0.3); {body}')
    assert in_shell(f'{command} | true') == (['141', '0'], '')


def test_another_pipe_that_breaks_is_told(tmp_path):
    body = 'r, w = os.pipe(); os.close(r); os.write(w, b"x")'
    status, error = in_shell(f'{program(tmp_path, body)} | cat')
    assert status == ['1', '0']
    assert 'a file: Broken pipe' in error


@pytest.mark.skipif(not Path('/dev/full').exists(), reason='Linux has /dev/full')
def test_output_onto_a_full_disk_is_told(tmp_path):
    status, error = in_shell(f'{program(tmp_path, "print(1); return 0")} > /dev/full')
    assert status == ['1']
    assert error.splitlines()[1:] == [
        '  standard output: No space left on device -> free some space, or choose another folder'
    ]


def test_paths_as_a_person_types_them(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert relative_to_here(tmp_path / 'a' / 'b.json') == 'a/b.json'
    assert relative_to_here(tmp_path.parent) == str(tmp_path.parent)


def test_the_command_can_be_typed_again(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, 'argv', [str(tmp_path / 'tools' / 'x.py'), 'a b.json', '--to', 'lsp'])
    assert command_line() == "python tools/x.py 'a b.json' --to lsp"


def test_versions():
    assert {'python', 'hpemap_mm', 'numpy'} <= versions().keys()
