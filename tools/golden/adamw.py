"""tests/golden/adamw.json: ten steps of torch.optim.AdamW on 37 numbers, float64 and float32. Run by make.py."""

from pathlib import Path

import torch

from oracle import GOLDEN, digits, made_by, write_json

SEED = 20261103
SIZE, STEPS = 37, 10
CASES = [
    {"name": "plain", "weight_decay": 0.0, "betas": [0.9, 0.999], "eps": 1e-8, "learning_rates": [0.01] * STEPS},
    {"name": "decayed", "weight_decay": 0.01, "betas": [0.9, 0.999], "eps": 1e-8, "learning_rates": [0.01] * STEPS},
    {
        "name": "scheduled",
        "weight_decay": 0.1,
        "betas": [0.8, 0.95],
        "eps": 1e-6,
        "learning_rates": [0.02 * i / STEPS for i in range(STEPS)],
    },
]


def gradients(generator: torch.Generator) -> torch.Tensor:
    """Single-precision numbers; the first columns are always zero, tiny, huge, of one sign, and zero from step 1 on."""
    values = torch.randn(STEPS, SIZE, generator=generator)
    values[:, 0] = 0
    values[:, 1] *= 1e-9
    values[:, 2] *= 1e4
    values[:, 3] = 0.5
    values[1:, 4] = 0
    return values


def run(case: dict, start: torch.Tensor, grads: torch.Tensor, dtype: torch.dtype, count: int) -> dict:
    parameter = torch.nn.Parameter(start.to(dtype))
    settings = {"betas": tuple(case["betas"]), "eps": case["eps"], "weight_decay": case["weight_decay"]}
    optimizer = torch.optim.AdamW([parameter], lr=0.0, **settings)
    steps = []
    for rate, gradient in zip(case["learning_rates"], grads.to(dtype), strict=True):
        optimizer.param_groups[0]["lr"] = rate
        parameter.grad = gradient.clone()
        optimizer.step()
        steps.append(digits(parameter.tolist(), count))
    state = optimizer.state[parameter]
    moments = {name: digits(state[name].tolist(), count) for name in ("exp_avg", "exp_avg_sq")}
    return {"parameters": steps} | moments


def make(minilm: Path, data: Path) -> None:
    generator = torch.Generator().manual_seed(SEED)
    start = torch.randn(SIZE, generator=generator)
    grads = gradients(generator)
    tolerance = {"float64_relative": 1e-12, "float32_parameters_absolute": 1e-6, "float32_moments_relative": 2e-6}
    precisions = {"float64": (torch.float64, 15), "float32": (torch.float32, 9)}
    cases = [
        case | {name: run(case, start, grads, dtype, count) for name, (dtype, count) in precisions.items()}
        for case in CASES
    ]
    write_json(
        GOLDEN / "adamw.json",
        {
            "made_by": made_by("adamw.py", SEED, tolerance, ("torch",)),
            "note": "start and gradients are exact in single precision; parameters has the values after each step; "
            "exp_avg and exp_avg_sq are those after the last",
            "start": digits(start.tolist(), 9),
            "gradients": digits(grads.tolist(), 9),
            "cases": cases,
        },
    )
