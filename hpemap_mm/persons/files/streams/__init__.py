"""Files of persons that are larger than memory: read, translated and written in batches."""

from hpemap_mm.persons.files.streams.answers import Summary
from hpemap_mm.persons.files.streams.paths import check_paths
from hpemap_mm.persons.files.streams.sources import open_source
from hpemap_mm.persons.files.streams.translate import translate_file

__all__ = ['Summary', 'check_paths', 'open_source', 'translate_file']
