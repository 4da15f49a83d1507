"""tests/golden/lora-tiny/CASE/curve.json: fifty steps from a saved adapter, and twenty of LoRA+. Run by make.py."""

from dataclasses import replace
from pathlib import Path

import torch
from peft import PeftModel
from peft.optimizers import create_loraplus_optimizer

from bert_tiny import PLAN, curve_rows, drift, summary
from oracle import digits, made_by, write_json
from curves import Plan, largest_relative, rounded, train
from lora import FOLDER, SEED, open_adapter, plain_name, trained

RATIO = 16
LORAPLUS_PLAN = replace(PLAN, steps=20)
NOTE = (
    "starts from the tensors of {adapter}/adapter; rows and the meaning of the fields are those of bert-tiny/curve.json; "
    "only the trained tensors count in grad_norm and in clipping; final has them after the last step, under the names "
    "in adapter_model.safetensors. A forgotten weight decay moves the losses by 5.7e-5 and more, the final sums by 1.2e-4; "
    "one for the biases too, the losses by 1.6e-5 and more. Compare no final key.bias"
)
GROUPS_NOTE = (
    "groups are those of peft.optimizers.create_loraplus_optimizer with torch.optim.AdamW: lora_B and every tensor of "
    "one dimension (so classifier.bias too) take learning_rate × loraplus_lr_ratio, all else (lora_A, classifier.weight) "
    "learning_rate; what is a bias or belongs to a LayerNorm is not decayed; learning_rate in the curve is the first group's"
)


def run(adapter: str, dtype: torch.dtype, plan: Plan, optimizer=None) -> tuple[dict, dict]:
    model = open_adapter(adapter, dtype)
    names = trained(model)
    curve = train(model, curve_rows(), plan, optimizer and optimizer(model))
    final = {plain_name(name): entry for name, entry in summary(model).items()}
    return curve, {name: final[name] for name in names}


def write_curve(name: str, adapter: str, plan: Plan, extra: dict, optimizer=None) -> None:
    reference, final = run(adapter, torch.float64, plan, optimizer)
    single, final_single = run(adapter, torch.float32, plan, optimizer)
    count = sum(p.numel() for p in trained(open_adapter(adapter, torch.float32)).values())
    tolerance = {"loss_relative": 1e-5, "final_sums_relative": 5e-6}
    write_json(
        FOLDER / name / "curve.json",
        {
            "made_by": made_by("lora_curves.py", SEED, tolerance),
            "reference": "float64",
            "note": NOTE.format(adapter=adapter),
            "plan": vars(plan),
            "trainable_parameters": count,
            **extra,
            "pytorch_float32_error": {
                "loss_relative": digits(largest_relative(single, reference), 2),
                "grad_norm_relative": digits(largest_relative(single, reference, "grad_norm"), 2),
                "final_sums_relative": digits(drift(final_single, final, lambda key: "key.bias" not in key), 2),
            },
            "float64": rounded(reference),
            "float32": rounded(single),
            "final": final,
        },
    )
    print("lora-tiny curve", name, f"{reference['loss'][0]:.4f} -> {reference['loss'][-1]:.4f}")


def loraplus(model: PeftModel) -> torch.optim.Optimizer:
    return create_loraplus_optimizer(
        model,
        torch.optim.AdamW,
        lr=LORAPLUS_PLAN.learning_rate,
        loraplus_lr_ratio=RATIO,
        loraplus_weight_decay=LORAPLUS_PLAN.weight_decay,
        betas=LORAPLUS_PLAN.betas,
        eps=LORAPLUS_PLAN.eps,
    )


def loraplus_groups() -> list[dict]:
    model = open_adapter("plain", torch.float32)
    names = {parameter: name for name, parameter in trained(model).items()}
    return [
        {"learning_rate": g["lr"], "weight_decay": g["weight_decay"], "names": [names[p] for p in g["params"]]}
        for g in loraplus(model).param_groups
        if g["params"]
    ]


def make(minilm: Path, data: Path) -> None:
    for name in ("plain", "patterns", "bias_all"):
        write_curve(name, name, PLAN, {})
    extra = {"loraplus_lr_ratio": RATIO, "groups_note": GROUPS_NOTE, "groups": loraplus_groups()}
    write_curve("loraplus", "plain", LORAPLUS_PLAN, extra, loraplus)
