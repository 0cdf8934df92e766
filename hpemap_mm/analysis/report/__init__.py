"""The report: one self-contained html page, and the same figures as json, from plain data.

.. code-block:: python

    figure = Figure(value=0.88, low=0.87, high=0.89, joints=14, instances=2958)
    matrix = Matrix(
        title='Every representation on every dataset',
        metrics=['PCKh'],
        representations=['coco'],
        datasets=['mpii_val'],
        cells={('coco', 'mpii_val'): Cell(figures={'PCKh': figure})},
    )
    write_report('report.html', Report(title='COCO on MPII', sections=[
        Section(title='The matrix', blocks=[matrix]),
    ]))
"""

from hpemap_mm.analysis.report.blocks import Block, Column, Picture, Pictures, Table, Text
from hpemap_mm.analysis.report.body import StandingBody, standing_body
from hpemap_mm.analysis.report.document import About, Flag, Report, Section
from hpemap_mm.analysis.report.figures import Bar, Bars, Cloud, Clouds, Offset, Offsets
from hpemap_mm.analysis.report.matrix import Cell, Figure, JointFigure, Matrix, Metric
from hpemap_mm.analysis.report.page import render, write_report
from hpemap_mm.analysis.report.pictures import encode_picture
from hpemap_mm.analysis.report.plain import to_plain

__all__ = [
    'About',
    'Bar',
    'Bars',
    'Block',
    'Cell',
    'Cloud',
    'Clouds',
    'Column',
    'Figure',
    'Flag',
    'JointFigure',
    'Matrix',
    'Metric',
    'Offset',
    'Offsets',
    'Picture',
    'Pictures',
    'Report',
    'Section',
    'StandingBody',
    'Table',
    'Text',
    'encode_picture',
    'render',
    'standing_body',
    'to_plain',
    'write_report',
]
