"""Files that are either complete or absent; see :mod:`hpemap_mm.files`."""

from hpemap_mm.files import atomic_path, write_json

__all__ = ['atomic_path', 'write_json']
