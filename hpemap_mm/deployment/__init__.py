"""Deployment: a trained model as a checked ONNX file, or one skeleton of it for plain MMPose."""

from hpemap_mm.deployment.check import OutputError
from hpemap_mm.deployment.export import ExportReport, export_onnx
from hpemap_mm.deployment.metadata import InputInfo, OnnxMetadata, OutputInfo, read_onnx_metadata
from hpemap_mm.deployment.runner import Keypoints, OnnxPose
from hpemap_mm.deployment.split import SplitReport, split_skeleton

__all__ = [
    'ExportReport',
    'InputInfo',
    'Keypoints',
    'OnnxMetadata',
    'OnnxPose',
    'OutputError',
    'OutputInfo',
    'SplitReport',
    'export_onnx',
    'read_onnx_metadata',
    'split_skeleton',
]
