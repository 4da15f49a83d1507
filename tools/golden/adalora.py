"""tests/golden/adalora-tiny: AdaLoRA of PEFT before and after it gave up ranks, and how it did. Run by make.py."""

from dataclasses import replace
from pathlib import Path

import torch
from peft import PeftModel

from bert_tiny import MODEL, PLAN, curve_rows, step0_rows
from bert_tiny_model import open_tiny
from curves import largest_relative, rounded, train
from lora import probes
from methods import BASE, moved_model
from oracle import GOLDEN, digits, made_by, pad, relative_difference, write_json, write_tensors
from peft_models import merged_of, save_model, trained

FOLDER = GOLDEN / "adalora-tiny"
STEPS = 20
PLAN = replace(PLAN, steps=STEPS)
SETTINGS = {
    "init_r": 6,
    "target_r": 2,
    "tinit": 3,
    "tfinal": 6,
    "deltaT": 2,
    "total_step": STEPS,
    "orth_reg_weight": 0.1,
    "lora_alpha": 9,
    "target_modules": ["query", "value", "intermediate.dense"],
}
NOTE = (
    "as peft-tiny/cases.json, but the loss is PEFT's own, with its orthogonal regularisation: gradients are of rows times "
    "that mean loss, curves have it too. allocation goes on from the adapter of `whole` and calls update_and_allocate after "
    "each update, with the number of updates: ranks_kept has how many each step left, rank_pattern what PEFT noted at the "
    "end, smallest_gap how far the scores next to a threshold lie from it, relative to it. `pruned` is saved after that"
)


def objective(model: PeftModel, inputs: dict, labels: torch.Tensor) -> torch.Tensor:
    """The mean loss of a batch with what PEFT adds to it."""
    return model(**inputs, labels=labels).loss


def open_case(name: str, dtype: torch.dtype) -> PeftModel:
    folder = FOLDER / name / "adapter"
    return PeftModel.from_pretrained(open_tiny(MODEL, torch.float32), folder, is_trainable=True).to(dtype).eval()


def ranks(model: PeftModel) -> int:
    return sum(int((p != 0).sum()) for name, p in model.named_parameters() if "lora_E" in name)


class Allocation:
    """Calls PEFT's allocator after each update, and keeps what it did."""

    def __init__(self, model: PeftModel):
        self.model, self.kept, self.gaps = model, [], []
        allocator = model.base_model.rankallocator
        score = allocator._combine_ipt
        scores = []
        allocator._combine_ipt = lambda *ipt: scores.append(score(*ipt)) or scores[-1]
        prune = allocator.mask_to_budget

        def measured(inner, budget):
            scores.clear()
            pattern = prune(inner, budget)
            ordered = torch.cat(scores).sort().values
            count = allocator.init_bgt - budget
            around = ordered[max(0, count - 2) : count + 1]
            self.gaps.append(float((around.diff() / around[1:]).min()))
            return pattern

        allocator.mask_to_budget = measured

    def __call__(self, step: int) -> None:
        self.model.base_model.update_and_allocate(step)
        self.kept.append(ranks(self.model))


def allocate(dtype: torch.dtype) -> tuple[PeftModel, dict, Allocation]:
    model = open_case("whole", dtype)
    allocation = Allocation(model)
    return model, train(model, curve_rows(), PLAN, objective=objective, after_update=allocation), allocation


def run(name: str, dtype: torch.dtype) -> dict[str, torch.Tensor]:
    inputs = pad(step0_rows())
    labels = inputs.pop("labels")
    model = open_case(name, dtype)
    loss = objective(model, inputs, labels) * len(labels)
    loss.backward()
    result = {"logits": model(**inputs).logits.detach(), "loss_sum": loss.detach().reshape(1)}
    result |= {f"gradient.{key}": p.grad.clone() for key, p in trained(model).items()}
    return result | merged_of(model, lambda merged: merged(**inputs).logits)


def case(name: str) -> dict:
    parts = trained(open_case(name, torch.float64))
    reference, single = run(name, torch.float64), run(name, torch.float32)
    keys = [key for key in reference if not key.endswith("whole") and reference[key].numel() > 0]
    errors = {key: relative_difference(single[key], reference[key]) for key in keys}
    inputs = {f"input.{key}": tensor for key, tensor in pad(step0_rows()).items()}
    full = {key: tensor for key, tensor in reference.items() if tensor.numel() > 0}
    write_tensors(FOLDER / name / "golden.safetensors", inputs | probes(full) | full)
    print("adalora-tiny", name, len(parts), digits(max(errors.values()), 2))
    return {
        "config": "AdaLoraConfig",
        "settings": SETTINGS,
        "trainable_parameters": sum(p.numel() for p in parts.values()),
        "pytorch_float32_error": digits(max(errors.values()), 2),
        "trained": {key: list(p.shape) for key, p in parts.items() if p.numel() > 0},
    }


def fixed_curve() -> dict:
    """From the ranks that are left: nothing is given up."""
    curve, single = (train(open_case("pruned", t), curve_rows(), PLAN, objective=objective) for t in (torch.float64, torch.float32))
    error = digits(largest_relative(single, curve), 2)
    return {"plan": vars(PLAN), "curve_float32_error": error, "float64": rounded(curve)}


def make(minilm: Path, data: Path) -> None:
    save_model(moved_model("AdaLoraConfig", SETTINGS), FOLDER / "whole" / "adapter", BASE)
    model, curve, allocation = allocate(torch.float64)
    _, single, other = allocate(torch.float32)
    assert allocation.kept == other.kept
    save_model(model.float(), FOLDER / "pruned" / "adapter", BASE)
    pattern = model.peft_config["default"].rank_pattern
    print("adalora-tiny allocation", allocation.kept, digits(min(allocation.gaps), 2))
    head = {"made_by": made_by("adalora.py", None, {"relative_to_largest": 2e-5}), "reference": "float64", "note": NOTE}
    how = {
        "plan": vars(PLAN),
        "curve_float32_error": digits(largest_relative(single, curve), 2),
        "float64": rounded(curve),
        "ranks_kept": allocation.kept,
        "smallest_gap": digits(min(allocation.gaps), 2),
        "rank_pattern": pattern,
    }
    cases = {"whole": case("whole"), "pruned": case("pruned") | fixed_curve()}
    write_json(FOLDER / "cases.json", head | {"cases": cases, "allocation": how})
