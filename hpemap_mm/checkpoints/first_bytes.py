"""What a file is, by its first bytes, and what a pickle in it would have to call."""

from __future__ import annotations

import pickletools
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Literal

from hpemap_mm.errors import DataError, Problem

Container = Literal['zip', 'pickle', 'safetensors']

#: How a file of torch.save begins that is no zip: its magic number, pickled.
_TORCH_PICKLE = b'\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.'
_PASS = 'pass a file of weights: .pth, .bin or .safetensors'
_AGAIN = 'copy it again, or use another checkpoint'
#: What is often saved under the name of a checkpoint: beginning, what it is, what to do.
_OTHERS = (
    (rb'\s*<(!doctype\s+)?html|\s*<\?xml', 'it is a web page, not weights', 'download it again'),
    (
        rb'version https://git-lfs',
        'it is a pointer of git-lfs, not the weights',
        'run `git lfs pull` where it was cloned, or download the file itself',
    ),
    (rb'\x1f\x8b|\xfd7zXZ|BZh|7z\xbc\xaf', 'it is compressed', 'unpack it first'),
    (rb'\x89HDF', 'it is an HDF5 file, as Keras writes', _PASS),
)
#: What a pickle of weights names: it makes tensors and dicts, and nothing else.
_HARMLESS = re.compile(
    r'collections\.(OrderedDict|Counter)|_codecs\.encode|(builtins|__builtin__)\.(bytearray|set|complex)'
    r'|torch\.(\w+\.)?(\w+\.)?\w*(Storage|Tensor)|torch\.nn\.parameter\.Parameter'
    r'|torch\.(Size|device|bool|u?q?u?int\w+|b?float\w+|complex\d+|bits\w+|per_\w+)'
    r'|torch\._utils\._rebuild_\w+|torch\._tensor\._rebuild_from_type_v2'
    r'|torch\.serialization\._get_layout'
    r'|numpy\.(dtype|ndarray|dtypes\.\w+DType|_?core\.multiarray\.(_reconstruct|scalar))'
)
#: Where a pickle finds what does anything at all.
_DANGEROUS = re.compile(
    r'(os|posix|nt|subprocess|sys|shutil|socket|runpy|pty|importlib|ctypes|webbrowser|code|pickle)\.'
    r'|(builtins|__builtin__)\.(eval|exec|compile|open|setattr|__import__|breakpoint)'
    r'|(operator|functools|_operator|_functools)\.'
)


def container_of(path: Path) -> Container:
    """How the weights are packed, by content: the name does not matter.

    Raises:
        DataError: The file is no checkpoint, is cut off, or would unpack to more than it is.
    """
    with path.open('rb') as file:
        start = file.read(512)
    # The length of a header in json, and the header.
    if start[8:9] == b'{' and start[4:8] == bytes(4):
        return 'safetensors'
    if start.startswith(b'PK\x03\x04'):
        _check_zip(path)
        return 'zip'
    for beginning, what, fix in _OTHERS:
        if re.match(beginning, start, re.IGNORECASE):
            raise _error(path, what, fix)
    if start.startswith(_TORCH_PICKLE):
        return 'pickle'
    if re.match(rb'\x80[\x02-\x05]', start) or _is_text_pickle(path):
        names = [*pickled_globals(path)]
        if names:
            raise _error(path, *executes(names))
        what = 'it is a plain pickle, no checkpoint of PyTorch'
        raise _error(path, what, 'write it with torch.save or as safetensors')
    what = f'it is no checkpoint: it begins with {start[:16]!r}'
    raise _error(path, what, _PASS)


def executes(names: list[str]) -> tuple[str, str]:
    """What is wrong with a pickle that names these, and what to do."""
    names = sorted(set(names))
    bad = [name for name in names if _DANGEROUS.match(name)]
    more = f' and {len(names) - 5} more' if len(names) > 5 else ''
    shown = ', '.join([*bad, *(name for name in names if name not in bad)][:5]) + more
    what = f'reading it would execute code ({shown})'
    if bad:
        return what, f'do not open it: no weights need {bad[0]}, which may do anything'
    if any(name.startswith('mmengine.') for name in names):
        return what, (
            "it is a training checkpoint with MMEngine's logs: write its weights alone with "
            "MMPose's tools/misc/publish_model.py, where you trust the file"
        )
    return what, 'get the weights as a plain state dict or safetensors from whoever made the file'


def pickled_globals(path: Path) -> Iterator[str]:
    """What the pickles in a file would import and call, read without doing so."""
    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                for name in archive.namelist():
                    if name.endswith('.pkl'):
                        with archive.open(name) as file:
                            yield from _globals(file)
        else:
            with path.open('rb') as file:
                # A magic number, a version, the system's sizes, the content, the storages' keys.
                for _ in range(5):
                    yield from _globals(file)
    except Exception:  # noqa: BLE001 - a damaged pickle; what was found before is of use
        return


def _globals(file: IO[bytes]) -> Iterator[str]:
    """Of one pickle, those that weights do not need."""
    strings: list[str] = []
    memo: dict[object, str] = {}
    for opcode, value, _ in pickletools.genops(file):
        found = ''
        if opcode.name in ('GLOBAL', 'INST'):
            found = str(value).replace(' ', '.')
        elif opcode.name == 'STACK_GLOBAL':
            found = '.'.join(strings[-2:])
        elif isinstance(value, str) and 'UNICODE' in opcode.name or opcode.name == 'STRING':
            strings.append(str(value))
        elif opcode.name == 'MEMOIZE':
            memo[len(memo)] = strings[-1] if strings else ''
        elif opcode.name in ('PUT', 'BINPUT', 'LONG_BINPUT'):
            memo[value] = strings[-1] if strings else ''
        elif opcode.name in ('GET', 'BINGET', 'LONG_BINGET'):
            strings.append(memo.get(value, ''))
        if found and not _HARMLESS.fullmatch(found):
            yield found


def _is_text_pickle(path: Path) -> bool:
    """Protocol 0 has no magic; text that parses to its end is one."""
    try:
        with path.open('rb') as file:
            return sum(1 for _ in zip(pickletools.genops(file), range(10_000), strict=False)) > 1
    except Exception:  # noqa: BLE001 - genops raises what it likes
        return False


def _check_zip(path: Path) -> None:
    """PyTorch's zips store their entries as they are."""
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
    except Exception as error:  # zipfile raises what it likes
        raise _error(path, 'the file is damaged: a zip that is cut off', _AGAIN) from error
    names = [entry.filename.rpartition('/')[2] for entry in entries]
    if 'constants.pkl' in names:
        what = 'it is a TorchScript program, not weights'
        raise _error(path, what, 'save the state_dict of the model that it was made of')
    size, packed = path.stat().st_size, [e.filename for e in entries if e.compress_type]
    unpacked = sum(entry.file_size for entry in entries)
    if packed or unpacked > size:
        what = f'its {size} bytes would unpack to {unpacked}, and torch.save packs nothing'
        raise _error(path, what, 'unpack it where it is a zip of a checkpoint; use another if not')
    if 'data.pkl' not in names:
        what = f'it is a zip without weights of PyTorch (of {", ".join(names[:3]) or "nothing"})'
        raise _error(path, what, 'pass the file of weights, which may be in it')


def _error(path: Path, what: str, fix: str) -> DataError:
    return DataError([Problem(str(path), what, fix)])
