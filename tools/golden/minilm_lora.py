"""tests/golden/minilm/lora*.json: LoRA on all-MiniLM-L6-v2 from a start given by a formula, its gradients and fifty steps. Run by make.py."""

import json
from pathlib import Path

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import AutoModelForSequenceClassification

from bert_tiny import drift, summary
from oracle import digits, made_by, pad, summed_loss, write_json
from curves import Plan, largest_relative, rounded, train
from lora import lora_layers, plain_name, trained
from minilm import FOLDER

PLAN = Plan(learning_rate=5e-4, steps=50, warmup_steps=0, micro_batches=[32])
SETTINGS = {"r": 8, "lora_alpha": 16, "target_modules": ["query", "value"]}
NOTE = (
    "rows and classifier are those of curve.json, token_type_ids are zero, dropout is off. B starts as zero. A starts, in "
    "single precision, as 0.1 * ((i * 7919 % 1009) / 1009 - 0.5): i counts the values row by row, through layer 0 query, "
    "layer 0 value, layer 1 query and so on (the first four of each are in `start`). final has the tensors after the last "
    "step under the names in adapter_model.safetensors. A forgotten weight decay moves the losses by 4.5e-5 and the final "
    "sums by 1.2e-4, eps = 1e-6 the losses by 7.7e-3. all_linear: what PEFT makes of target_modules \"all-linear\" (r 8): "
    "with 20 names or more it saves the shortest endings that fit no other module"
)


GRADIENTS_NOTE = (
    "gradients of the summed loss of the first eight rows of curve.json, with its classifier, in double precision. Every A "
    "is that of lora.json; every B goes on with the same formula after the last A, in the same order of layers: with B zero "
    "no gradient would reach A. values are those at the flat positions"
)
PROBES = 16


def read_curve() -> dict:
    return json.loads((FOLDER / "curve.json").read_text())


def start_values(first: int, count: int) -> torch.Tensor:
    i = torch.arange(first, first + count, dtype=torch.int64)
    return (0.1 * ((i * 7919 % 1009).double() / 1009 - 0.5)).float()


def open_base(folder: Path) -> torch.nn.Module:
    model = AutoModelForSequenceClassification.from_pretrained(folder, num_labels=2, attn_implementation="eager")
    for name, values in read_curve()["classifier"].items():
        setattr(model.classifier, name, torch.nn.Parameter(torch.tensor(values)))
    return model.float()


def open_lora(folder: Path, dtype: torch.dtype) -> PeftModel:
    model = get_peft_model(open_base(folder), LoraConfig(task_type="SEQ_CLS", **SETTINGS))
    first = 0
    for layer in lora_layers(model).values():
        a, b = layer.lora_A["default"].weight, layer.lora_B["default"].weight
        a.data = start_values(first, a.numel()).reshape(a.shape)
        first += a.numel()
        assert not b.any()
    return model.to(dtype).eval()


def all_linear(folder: Path) -> dict:
    model = get_peft_model(open_base(folder), LoraConfig(task_type="SEQ_CLS", r=8, target_modules="all-linear"))
    return {
        "target_modules": sorted(model.peft_config["default"].target_modules),
        "modules": list(lora_layers(model)),
        "trainable_parameters": model.get_nb_trainable_parameters()[0],
    }


def final_summary(model: PeftModel) -> dict:
    entries = {plain_name(name): entry for name, entry in summary(model).items()}
    return {name: entries[name] for name in trained(model)}


def probe(gradient: torch.Tensor) -> dict:
    at = torch.linspace(0, len(gradient) - 1, PROBES).long()
    sizes = {"norm": digits(float(gradient.norm()), 8), "max_abs": digits(float(gradient.abs().max()), 8)}
    return sizes | {"positions": at.tolist(), "values": digits(gradient[at].tolist(), 8)}


def step0(minilm: Path) -> None:
    model = open_lora(minilm, torch.float64)
    layers = lora_layers(model).values()
    first = sum(layer.lora_A["default"].weight.numel() for layer in layers)
    for layer in layers:
        b = layer.lora_B["default"].weight
        b.data = start_values(first, b.numel()).reshape(b.shape).double()
        first += b.numel()
    batch = pad([row | {"token_type_ids": [0] * len(row["input_ids"])} for row in read_curve()["rows"][:8]])
    labels = batch.pop("labels")
    loss = summed_loss(model(**batch).logits, labels)
    loss.backward()
    write_json(
        FOLDER / "lora_gradients.json",
        {
            "made_by": made_by("minilm_lora.py", None, {"gradient_relative_to_max_abs": 1e-4}),
            "note": GRADIENTS_NOTE,
            "settings": SETTINGS,
            "loss_sum": digits(float(loss.detach()), 10),
            "gradients": {name: probe(p.grad.flatten()) for name, p in trained(model).items()},
        },
    )


def make(minilm: Path, data: Path) -> None:
    step0(minilm)
    rows = [row | {"token_type_ids": [0] * len(row["input_ids"])} for row in read_curve()["rows"]]
    models = {dtype: open_lora(minilm, dtype) for dtype in (torch.float64, torch.float32)}
    parts = trained(models[torch.float32])
    start = {name: digits(p.flatten()[:4].tolist(), 9) for name, p in parts.items() if ".lora_A." in name}
    reference, single = (train(model, rows, PLAN) for model in models.values())
    final, final_single = (final_summary(model) for model in models.values())
    write_json(
        FOLDER / "lora.json",
        {
            "made_by": made_by("minilm_lora.py", None, {"loss_relative": 1e-5, "final_sums_relative": 3e-5}),
            "reference": "float64",
            "note": NOTE,
            "settings": SETTINGS,
            "plan": vars(PLAN),
            "trainable_parameters": sum(p.numel() for p in parts.values()),
            "start": start,
            "pytorch_float32_error": {
                "loss_relative": digits(largest_relative(single, reference), 2),
                "grad_norm_relative": digits(largest_relative(single, reference, "grad_norm"), 2),
                "final_sums_relative": digits(drift(final_single, final, lambda name: True), 2),
            },
            "float64": rounded(reference),
            "float32": rounded(single),
            "all_linear": all_linear(minilm),
            "final": final,
        },
    )
    print("minilm lora:", f"{reference['loss'][0]:.4f} -> {reference['loss'][-1]:.4f}")
