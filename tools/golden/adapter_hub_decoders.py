"""tests/golden/adapterhub-decoders: folders of AdapterHub's library over the small decoders, their answers and curves.

Not run by make.py, as adapter_hub.py is not; in the same environment: python tools/golden/adapter_hub_decoders.py
"""

import json
import sys
from dataclasses import replace

sys.dont_write_bytecode = True

import adapters
import torch
from adapters import LoRAConfig

from curves import largest_relative, rounded
from decoders import PLAN, open_model, pad, scores, step0_rows, train
from oracle import GOLDEN, digits, made_by, relative_difference, write_json, write_tensors

FOLDER = GOLDEN / "adapterhub-decoders"
NAME = "chat"
SEED = 20261127
BOTTLENECKS = {
    "houlsby": "double_seq_bn[reduction_factor=8]",
    "pfeiffer": "seq_bn[reduction_factor=8]",
    "parallel": "par_bn[reduction_factor=6]",
}
LORAS = {
    "lora": LoRAConfig(r=2, alpha=6, intermediate_lora=True),
    "lora_all": LoRAConfig(r=3, alpha=2, attn_matrices=["q", "k", "v"], output_lora=True, leave_out=[0]),
}
FAMILIES = {"llama": BOTTLENECKS | LORAS, "gpt2": BOTTLENECKS | LORAS, "mistral": {"houlsby": BOTTLENECKS["houlsby"]} | LORAS}
WITH_HEAD = {"parallel"}  # the library saves the table of scores too, a copy of the base's
PLAN = replace(PLAN, learning_rate=1e-2)
# Its products of one layer for queries, keys and values are kept apart; those here share one product, which can learn more.
FUSED = {("gpt2", "lora"), ("gpt2", "lora_all")}
NOTE = (
    "the input is that of decoders/FAMILY/step0.safetensors; logits are of its tokens, one after the other without the padding. "
    "The curve starts from the saved adapter, with decoders/rows.json as decoders/FAMILY/golden.json has it"
)


def base(family: str, dtype: torch.dtype) -> torch.nn.Module:
    model = open_model(family, torch.float32)
    adapters.init(model)
    return model.to(dtype).eval()


def save_case(family: str, name: str, config) -> None:
    """0.05 · normal is added to everything that is trained, so that nothing stands at its start."""
    torch.manual_seed(SEED)
    model = base(family, torch.float32)
    model.add_adapter(NAME, config=config)
    model.train_adapter(NAME)
    generator = torch.Generator().manual_seed(SEED + 1)
    for _, parameter in sorted((key, p) for key, p in model.named_parameters() if p.requires_grad):
        parameter.data += 0.05 * torch.randn(parameter.shape, generator=generator)
    folder = FOLDER / family / name / "adapter"
    folder.mkdir(parents=True, exist_ok=True)
    model.save_adapter(str(folder), NAME, with_head=name in WITH_HEAD, use_safetensors=True)
    place = {"model_name": f"../../../../decoders/{family}/model"}  # from the adapter's folder
    for file in folder.glob("*.json"):
        file.write_text(json.dumps(json.loads(file.read_text()) | place, indent=2, sort_keys=True))
    for file in folder.glob("*.safetensors"):
        file.chmod(0o644)


def opened(family: str, name: str, dtype: torch.dtype) -> torch.nn.Module:
    model = base(family, torch.float32)
    model.load_adapter(str(FOLDER / family / name / "adapter"), with_head=False, set_active=True, use_safetensors=True)
    model.train_adapter(NAME)
    return model.to(dtype).eval()


def answers(model: torch.nn.Module) -> torch.Tensor:
    batch = pad(step0_rows())
    with torch.no_grad():
        return scores(model, batch)[batch["attention_mask"] == 1]


def curve(family: str, name: str) -> dict:
    if (family, name) in FUSED:
        return {}
    reference, single = (train(opened(family, name, dtype), PLAN) for dtype in (torch.float64, torch.float32))
    error = digits(largest_relative(single, reference), 2)
    return {"curve_float32_error": error, "plan": vars(PLAN), "float64": rounded(reference)}


def case(family: str, name: str, config) -> dict:
    save_case(family, name, config)
    reference, single = (answers(opened(family, name, dtype)) for dtype in (torch.float64, torch.float32))
    error = digits(relative_difference(single, reference), 2)
    change = digits(relative_difference(answers(base(family, torch.float64)), reference), 2)
    write_tensors(FOLDER / family / name / "golden.safetensors", {"logits": reference})
    print("adapterhub-decoders", family, name, error, change)
    return {"pytorch_float32_error": error, "logits_change_without": change} | curve(family, name)


def main() -> None:
    cases = {family: {name: case(family, name, config) for name, config in own.items()} for family, own in FAMILIES.items()}
    packages = ("torch", "transformers", "adapters")
    head = made_by("adapter_hub_decoders.py", SEED, {"relative_to_largest": 1e-5, "loss_relative": 1e-4}, packages)
    head["command"] = "python tools/golden/adapter_hub_decoders.py"
    write_json(FOLDER / "cases.json", {"made_by": head, "reference": "float64", "note": NOTE, "cases": cases})


if __name__ == "__main__":
    main()
