"""Runs of tools/complete_dataset.py that can be killed, from one process that imports once.

Importing torch and MMPose takes longer than completing a small world, so a server imports them and
forks a process for each run. Also used by benchmarks/complete_kill.py.
"""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

SERVER = """
import json, os, runpy, sys, time, warnings

warnings.simplefilter('ignore')
root, tool = sys.argv[1], sys.argv[2]
sys.path.insert(0, root)
import hpemap_mm
import hpemap_mm.apis, hpemap_mm.engine.completion_run, hpemap_mm.engine.completion_settings
# What is imported when it is first needed.
import mmpose.datasets, mmpose.models, timm
import hpemap_mm.datasets.registered, hpemap_mm.translators.registered

module = runpy.run_path(tool)
print('ready', flush=True)
for line in sys.stdin:
    request = json.loads(line)
    pid = os.fork()
    if not pid:
        os.setsid()
        log = os.open(request['log'], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(log, 1), os.dup2(log, 2)
        os.environ.update(request['environment'])
        sys.argv = [tool, *request['arguments']]
        from hpemap_mm.commandline import run_tool
        run_tool(module['main'])
    begun = time.monotonic()
    last = request['kill_after']
    ended = 0
    while last is not None and not ended and time.monotonic() - begun < last:
        ended, status = os.waitpid(pid, os.WNOHANG)
        time.sleep(0.002)
    if not ended:
        if last is not None:
            os.kill(pid, 9)  # itself only: its children must end by themselves
        _, status = os.waitpid(pid, 0)
    print(os.waitstatus_to_exitcode(status), time.monotonic() - begun, flush=True)
"""


class Server:
    """Runs the tool again and again; one run at a time."""

    def __init__(self, root: Path, **environment: str) -> None:
        self.environment = environment
        self._process = subprocess.Popen(
            [sys.executable, '-c', SERVER, str(root), str(root / 'tools' / 'complete_dataset.py')],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, 'OMP_NUM_THREADS': '1', **environment},
        )
        assert self._read() == 'ready'

    def run(
        self,
        *arguments: object,
        log: Path,
        kill_after: float | None = None,
        **environment: str,
    ) -> tuple[int, float]:
        """Run the tool; its status (-9 where it was killed) and seconds."""
        request = {
            'arguments': [str(argument) for argument in arguments],
            'log': str(log),
            'environment': environment,
            'kill_after': kill_after,
        }
        self._process.stdin.write(json.dumps(request) + '\n')
        self._process.stdin.flush()
        status, seconds = self._read().split()
        return int(status), float(seconds)

    def close(self) -> None:
        self._process.stdin.close()
        self._process.wait(60)

    def _read(self) -> str:
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError('the server ended')
        return line.strip()


def digests(folder: Path) -> dict[str, str]:
    """SHA-256 of all files below a folder, by path."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob('*'))
        if path.is_file()
    }
