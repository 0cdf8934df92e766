"""Datasets of persons, in and out of the formats that other people's tools read."""

from hpemap_mm.persons.interchange.convert import FORMATS, Report, convert_dataset

__all__ = ['FORMATS', 'Report', 'convert_dataset']
