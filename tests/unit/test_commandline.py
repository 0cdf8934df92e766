"""Tools' errors as messages, and what a run says of itself."""

import sys

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
