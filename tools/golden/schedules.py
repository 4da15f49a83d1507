"""tests/golden/schedules.json: learning rates from Transformers' get_scheduler. Run by make.py."""

from pathlib import Path

import torch
from transformers import get_scheduler

from oracle import GOLDEN, made_by, write_json

BASE = 5e-5
NAMES = ["linear", "cosine", "constant", "constant_with_warmup"]
SIZES = [(10, 0), (10, 3), (50, 5), (100, 10), (7, 7), (1, 0), (1, 1), (5, 10), (33, 1)]  # (steps, warm-up steps)


def rates(name: str, steps: int, warmup_steps: int) -> list[float]:
    """The learning rate of each step, and the one that would follow the last."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=BASE)
    scheduler = get_scheduler(name, optimizer, num_warmup_steps=warmup_steps, num_training_steps=steps)
    values = [scheduler.get_last_lr()[0]]
    for _ in range(steps):
        optimizer.step()
        scheduler.step()
        values.append(scheduler.get_last_lr()[0])
    return values


def make(minilm: Path, data: Path) -> None:
    cases = [
        {"name": name, "steps": steps, "warmup_steps": warmup, "learning_rates": rates(name, steps, warmup)}
        for name in NAMES
        for steps, warmup in SIZES
    ]
    write_json(
        GOLDEN / "schedules.json",
        {
            "made_by": made_by("schedules.py", None, {"relative": 1e-12}, ("torch", "transformers")),
            "note": "learning_rates has steps + 1 entries: the last is the rate after the last step",
            "base": BASE,
            "cases": cases,
        },
    )
