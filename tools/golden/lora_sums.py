"""tests/golden/lora-sums: weighted sums of LoRA adapters over the tiny Llama, as PEFT's add_weighted_adapter makes them. Run by make.py."""

from copy import deepcopy

import torch
from peft import LoraConfig, PeftModel, get_peft_model, get_peft_model_state_dict

from decoders import open_model, pad, scores, step0_rows
from oracle import GOLDEN, made_by, write_json, write_tensors

FOLDER = GOLDEN / "lora-sums"
BASE = "../../decoders/llama/model"  # from the adapter's folder
SEED = 20261126
ADAPTERS = {
    "plain": {"r": 4, "lora_alpha": 8, "target_modules": ["q_proj", "v_proj"]},
    "rslora": {"r": 4, "lora_alpha": 6, "target_modules": ["k_proj", "v_proj"], "use_rslora": True},
    "patterns": {
        "r": 2,
        "lora_alpha": 3,
        "target_modules": ["q_proj", "embed_tokens"],
        "rank_pattern": {"q_proj": 3},
        "alpha_pattern": {"embed_tokens": 5},
    },
}
CASES = {
    "cat": {"adapters": ["plain", "rslora"], "weights": [0.7, -0.3], "combination_type": "cat"},
    "cat_three": {"adapters": ["plain", "rslora", "patterns"], "weights": [1.0, 0.5, 2.0], "combination_type": "cat"},
    "linear": {"adapters": ["plain", "rslora"], "weights": [0.7, -0.3], "combination_type": "linear"},
    "svd": {"adapters": ["plain", "rslora"], "weights": [0.7, 0.4], "combination_type": "svd", "svd_rank": 3},
    "svd_usual": {"adapters": ["patterns", "plain"], "weights": [-1.0, 0.5], "combination_type": "svd"},
}
NOTE = (
    "of each case the tensors of the adapter that PEFT made, by their names in adapter_model.safetensors (of svd, whose signs are "
    "free, the products s·BA under `delta.LAYER`), and the logits of decoders/llama/step0's input with it"
)


def save_adapters() -> None:
    for index, (name, settings) in enumerate(ADAPTERS.items()):
        torch.manual_seed(SEED + index)  # PEFT draws from the global generator
        model = get_peft_model(open_model("llama", torch.float32), LoraConfig(task_type="CAUSAL_LM", **deepcopy(settings)))
        for key, parameter in sorted(model.named_parameters()):
            if "lora_" in key:
                parameter.data = 0.3 * torch.randn(parameter.shape)
        config = model.peft_config["default"]
        config.target_modules = sorted(config.target_modules)
        config.base_model_name_or_path = BASE
        model.save_pretrained(FOLDER / name, save_embedding_layers=False)
        (FOLDER / name / "README.md").unlink()
        (FOLDER / name / "adapter_model.safetensors").chmod(0o644)


def opened(dtype: torch.dtype) -> PeftModel:
    first, *others = ADAPTERS
    model = PeftModel.from_pretrained(open_model("llama", torch.float32), FOLDER / first, adapter_name=first)
    for name in others:
        model.load_adapter(FOLDER / name, adapter_name=name)
    return model.to(dtype).eval()


def result(name: str, case: dict) -> dict[str, torch.Tensor]:
    model = opened(torch.float64)
    model.add_weighted_adapter(adapter_name=name, **case)
    model.set_adapter(name)
    with torch.no_grad():
        found = {"logits": scores(model, pad(step0_rows()))}
    if case["combination_type"] != "svd":
        return found | get_peft_model_state_dict(model, adapter_name=name, save_embedding_layers=False)
    for path in model.base_model.targeted_module_names:
        layer = model.base_model.model.get_submodule(path)
        if name in layer.lora_A:
            found |= {f"delta.{path}": layer.get_delta_weight(name)}
        elif name in layer.lora_embedding_A:
            found |= {f"delta.{path}": layer.get_delta_weight(name)}
    return found


def make(minilm, data) -> None:
    save_adapters()
    for name, case in CASES.items():
        write_tensors(FOLDER / f"{name}.safetensors", result(name, case))
    write_json(
        FOLDER / "cases.json",
        {"made_by": made_by("lora_sums.py", SEED, {"tensors": 1e-6, "logits": 1e-5}), "note": NOTE, "cases": CASES},
    )
