"""tests/golden/adapterhub-heads: folders of AdapterHub's library from models whose heads come and go, and their answers.

Not run by make.py, as adapter_hub.py is not; in the same environment: python tools/golden/adapter_hub_heads.py
"""

import json
import sys

sys.dont_write_bytecode = True

import torch
from adapters import AutoAdapterModel, LoRAConfig
from transformers import AutoTokenizer

from bert_tiny import MODEL as BERT
from decoders import step0_rows
from oracle import GOLDEN, digits, made_by, write_json

FOLDER = GOLDEN / "adapterhub-heads"
NAME = "reviews"
OTHER = "reviews2"  # its head's tensors begin with the same letters, and the library saves them too
SEED = 20261128
TEXTS = ["good film", "bad plot the film", "plot, and the story is not good!"]
BASES = {"bert": BERT, "llama": GOLDEN / "decoders/llama/model"}
LABELS = {0: "bad", 1: "good"}
BOTTLENECK = "seq_bn[reduction_factor=8]"
# What is given to add_adapter, and the config of the head.
CASES = {
    "bert": {
        "default": (BOTTLENECK, {"num_labels": 2, "id2label": LABELS}),
        "lora": (LoRAConfig(r=4, alpha=12), {"num_labels": 2, "id2label": LABELS}),
        "pooled": (BOTTLENECK, {"num_labels": 3, "layers": 1, "use_pooler": True}),
    },
    "llama": {"scores": (BOTTLENECK, {"num_labels": 2, "id2label": LABELS, "layers": 1, "bias": False})},
}
NOTE = "logits of BERT are of texts; of Llama those of the rows of decoders/llama/step0, each by itself"


def opened(family: str) -> torch.nn.Module:
    return AutoAdapterModel.from_pretrained(BASES[family], attn_implementation="eager").eval()


def save_case(family: str, name: str) -> None:
    """0.05 · normal is added to everything that is trained, so that nothing stands at its start."""
    torch.manual_seed(SEED)
    config, head = CASES[family][name]
    model = opened(family)
    model.add_adapter(NAME, config=config)
    model.add_classification_head(OTHER)
    model.add_prediction_head_from_config(NAME, {"head_type": "classification"} | head)
    model.train_adapter(NAME)
    generator = torch.Generator().manual_seed(SEED + 1)
    for key, parameter in sorted(model.named_parameters()):
        if parameter.requires_grad:
            parameter.data += 0.05 * torch.randn(parameter.shape, generator=generator)
        if f"heads.{NAME}." in key:
            parameter.data += 0.3 * torch.randn(parameter.shape, generator=generator)
    folder = FOLDER / family / name / "adapter"
    folder.mkdir(parents=True, exist_ok=True)
    model.save_adapter(str(folder), NAME, with_head=True, use_safetensors=True)
    place = {"model_name": f"../../../../{BASES[family].relative_to(GOLDEN)}"}  # from the adapter's folder
    for file in folder.glob("*.json"):
        file.write_text(json.dumps(json.loads(file.read_text()) | place, indent=2, sort_keys=True))
    for file in folder.glob("*.safetensors"):
        file.chmod(0o644)


def inputs(family: str) -> list[dict]:
    if family == "bert":
        tokenizer = AutoTokenizer.from_pretrained(BERT, local_files_only=True)
        return [tokenizer(text, return_tensors="pt") for text in TEXTS]
    return [{"input_ids": torch.tensor([row["input_ids"]])} for row in step0_rows()]


def case(family: str, name: str) -> dict:
    save_case(family, name)
    model = opened(family)
    folder = str(FOLDER / family / name / "adapter")
    model.load_adapter(folder, with_head=True, use_safetensors=True)
    model.set_active_adapters(NAME)
    model.active_head = NAME
    model.double().eval()
    with torch.no_grad():
        logits = [model(**row).logits[0].tolist() for row in inputs(family)]
    print("adapterhub-heads", family, name, logits[0])
    return {"logits": digits(logits)}


def main() -> None:
    cases = {family: {name: case(family, name) for name in names} for family, names in CASES.items()}
    head = made_by("adapter_hub_heads.py", SEED, {"relative_to_largest": 1e-5}, ("torch", "transformers", "adapters"))
    head["command"] = "python tools/golden/adapter_hub_heads.py"
    write_json(FOLDER / "cases.json", {"made_by": head, "note": NOTE, "texts": TEXTS, "cases": cases})


if __name__ == "__main__":
    main()
