"""tests/golden/weighted_loss.json: PyTorch's cross entropy with class weights and label smoothing. Run by make.py."""

from pathlib import Path

import numpy as np
import torch
from sklearn.utils.class_weight import compute_class_weight

from oracle import GOLDEN, digits, made_by, write_json

SEED = 20261124
IGNORED = -100
# (name, labels, weights, label smoothing); the third row of each case has no label
CASES = [
    ("two labels", 2, [0.6, 3.0], 0.0),
    ("two labels, smoothed", 2, [0.6, 3.0], 0.1),
    ("five labels", 5, [1.0, 0.25, 2.5, 1.0, 7.0], 0.0),
    ("five labels, smoothed", 5, [1.0, 0.25, 2.5, 1.0, 7.0], 0.3),
    ("smoothed alone", 5, None, 0.3),
]


def loss_case(name: str, classes: int, weights: list[float] | None, smoothing: float) -> dict:
    """`mean` is what PyTorch divides once; `sum` and the gradient of the mean go with it."""
    logits = (2 * torch.randn(7, classes, dtype=torch.float64)).requires_grad_()
    labels = torch.randint(0, classes, (7,))
    labels[2] = IGNORED
    weight = torch.tensor(weights, dtype=torch.float64) if weights else None
    given = {"weight": weight, "label_smoothing": smoothing}
    total = torch.nn.functional.cross_entropy(logits, labels, reduction="sum", **given)
    mean = torch.nn.functional.cross_entropy(logits, labels, reduction="mean", **given)
    (gradient,) = torch.autograd.grad(mean, logits)
    return {
        "name": name,
        "weights": weights,
        "label_smoothing": smoothing,
        "labels": labels.tolist(),
        "logits": logits.tolist(),
        "sum": total.item(),
        "mean": mean.item(),
        "gradient_of_mean": digits(gradient.tolist()),
    }


def balanced_case(counts: list[int]) -> dict:
    labels = [label for label, count in enumerate(counts) for _ in range(count)]
    weights = compute_class_weight("balanced", classes=np.arange(len(counts)), y=labels)
    return {"counts": counts, "weights": weights.tolist()}


def make(minilm: Path, data: Path) -> None:
    torch.manual_seed(SEED)
    write_json(
        GOLDEN / "weighted_loss.json",
        {
            "made_by": made_by("weighted_loss.py", SEED, {"relative": 1e-6}, ("torch", "scikit-learn")),
            "cases": [loss_case(*case) for case in CASES],
            "balanced": [balanced_case(counts) for counts in ([90, 10], [1, 1, 1], [1, 7, 42, 50])],
        },
    )
