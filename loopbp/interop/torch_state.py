"""A PyTorch model for one pass: afterwards everything in it is as it was."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch


@contextmanager
def borrowed(model: Any, dtype: Any = None) -> Iterator[None]:
    """Within the block the model's numbers are of this dtype; nothing that happens to them stays.

    The parameters stay the objects that they are, so that a loss which holds some of them, as a
    penalty does, sees the same numbers as the model. Buffers, which a batch normalisation updates,
    and the state of the random numbers, which a dropout draws, come back too.
    """
    buffers = [(module, dict(module._buffers)) for module in model.modules()]
    tensors = dict.fromkeys([*model.parameters(), *model.buffers()])
    numbers = {tensor: tensor.data for tensor in tensors}
    copies = {buffer: buffer.data.clone() for buffer in model.buffers()}
    devices = {tensor.device for tensor in tensors if tensor.device.type == "cuda"}
    with torch.random.fork_rng(devices=devices):
        try:
            for tensor, data in numbers.items():
                if dtype is not None and tensor.is_floating_point():
                    tensor.data = data.to(dtype)
            yield
        finally:
            for tensor, data in numbers.items():
                tensor.data = data
            for module, kept in buffers:
                module._buffers.update(kept)
            for buffer, copy in copies.items():
                buffer.data.copy_(copy)
