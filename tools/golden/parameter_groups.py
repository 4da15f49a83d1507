"""tests/golden/freeze-tiny/groups_*.json: rates and decays of their own for some parameters. Run by make.py."""

import re
from dataclasses import replace
from pathlib import Path

import torch

from bert_tiny import MODEL, PLAN, curve_rows, summary
from bert_tiny_model import SEED, open_tiny
from curves import is_decayed, largest_relative, rounded, train
from lora import open_adapter
from oracle import GOLDEN, digits, made_by, write_json

FOLDER = GOLDEN / "freeze-tiny"
PLAN = replace(PLAN, steps=20, warmup_steps=2)
CASES = {  # in the words of a recipe; the first pattern that fits a name counts
    "full": [
        {"pattern": "word_embeddings", "learning_rate": 1e-4, "weight_decay": 0.2},
        {"pattern": "layer.0.attention", "learning_rate_scale": 0.25},
        {"pattern": r".*layer\.[01]\..*", "learning_rate_scale": 0.5, "weight_decay": 0.1},
        {"pattern": "LayerNorm", "weight_decay": 0.3},
        {"pattern": "classifier.bias", "learning_rate": 2e-3},
    ],
    "lora": [
        {"pattern": "lora_B", "learning_rate_scale": 8.0},
        {"pattern": "classifier", "learning_rate": 5e-5, "weight_decay": 0.5},
    ],
}
NOTE = (
    "groups of torch.optim.AdamW: what no pattern fits keeps the plan's rate and decay, as in bert-tiny/curve.json; a decay "
    "that is given holds for vectors too. A pattern fits whole names anywhere in a path, or as a regular expression all of it"
)


def fits(pattern: str, name: str) -> bool:
    return f".{pattern}." in f".{name}." or re.fullmatch(pattern, name) is not None


def plain(name: str) -> str:
    return name.removeprefix("base_model.model.").replace(".modules_to_save.default", "").replace(".default", "")


def optimizer(model: torch.nn.Module, wanted: list[dict]) -> torch.optim.AdamW:
    groups = []
    for name, parameter in model.named_parameters():
        own = next((group for group in wanted if fits(group["pattern"], plain(name))), {})
        rate = own.get("learning_rate", PLAN.learning_rate * own.get("learning_rate_scale", 1))
        decay = own.get("weight_decay", PLAN.weight_decay if is_decayed(name) else 0.0)
        groups.append({"params": [parameter], "lr": rate, "weight_decay": decay})
    return torch.optim.AdamW(groups, lr=PLAN.learning_rate, betas=PLAN.betas, eps=PLAN.eps)


def run(model: torch.nn.Module, wanted: list[dict]) -> tuple[dict, dict]:
    trained = [name for name, p in model.named_parameters() if p.requires_grad]
    curve = train(model, curve_rows(), PLAN, optimizer(model, wanted))
    final = summary(model)
    return curve, {plain(name): final[name] for name in trained}


def make(minilm: Path, data: Path) -> None:
    models = {"full": lambda dtype: open_tiny(MODEL, dtype), "lora": lambda dtype: open_adapter("plain", dtype)}
    for name, wanted in CASES.items():
        reference, final = run(models[name](torch.float64), wanted)
        single, _ = run(models[name](torch.float32), wanted)
        head = {"made_by": made_by("parameter_groups.py", SEED, {"loss_relative": 1e-5, "final_sums_relative": 5e-6})}
        body = {
            "reference": "float64",
            "note": NOTE,
            "plan": vars(PLAN),
            "groups": wanted,
            "pytorch_float32_error": digits(largest_relative(single, reference), 2),
            "float64": rounded({"loss": reference["loss"], "grad_norm": reference["grad_norm"]}),
            "final": final,
        }
        write_json(FOLDER / f"groups_{name}.json", head | body)
        print("freeze-tiny groups", name, reference["loss"][0], reference["loss"][-1])
