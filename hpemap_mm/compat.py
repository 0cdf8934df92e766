"""MMPose 1.3 on today's PyTorch, with no compiler.

MMPose 1.3.2 imports three things that no longer install, or take an hour of compiling:

``mmcv.ops``
    is there in the full mmcv only. With mmcv-lite, ``import mmpose.models`` fails on
    ``MultiScaleDeformableAttention`` (EDPose).
``mmdet.utils``
    ``ConfigType`` and ``reduce_mean``, for RTMO.
``xtcocotools``
    its wheel is built against numpy 1. faster-coco-eval answers in its place
    (:mod:`hpemap_mm.compat_xtcocotools`).

:func:`install` puts two import finders into ``sys.meta_path``. They create a stand-in only
when the import system has nothing real to offer, so that in an environment with the full
mmcv, mmdet or xtcocotools this module changes nothing. Using what is stood in for raises an
ImportError that says what to install; importing it does not.
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import sys
import types
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

#: What a user must install to get the real thing, by top-level package.
INSTALL = {
    'mmcv': 'the full mmcv in place of mmcv-lite (`pip uninstall mmcv-lite; pip install mmcv`)',
    'mmdet': 'MMDetection (`pip install mmdet`)',
    'xtcocotools': 'xtcocotools (`pip install xtcocotools`; it needs numpy 1)',
}


def missing(name: str) -> ModuleNotFoundError:
    """The error for using ``name``, a thing that is only stood in for.

    It is the ImportError that the real situation raises, and that callers catch.
    """
    package = name.partition('.')[0]
    return ModuleNotFoundError(
        f'{name} is not available: hpemap_mm stands in for it so that MMPose can be imported. '
        f'To use it, install {INSTALL[package]}.',
        name=name,
    )


class _MissingClassMeta(type):
    """Raises when the class is instantiated, not when it is imported."""

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        raise missing(cls.stands_for)  # type: ignore[attr-defined]


def _missing_class(name: str) -> type:
    """A class that can be imported and compared, and raises when it is instantiated."""
    module, _, short = name.rpartition('.')
    return _MissingClassMeta(short, (), {'stands_for': name, '__module__': module})


def _missing_function(name: str) -> Callable[..., Any]:
    """A function that can be imported, and raises when it is called."""

    def stand_in(*args: Any, **kwargs: Any) -> Any:
        raise missing(name)

    stand_in.__module__, _, stand_in.__name__ = name.rpartition('.')
    stand_in.__qualname__ = stand_in.__name__
    return stand_in


def _fill_mmcv_ops(module: types.ModuleType) -> None:
    module.__dict__['MultiScaleDeformableAttention'] = _missing_class(
        'mmcv.ops.MultiScaleDeformableAttention'
    )


def _fill_multi_scale_deform_attn(module: types.ModuleType) -> None:
    # mmcv-lite looks here when it is imported, and warns where it finds nothing.
    parent = sys.modules['mmcv.ops']
    module.__dict__['MultiScaleDeformableAttention'] = parent.MultiScaleDeformableAttention


def _fill_mmdet_utils(module: types.ModuleType) -> None:
    # A type alias, used in annotations only.
    module.__dict__['ConfigType'] = dict[str, Any]
    module.__dict__['reduce_mean'] = _missing_function('mmdet.utils.reduce_mean')


def _fill_nothing(module: types.ModuleType) -> None:
    """For packages that only have to exist."""


class _StandInLoader(importlib.abc.Loader):
    """Makes one stand-in module."""

    fillers: ClassVar[dict[str, Any]] = {
        'mmcv.ops': _fill_mmcv_ops,
        'mmcv.ops.multi_scale_deform_attn': _fill_multi_scale_deform_attn,
        'mmdet': _fill_nothing,
        'mmdet.utils': _fill_mmdet_utils,
    }

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> types.ModuleType:
        module = types.ModuleType(spec.name, f'Stand-in of hpemap_mm for {spec.name}.')

        def module_getattr(attribute: str) -> Any:
            # Dunder look-ups are the import system's and inspect's: they expect AttributeError.
            if attribute.startswith('__'):
                raise AttributeError(attribute)
            raise missing(f'{spec.name}.{attribute}')

        module.__dict__['__getattr__'] = module_getattr
        return module

    def exec_module(self, module: types.ModuleType) -> None:
        self.fillers[module.__name__](module)


class _XtcocotoolsLoader(importlib.abc.Loader):
    """Serves ``xtcocotools`` and its three modules from the adapter."""

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> types.ModuleType:
        return types.ModuleType(spec.name, 'Adapter of hpemap_mm over faster-coco-eval.')

    def exec_module(self, module: types.ModuleType) -> None:
        from hpemap_mm import compat_xtcocotools

        compat_xtcocotools.fill(module)


def _spec(
    name: str, loader: importlib.abc.Loader, *, is_package: bool
) -> importlib.machinery.ModuleSpec:
    # No origin: mmengine.utils.is_installed() then answers that the package is absent.
    return importlib.machinery.ModuleSpec(
        name, loader, origin=None, loader_state=__name__, is_package=is_package
    )


class AbsentPackageFinder(importlib.abc.MetaPathFinder):
    """Last in ``sys.meta_path``: reached only when nothing real was found."""

    loaders: ClassVar[dict[str, type[importlib.abc.Loader]]] = {
        'mmcv.ops.multi_scale_deform_attn': _StandInLoader,
        'mmdet': _StandInLoader,
        'mmdet.utils': _StandInLoader,
        'xtcocotools': _XtcocotoolsLoader,
        'xtcocotools.coco': _XtcocotoolsLoader,
        'xtcocotools.cocoeval': _XtcocotoolsLoader,
        'xtcocotools.mask': _XtcocotoolsLoader,
    }

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: Any = None
    ) -> importlib.machinery.ModuleSpec | None:
        """Offer a stand-in for mmdet, mmdet.utils and xtcocotools' modules."""
        if fullname not in self.loaders:
            return None
        parent = fullname.rpartition('.')[0]
        if parent and not is_stand_in(sys.modules[parent]):
            return None  # a real package that merely lacks this module
        return _spec(fullname, self.loaders[fullname](), is_package=not parent)


class MmcvOpsFinder(importlib.abc.MetaPathFinder):
    """First in ``sys.meta_path``: mmcv-lite ships ``mmcv/ops`` without the compiled half."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: Any = None
    ) -> importlib.machinery.ModuleSpec | None:
        """Offer a stand-in for ``mmcv.ops`` where ``mmcv._ext`` is not there."""
        if fullname != 'mmcv.ops' or 'mmcv._ext' in sys.modules:
            return None
        # `path` is mmcv.__path__: mmcv itself has been imported by now, or is absent.
        if importlib.machinery.PathFinder.find_spec('mmcv._ext', path) is not None:
            return None
        return _spec(fullname, _StandInLoader(), is_package=True)


def is_stand_in(module: types.ModuleType) -> bool:
    """Whether a module was made here."""
    # By name, not by class: stays true when this module is reloaded.
    return getattr(getattr(module, '__spec__', None), 'loader_state', None) == __name__


def stand_ins() -> list[str]:
    """Names of the imported modules that are stand-ins, sorted."""
    # A copy: another thread may be importing.
    modules = sys.modules.copy().items()
    return sorted(name for name, module in modules if module is not None and is_stand_in(module))


def install() -> None:
    """Put the finders into ``sys.meta_path``; imports nothing. Safe to repeat."""
    others = [finder for finder in sys.meta_path if type(finder).__module__ != __name__]
    sys.meta_path[:] = [MmcvOpsFinder(), *others, AbsentPackageFinder()]
