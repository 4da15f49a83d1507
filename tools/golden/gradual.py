"""tests/golden/freeze-tiny/gradual_*.json: layers that rest at first and open from the top. Run by make.py."""

import re
from dataclasses import replace
from pathlib import Path

import torch
from peft import PeftModel

from bert_tiny import MODEL, PLAN, curve_rows, summary
from bert_tiny_model import SEED, open_tiny
from curves import largest_relative, rounded, train
from lora import open_adapter
from oracle import GOLDEN, digits, made_by, write_json

FOLDER = GOLDEN / "freeze-tiny"
PLAN = replace(PLAN, steps=20, warmup_steps=2)
GROUPS = {  # from the top down; what comes first is trained from the start
    "head": r".*(pooler|classifier)\.",
    "layer 2": r".*encoder\.layer\.2\.",
    "layer 1": r".*encoder\.layer\.1\.",
    "layer 0": r".*encoder\.layer\.0\.",
    "embeddings": r".*embeddings\.",
}
NOTE = (
    "after `at` steps each the groups open, from the top down (requires_grad is switched on between two steps): until then "
    "AdamW neither moves nor decays them, and counts their steps from their first one. grad_norm and clipping are of what is "
    "open. final as in bert-tiny/curve.json"
)


def group_of(name: str) -> int:
    return next(i for i, match in enumerate(GROUPS.values()) if re.match(match, name))


def run(model: torch.nn.Module, at: list[int]) -> tuple[dict, dict]:
    trained = {name: p for name, p in model.named_parameters() if p.requires_grad}

    def let_open(step: int) -> None:
        for name, p in trained.items():
            p.requires_grad_(step >= [0, *at][group_of(name)])

    let_open(0)
    curve = train(model, curve_rows(), PLAN, after_update=let_open)
    final = summary(model)
    return curve, {name: final[name] for name in trained}


def write_case(name: str, opened, at: list[int]) -> None:
    reference, final = run(opened(torch.float64), at)
    single, _ = run(opened(torch.float32), at)
    plain = {key.replace(".modules_to_save.default", "").replace(".default", ""): value for key, value in final.items()}
    write_json(
        FOLDER / f"gradual_{name}.json",
        {
            "made_by": made_by("gradual.py", SEED, {"loss_relative": 1e-5, "final_sums_relative": 5e-6}),
            "reference": "float64",
            "note": NOTE,
            "plan": vars(PLAN),
            "at": at,
            "pytorch_float32_error": digits(largest_relative(single, reference), 2),
            "float64": rounded(reference),
            "final": plain,
        },
    )
    print("freeze-tiny gradual", name, reference["loss"][0], reference["loss"][-1])


def lora(dtype: torch.dtype) -> PeftModel:
    return open_adapter("plain", dtype)


def make(minilm: Path, data: Path) -> None:
    write_case("full", lambda dtype: open_tiny(MODEL, dtype), [3, 6, 10, 14])
    write_case("lora", lora, [4, 8, 13])
