"""tests/golden/lora-tiny: adapters as PEFT saves them, with their answers and merged weights. Run by make.py."""

from copy import deepcopy
from pathlib import Path

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from peft.tuners.lora import LoraLayer
from safetensors import safe_open

from bert_tiny import MODEL, step0_rows
from bert_tiny_model import open_tiny
from oracle import GOLDEN, digits, made_by, pad, relative_difference, summed_loss, write_json, write_tensors
from peft_models import save_model

FOLDER = GOLDEN / "lora-tiny"
BASE = "../../../bert-tiny/model"  # from the adapter's folder
SEED = 20261104
PROBES = 64
TWO = {"r": 4, "lora_alpha": 8, "target_modules": ["query", "value"]}
CASES = {
    "plain": TWO,
    "patterns": {
        "r": 4,
        "target_modules": ["query", "value", "intermediate.dense"],
        "rank_pattern": {"layer.1.attention.self.query": 2, "intermediate.dense": 3},
        "alpha_pattern": {"value": 16},
        "use_rslora": True,
    },
    "all_linear": {
        "r": 4,
        "lora_alpha": 8,
        "target_modules": "all-linear",
        "exclude_modules": ["layer.0.attention.self.key"],
    },
    "bias_lora_only": TWO | {"bias": "lora_only"},
    "bias_all": TWO | {"bias": "all"},
    "modules_to_save": TWO | {"modules_to_save": ["classifier", "pooler"]},
}
NOTE = (
    "settings is what LoraConfig was given besides task_type SEQ_CLS; modules has r, lora_alpha and the factor of B·A of "
    "every adapted module; trained has the shape of every trained tensor under its name in adapter_model.safetensors; "
    "saved_besides are the names in that file that belong to no trained tensor: with bias \"all\" PEFT saves the bias of "
    "the classifier three times, as classifier.bias (read again by PEFT), as classifier.modules_to_save.bias (the same "
    "values, never read) and as classifier.original_module.bias (the base model's). all_parameters counts the modules "
    "to save twice, as PEFT does. logits_change_without_lora: by how much of the largest logit they move if B·A is left out"
)


def plain_name(name: str) -> str:
    """The name under which PEFT saves it."""
    return name.replace(".modules_to_save.default", "").replace(".default", "")


def trained(model: torch.nn.Module) -> dict[str, torch.nn.Parameter]:
    return {plain_name(name): p for name, p in model.named_parameters() if p.requires_grad}


def lora_layers(model: PeftModel) -> dict[str, LoraLayer]:
    return {name: model.base_model.model.get_submodule(name) for name in model.base_model.targeted_module_names}


def linear_names(model: torch.nn.Module) -> list[str]:
    return [name for name, module in model.named_modules() if isinstance(module, torch.nn.Linear)]


def save_adapter(folder: Path, settings: dict) -> None:
    """0.05 · normal is added to everything that PEFT trains, so B, the biases and the classifier are not the start's."""
    torch.manual_seed(SEED)  # PEFT draws A from the global generator
    config = LoraConfig(task_type="SEQ_CLS", **deepcopy(settings))
    model = get_peft_model(open_tiny(MODEL, torch.float32), config)
    generator = torch.Generator().manual_seed(SEED + 1)
    for _, parameter in sorted(trained(model).items()):
        parameter.data += 0.05 * torch.randn(parameter.shape, generator=generator)
    save_model(model, folder, BASE)


def open_adapter(name: str, dtype: torch.dtype) -> PeftModel:
    folder = FOLDER / name / "adapter"
    return PeftModel.from_pretrained(open_tiny(MODEL, torch.float32), folder, is_trainable=True).to(dtype).eval()


def run(model: PeftModel, batch: dict) -> dict[str, torch.Tensor]:
    """One forward and backward pass of the summed loss, then without the adapter's products, then merged."""
    inputs = {name: tensor for name, tensor in batch.items() if name != "labels"}
    layers = lora_layers(model)
    logits = model(**inputs).logits
    loss = summed_loss(logits, batch["labels"])
    loss.backward()
    result = {"logits": logits.detach(), "loss_sum": loss.detach().reshape(1)}
    result |= {f"gradient.{name}": p.grad.clone() for name, p in trained(model).items()}
    with torch.no_grad():
        scales = {name: layer.scaling["default"] for name, layer in layers.items()}
        for layer in layers.values():
            layer.scaling["default"] = 0.0
        result["logits_without_lora"] = model(**inputs).logits
        for name, layer in layers.items():
            layer.scaling["default"] = scales[name]
        merged = model.merge_and_unload()
        result["merged.logits"] = merged(**inputs).logits
    return result | {f"merged.{name}.weight": merged.get_submodule(name).weight.detach() for name in layers}


def probes(result: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Of each merged weight a few values at flat positions."""
    generator = torch.Generator().manual_seed(SEED + 2)
    tensors = {}
    for name in [name for name in result if name.startswith("merged.") and name.endswith(".weight")]:
        flat = result.pop(name).flatten()
        at = torch.randperm(len(flat), generator=generator)[:PROBES].sort().values
        weight = name.removeprefix("merged.")
        tensors |= {f"merged.positions.{weight}": at, f"merged.values.{weight}": flat[at]}
    return tensors


def difference(a: dict, b: dict, names: list[str]) -> float:
    return digits(max(relative_difference(a[name], b[name]) for name in names), 2)


def case(name: str, settings: dict) -> dict:
    save_adapter(FOLDER / name / "adapter", settings)
    model = open_adapter(name, torch.float64)
    parts = trained(model)
    counts = model.get_nb_trainable_parameters()
    modules = {n: (e.r["default"], e.lora_alpha["default"], e.scaling["default"]) for n, e in lora_layers(model).items()}
    batch = pad(step0_rows())
    reference, single = run(model, batch), run(open_adapter(name, torch.float32), batch)
    without = reference.pop("logits_without_lora")
    gradients = [key for key in reference if key.startswith("gradient.") and "key.bias" not in key]
    weights = [key for key in reference if key.startswith("merged.") and key.endswith(".weight")]
    assert relative_difference(reference["merged.logits"], reference["logits"]) < 1e-12
    errors = {
        "logits": difference(single, reference, ["logits", "merged.logits"]),
        "gradients": difference(single, reference, gradients),
        "merged_weights": difference(single, reference, weights),
    }
    inputs = {f"input.{key}": tensor for key, tensor in batch.items()}
    write_tensors(FOLDER / name / "golden.safetensors", inputs | probes(reference) | reference)
    with safe_open(FOLDER / name / "adapter" / "adapter_model.safetensors", "pt") as file:
        saved = set(file.keys())
    assert saved >= set(parts), sorted(set(parts) - saved)
    print("lora-tiny", name, counts, errors, "loss", reference["loss_sum"].item())
    return {
        "settings": settings,
        "trainable_parameters": counts[0],
        "all_parameters": counts[1],
        "loss_sum": reference["loss_sum"].item(),
        "pytorch_float32_error": errors,
        "logits_change_without_lora": digits(relative_difference(without, reference["logits"]), 2),
        "saved_besides": sorted(saved - set(parts)),
        "modules": {n: {"r": r, "lora_alpha": a, "scaling": digits(s, 15)} for n, (r, a, s) in modules.items()},
        "trained": {key: list(p.shape) for key, p in parts.items()},
    }


def make(minilm: Path, data: Path) -> None:
    cases = {name: case(name, settings) for name, settings in CASES.items()}
    write_json(
        FOLDER / "cases.json",
        {
            "made_by": made_by("lora.py", SEED, {"relative_to_largest": 2e-5, "key_bias_absolute": 2e-5}),
            "reference": "float64, stored as float32; gradients are of loss_sum",
            "note": NOTE,
            "linear_modules": linear_names(open_tiny(MODEL, torch.float32)),
            "cases": cases,
        },
    )
