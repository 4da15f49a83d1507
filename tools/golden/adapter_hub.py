"""tests/golden/adapterhub-tiny: folders of AdapterHub's library, their answers, gradients and curves.

Not run by make.py: `adapters` pins an older transformers. In an environment of its own (pip install adapters torch):
python tools/golden/adapter_hub.py
"""

import json
import sys
from dataclasses import replace

sys.dont_write_bytecode = True

import adapters
import torch
from adapters import LoRAConfig

from bert_tiny import MODEL, PLAN, curve_rows, step0_rows
from bert_tiny_model import open_tiny
from curves import largest_relative, rounded, train
from oracle import GOLDEN, digits, made_by, pad, relative_difference, summed_loss, write_json, write_tensors

FOLDER = GOLDEN / "adapterhub-tiny"
BASE = "../../../bert-tiny/model"  # from the adapter's folder
NAME = "reviews"
SEED = 20261125
CASES = {
    "houlsby": "double_seq_bn[reduction_factor=8]",
    "pfeiffer": "seq_bn[reduction_factor=8]",
    "parallel": "par_bn",
    "lora": LoRAConfig(r=4, alpha=12, intermediate_lora=True),
}
NOTE = (
    "trained has the shape of every trained tensor by its name in the model; gradients in golden.safetensors are of loss_sum, "
    "under the same names. The curve starts from the saved adapter, with rows and plan of bert-tiny/curve.json, 20 steps"
)


def base(dtype: torch.dtype) -> torch.nn.Module:
    model = open_tiny(MODEL, torch.float32)
    adapters.init(model)
    return model.to(dtype).eval()


def open_case(name: str, dtype: torch.dtype) -> torch.nn.Module:
    model = base(torch.float32)
    model.load_adapter(str(FOLDER / name / "adapter"), with_head=True, set_active=True, use_safetensors=True)
    model.train_adapter(NAME)
    return model.to(dtype).eval()


def trained(model: torch.nn.Module) -> dict[str, torch.nn.Parameter]:
    return {name: p for name, p in model.named_parameters() if p.requires_grad}


def save_case(name: str, config) -> None:
    """0.05 · normal is added to everything that is trained, so that nothing stands at its start."""
    torch.manual_seed(SEED)
    model = base(torch.float32)
    model.add_adapter(NAME, config=config)
    model.train_adapter(NAME)
    generator = torch.Generator().manual_seed(SEED + 1)
    for _, parameter in sorted(trained(model).items()):
        parameter.data += 0.05 * torch.randn(parameter.shape, generator=generator)
    folder = FOLDER / name / "adapter"
    folder.mkdir(parents=True, exist_ok=True)
    model.save_adapter(str(folder), NAME, with_head=True, use_safetensors=True)
    for file in folder.glob("*.json"):  # it names the base by its place on this machine
        file.write_text(json.dumps(json.loads(file.read_text()) | {"model_name": BASE}, indent=2, sort_keys=True))
    for file in folder.glob("*.safetensors"):
        file.chmod(0o644)


def run(name: str, dtype: torch.dtype) -> dict[str, torch.Tensor]:
    batch = pad(step0_rows())
    model = open_case(name, dtype)
    logits = model(**{key: tensor for key, tensor in batch.items() if key != "labels"}).logits
    loss = summed_loss(logits, batch["labels"])
    loss.backward()
    result = {"logits": logits.detach(), "loss_sum": loss.detach().reshape(1)}
    return result | {f"gradient.{key}": p.grad.clone() for key, p in trained(model).items()}


def case(name: str, config) -> dict:
    save_case(name, config)
    reference, single = run(name, torch.float64), run(name, torch.float32)
    error = max(relative_difference(single[key], reference[key]) for key in reference)
    inputs = {f"input.{key}": tensor for key, tensor in pad(step0_rows()).items()}
    write_tensors(FOLDER / name / "golden.safetensors", inputs | reference)
    plan = replace(PLAN, steps=20)
    curve, single_curve = (train(open_case(name, dtype), curve_rows(), plan) for dtype in (torch.float64, torch.float32))
    parts = trained(open_case(name, torch.float32))
    print("adapterhub-tiny", name, len(parts), digits(error, 2), curve["loss"][0], curve["loss"][-1])
    return {
        "trainable_parameters": sum(p.numel() for p in parts.values()),
        "pytorch_float32_error": digits(error, 2),
        "curve_float32_error": digits(largest_relative(single_curve, curve), 2),
        "trained": {key: list(p.shape) for key, p in parts.items()},
        "plan": vars(plan),
        "float64": rounded(curve),
    }


def main() -> None:
    cases = {name: case(name, config) for name, config in CASES.items()}
    packages = ("torch", "transformers", "adapters")
    head = made_by("adapter_hub.py", SEED, {"relative_to_largest": 2e-5}, packages)
    head["command"] = "python tools/golden/adapter_hub.py"
    write_json(FOLDER / "cases.json", {"made_by": head, "reference": "float64", "note": NOTE, "cases": cases})


if __name__ == "__main__":
    main()
