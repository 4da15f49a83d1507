"""Trains a model for a few steps as Hugging Face's Trainer would, dropout off. Not run by itself."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from transformers import get_linear_schedule_with_warmup

from oracle import digits, pad, summed_loss


@dataclass
class Plan:
    """One training run; `micro_batches` are rows per forward pass and add up to the batch."""

    learning_rate: float
    steps: int
    warmup_steps: int
    micro_batches: list[int]
    weight_decay: float = 0.01
    max_grad_norm: float = 1.0
    betas: tuple[float, float] = (0.9, 0.999)
    eps: float = 1e-8


def is_decayed(name: str) -> bool:
    return not name.endswith("bias") and "LayerNorm" not in name


def make_optimizer(model: torch.nn.Module, plan: Plan) -> torch.optim.AdamW:
    groups = [
        {
            "params": [p for name, p in model.named_parameters() if is_decayed(name) == decayed],
            "weight_decay": plan.weight_decay if decayed else 0.0,
        }
        for decayed in (True, False)
    ]
    return torch.optim.AdamW(groups, lr=plan.learning_rate, betas=plan.betas, eps=plan.eps)


def mean_loss(model: torch.nn.Module, inputs: dict, labels: torch.Tensor) -> torch.Tensor:
    return summed_loss(model(**inputs).logits, labels) / len(labels)


def train(
    model: torch.nn.Module,
    rows: list[dict],
    plan: Plan,
    optimizer: torch.optim.Optimizer | None = None,
    objective: Callable = mean_loss,
    after_update: Callable[[int], None] = lambda step: None,
    collate: Callable[[list[dict]], dict] = pad,
) -> dict[str, list[float]]:
    """Rows in file order, again from the first after the last. The loss of a step is the mean of its micro-batches'."""
    model.eval()  # no dropout; gradients flow all the same
    optimizer = optimizer or make_optimizer(model, plan)
    scheduler = get_linear_schedule_with_warmup(optimizer, plan.warmup_steps, plan.steps)
    curve = {"loss": [], "learning_rate": [], "grad_norm": []}
    batch, cursor = sum(plan.micro_batches), 0
    for step in range(plan.steps):
        total = 0.0
        for count in plan.micro_batches:
            inputs = collate([rows[(cursor + i) % len(rows)] for i in range(count)])
            labels = inputs.pop("labels")
            loss = objective(model, inputs, labels) * (count / batch)
            loss.backward()
            total += loss.item()
            cursor += count
        norm = torch.nn.utils.clip_grad_norm_(model.parameters(), plan.max_grad_norm)
        curve["loss"].append(total)
        curve["learning_rate"].append(scheduler.get_last_lr()[0])
        curve["grad_norm"].append(norm.item())
        optimizer.step()
        after_update(step + 1)
        scheduler.step()
        optimizer.zero_grad()
    return curve


def rounded(curve: dict[str, list[float]]) -> dict[str, list[float]]:
    return {name: digits(values) for name, values in curve.items()}


def largest_relative(curve: dict, reference: dict, field: str = "loss") -> float:
    """The largest |a − b| / |b| over the steps."""
    return max(abs(a - b) / abs(b) for a, b in zip(curve[field], reference[field], strict=True))
