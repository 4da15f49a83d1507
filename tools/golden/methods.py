"""tests/golden/peft-tiny: folders of PEFT's other methods, their answers, gradients and curves. Run by make.py."""

from dataclasses import replace
from pathlib import Path

import torch
from peft import PeftModel
from safetensors import safe_open

from bert_tiny import MODEL, PLAN, curve_rows, step0_rows
from bert_tiny_model import open_tiny
from curves import largest_relative, rounded, train
from lora import probes
from oracle import GOLDEN, digits, made_by, pad, relative_difference, summed_loss, write_json, write_tensors
from peft_models import merged_of, moved, save_model, started, trained

FOLDER = GOLDEN / "peft-tiny"
BASE = "../../../bert-tiny/model"  # from the adapter's folder
SEED = 20261124
NORMS = {"target_modules": ["LayerNorm"]}
TWO = {"r": 4, "lora_alpha": 8, "target_modules": ["query", "value"]}
CASES = {
    "ln_tuning": ("LNTuningConfig", NORMS),
    "ia3": ("IA3Config", {}),
    "ia3_named": (
        "IA3Config",
        {"target_modules": ["query", "intermediate.dense"], "feedforward_modules": ["intermediate.dense"]},
    ),
    "lora_embedding": (
        "LoraConfig",
        {"r": 4, "lora_alpha": 6, "target_modules": ["query", "word_embeddings"], "rank_pattern": {"word_embeddings": 3}},
    ),
    "dora": ("LoraConfig", TWO | {"use_dora": True}),
    "dora_all": (
        "LoraConfig",
        {"r": 2, "lora_alpha": 3, "target_modules": "all-linear", "use_dora": True, "use_rslora": True, "bias": "lora_only"},
    ),
    "prompt_tuning": ("PromptTuningConfig", {"num_virtual_tokens": 5}),
    "prefix_tuning": ("PrefixTuningConfig", {"num_virtual_tokens": 3}),
    "prefix_projection": (
        "PrefixTuningConfig",
        {"num_virtual_tokens": 3, "prefix_projection": True, "encoder_hidden_size": 12},
    ),
    "p_tuning": ("PromptEncoderConfig", {"num_virtual_tokens": 4, "encoder_hidden_size": 24}),
    "vera": ("VeraConfig", {"r": 6, "target_modules": ["query", "value", "intermediate.dense", "output.dense"]}),
}
STARTS = {
    "pissa": {"r": 4, "lora_alpha": 6, "target_modules": ["query", "intermediate.dense"], "init_lora_weights": "pissa"},
    "olora": {"r": 3, "lora_alpha": 3, "target_modules": ["value", "output.dense"], "init_lora_weights": "olora"},
    "pissa_rslora": {"r": 2, "target_modules": ["query"], "use_rslora": True, "init_lora_weights": "pissa"},
}
# PEFT saves what their encoders give, and not the encoders: these start from `start.*` in golden.safetensors.
ENCODED = {"prefix_projection", "p_tuning"}
PROMPTS = {"prompt_tuning", "prefix_tuning"}  # PEFT trains these only in the process that began them
MERGED = {"lora_embedding", "ia3", "ia3_named", "dora", "dora_all", "vera"}
NOTE = (
    "settings is what the named configuration class was given besides task_type SEQ_CLS. trained has the shape of every "
    "trained tensor under its name in adapter_model.safetensors; gradients in golden.safetensors are of loss_sum, under the "
    "same names. The curve starts from the saved adapter, with rows and plan of bert-tiny/curve.json, 20 steps"
)


def task_settings(settings: dict) -> dict:
    return {"task_type": "SEQ_CLS"} | settings


def moved_model(kind: str, settings: dict) -> PeftModel:
    return moved(open_tiny(MODEL, torch.float32), kind, task_settings(settings), SEED)


def open_case(name: str, dtype: torch.dtype) -> PeftModel:
    if name in ENCODED | PROMPTS:
        return moved_model(*CASES[name]).to(dtype).eval()
    folder = FOLDER / name / "adapter"
    return PeftModel.from_pretrained(open_tiny(MODEL, torch.float32), folder, is_trainable=True).to(dtype).eval()


def run(name: str, dtype: torch.dtype) -> dict[str, torch.Tensor]:
    batch = pad(step0_rows())
    inputs = {key: tensor for key, tensor in batch.items() if key != "labels"}
    model = open_case(name, dtype)
    logits = model(**inputs).logits
    loss = summed_loss(logits, batch["labels"])
    loss.backward()
    result = {"logits": logits.detach(), "loss_sum": loss.detach().reshape(1)}
    result |= {f"gradient.{key}": p.grad.clone() for key, p in trained(model).items()}
    if name in MERGED:
        result |= merged_of(model, lambda merged: merged(**inputs).logits)
    return result


def case(name: str, kind: str, settings: dict) -> dict:
    save_model(moved_model(kind, settings), FOLDER / name / "adapter", BASE)
    model = open_case(name, torch.float64)
    parts = trained(model)
    with safe_open(FOLDER / name / "adapter" / "adapter_model.safetensors", "pt") as file:
        saved = set(file.keys())
    assert name in ENCODED or saved >= set(parts), sorted(set(parts) - saved)
    reference, single = run(name, torch.float64), run(name, torch.float32)
    keys = [key for key in reference if not ("self.key." in key and "bias" in key) and not key.endswith("whole")]
    errors = {key: relative_difference(single[key], reference[key]) for key in keys}
    inputs = {f"input.{key}": tensor for key, tensor in pad(step0_rows()).items()}
    if name in ENCODED:
        inputs |= {f"start.{key}": p for key, p in trained(open_case(name, torch.float32)).items()}
    write_tensors(FOLDER / name / "golden.safetensors", inputs | probes(reference) | reference)
    plan = replace(PLAN, steps=20)
    curve, single_curve = (train(open_case(name, dtype), curve_rows(), plan) for dtype in (torch.float64, torch.float32))
    print("peft-tiny", name, len(parts), digits(max(errors.values()), 2), curve["loss"][0], curve["loss"][-1])
    return {
        "config": kind,
        "settings": settings,
        "trainable_parameters": sum(p.numel() for p in parts.values()),
        "pytorch_float32_error": digits(max(errors.values()), 2),
        "curve_float32_error": digits(largest_relative(single_curve, curve), 2),
        "trained": {key: list(p.shape) for key, p in parts.items()},
        "plan": vars(plan),
        "float64": rounded(curve),
    }


def start_model(settings: dict, dtype: torch.dtype) -> PeftModel:
    return started(open_tiny(MODEL, torch.float32), "LoraConfig", task_settings(settings), SEED).to(dtype).eval()


def start(name: str, settings: dict) -> dict:
    """A curve from the start: signs of directions are free, and no loss depends on them."""
    plan = replace(PLAN, steps=20)
    curve, single = (train(start_model(settings, dtype), curve_rows(), plan) for dtype in (torch.float64, torch.float32))
    print("peft-tiny start", name, curve["loss"][0], curve["loss"][-1])
    return {
        "settings": settings,
        "curve_float32_error": digits(largest_relative(single, curve), 2),
        "plan": vars(plan),
        "float64": rounded(curve),
    }


def make(minilm: Path, data: Path) -> None:
    starts = {name: start(name, settings) for name, settings in STARTS.items()}
    cases = {name: case(name, kind, settings) for name, (kind, settings) in CASES.items()}
    head = {"made_by": made_by("methods.py", SEED, {"relative_to_largest": 2e-5}), "reference": "float64", "note": NOTE}
    write_json(FOLDER / "cases.json", head | {"cases": cases, "starts": starts})
