"""Where a keypoint of a completed dataset comes from."""

from __future__ import annotations

#: By the code that files and arrays hold (the place in this tuple):
#: nothing; the dataset's own annotation; the ontology, from annotated joints; a translator, from
#: annotated joints; a model, from the image; several of the last three together.
PROVENANCE = ('none', 'gt', 'derived', 'translated', 'predicted', 'fused')

NONE, GT, DERIVED, TRANSLATED, PREDICTED, FUSED = range(len(PROVENANCE))

#: What a source that is not the annotation is called; fusing is no source of its own.
SOURCES = ('derived', 'translated', 'predicted')
