"""tests/golden/sampling.json: scores after Transformers' penalties and limits. Run by make.py."""

from pathlib import Path

import torch
from transformers.generation import logits_process as processors

from oracle import GOLDEN, digits, made_by, write_json

SEED = 20261125
TOKENS = 40
CASES = {
    "temperature": {"temperature": 0.7},
    "top_k": {"temperature": 1.0, "top_k": 5},
    "top_p": {"temperature": 1.0, "top_p": 0.8},
    "top_p_small": {"temperature": 1.0, "top_p": 0.05},
    "min_p": {"temperature": 1.0, "min_p": 0.1},
    "repetition": {"temperature": 1.0, "repetition_penalty": 1.3},
    "all": {
        "temperature": 1.6,
        "top_k": 20,
        "top_p": 0.9,
        "min_p": 0.03,
        "repetition_penalty": 1.2,
        "logit_bias": {"3": 1.5, "7": -2.0},
    },
}


def chain(settings: dict) -> list:
    """In the order of GenerationMixin._get_logits_processor."""
    made = []
    if "logit_bias" in settings:
        bias = [[[int(key)], value] for key, value in settings["logit_bias"].items()]
        made.append(processors.SequenceBiasLogitsProcessor(bias))
    if "repetition_penalty" in settings:
        made.append(processors.RepetitionPenaltyLogitsProcessor(settings["repetition_penalty"]))
    made.append(processors.TemperatureLogitsWarper(settings["temperature"]))
    if "top_k" in settings:
        made.append(processors.TopKLogitsWarper(settings["top_k"]))
    if "top_p" in settings:
        made.append(processors.TopPLogitsWarper(settings["top_p"]))
    if "min_p" in settings:
        made.append(processors.MinPLogitsWarper(settings["min_p"]))
    return made


def make(minilm: Path, data: Path) -> None:
    generator = torch.Generator().manual_seed(SEED)
    logits = 3 * torch.randn(TOKENS, generator=generator, dtype=torch.float64)
    prompt, generated = [3, 5, 3, 9], [7, 1, 7, 7, 30]
    cases = {}
    for name, settings in CASES.items():
        scores = logits.clone().unsqueeze(0)
        for process in chain(settings):
            scores = process(torch.tensor([prompt + generated]), scores)
        left = [None if torch.isinf(value) else digits(value) for value in scores[0]]
        cases[name] = {"settings": settings, "scores": left}
    write_json(
        GOLDEN / "sampling.json",
        {
            "made_by": made_by("sampling.py", SEED, {"absolute": 1e-8}),
            "note": "null is a token that is not drawn from",
            "logits": digits(logits.tolist()),
            "prompt": prompt,
            "generated": generated,
            "cases": cases,
        },
    )
