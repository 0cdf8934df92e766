"""No gradient from joints without a label, whatever their target holds."""

# N samples, K joints

from __future__ import annotations

from typing import Any

from mmpose.models.losses.classification_loss import KLDiscretLoss
from mmpose.models.losses.regression_loss import RLELoss
from torch import Tensor, nn


def mask_targets(target: Any, weights: Tensor) -> Any:
    """Set the targets of unlabelled joints to zero, so that they are not read.

    A weight of 0 alone is not enough: ``0 * NaN`` is NaN, and one such target spoils the loss
    of the batch.

    Args:
        target: A tensor (N, m * K, ...) with m channels per joint, or a tuple or list of them.
        weights: (N, K) or (N, K, 1); 0 where the joint is not labelled.

    Returns:
        The same structure; a tensor whose leading shape does not fit the weights is unchanged.
    """
    if isinstance(target, (tuple, list)):
        return type(target)(mask_targets(part, weights) for part in target)
    if weights.ndim == 3 and weights.shape[-1] == 1:
        weights = weights.squeeze(-1)
    if weights.ndim != 2 or not isinstance(target, Tensor) or target.ndim < 2:
        return target
    count, joints = weights.shape
    if target.shape[0] != count or joints == 0 or target.shape[1] % joints:
        return target
    unlabelled = (weights == 0).repeat_interleave(target.shape[1] // joints, dim=1)
    return target.masked_fill(unlabelled.reshape(*unlabelled.shape, *[1] * (target.ndim - 2)), 0)


def _mask_arguments(module: nn.Module, args: tuple[Any, ...]) -> tuple[Any, ...] | None:
    """Forward pre-hook of a loss called as ``loss(*predictions, target, weights)``."""
    predictions = 2 if isinstance(module, RLELoss) else 1
    if len(args) != predictions + 2 or not isinstance(args[-1], Tensor):
        return None
    return (*args[:-2], mask_targets(args[-2], args[-1]), args[-1])


def guard_losses(head: nn.Module) -> None:
    """Make every loss of a head ignore the targets of unlabelled joints.

    With that, the gradient at the output of a joint of weight 0 is exactly 0 for MMPose's
    ``KeypointMSELoss``, ``KLDiscretLoss``, ``RLELoss`` and ``SmoothL1Loss`` (with
    ``use_target_weight=True``) and for this package's losses.

    Args:
        head: Any MMPose head; its ``loss_module`` gets the hook, once.

    Raises:
        ValueError: If a loss is told to ignore the weights (``use_target_weight=False``).
    """
    losses = getattr(head, 'loss_module', None)
    for loss in losses if isinstance(losses, nn.ModuleList) else [losses]:
        if loss is None or getattr(loss, '_hpemap_guarded', False):
            continue
        if getattr(loss, 'use_target_weight', True) is False:
            raise ValueError(
                f'{type(loss).__name__} of {type(head).__name__} ignores the joint weights, so '
                'that unlabelled joints would be trained: set use_target_weight=True'
            )
        loss.register_forward_pre_hook(_mask_arguments)
        loss._hpemap_guarded = True


def per_sample_factor(head: nn.Module, count: int) -> float:
    """What turns a head's loss over ``count`` samples into the mean over samples.

    MMPose's ``KLDiscretLoss`` sums over the samples of a batch; the other losses take their
    mean. Only means combine by the samples' shares, over heads as over processes.
    """
    return 1.0 / count if isinstance(getattr(head, 'loss_module', None), KLDiscretLoss) else 1.0
