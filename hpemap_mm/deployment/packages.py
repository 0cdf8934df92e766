"""The optional packages of deployment."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec

from hpemap_mm.errors import DataError, Problem

#: Needed to write an ONNX file; onnxruntime alone runs one.
TO_EXPORT = ('onnx', 'onnxscript', 'onnxruntime')
TO_RUN = ('onnxruntime',)


def require(packages: Sequence[str], *, where: str) -> None:
    """Check that optional packages are installed.

    Args:
        packages: Their import names.
        where: Who needs them, for the message.

    Raises:
        DataError: Some are not; says how to install them.
    """
    missing = [name for name in packages if find_spec(name) is None]
    if missing:
        verb = 'is' if len(missing) == 1 else 'are'
        what = f'{", ".join(missing)} {verb} not installed'
        raise DataError([Problem(where, what, "pip install 'hpemap_mm[export]'")])
