"""tests/golden/mlx-tiny: adapters as MLX-LM saves them, over the tiny Llama, and their answers.

Not run by make.py. In an environment of its own (pip install 'mlx[cpu]' mlx-lm): python tools/golden/mlx_lora.py
With a folder, it opens that adapter of Attune's and prints its logits: python tools/golden/mlx_lora.py FOLDER
"""

import json
import sys
from pathlib import Path

sys.dont_write_bytecode = True

import mlx.core as mx
import numpy as np
from mlx.utils import tree_flatten
from mlx_lm.tuner.utils import linear_to_lora_layers, load_adapters
from mlx_lm.utils import load_model

GOLDEN = Path(__file__).resolve().parents[2] / "tests" / "golden"
MODEL = GOLDEN / "decoders" / "llama" / "model"
FOLDER = GOLDEN / "mlx-tiny"
IDS = [[5, 17, 8, 30, 12, 9]]
CASES = {
    "lora": {"rank": 4, "scale": 2.5, "dropout": 0.0, "keys": ["self_attn.q_proj", "mlp.down_proj"]},
    "dora": {"rank": 2, "scale": 3.0, "dropout": 0.0, "keys": ["self_attn.v_proj"]},
}
LAYERS = {"lora": 1, "dora": 2}


def base():
    model, _ = load_model(MODEL)
    return model


def logits(model) -> list:
    return np.array(model(mx.array(IDS)).astype(mx.float32))[0].round(7).tolist()


def make(name: str, parameters: dict) -> dict:
    mx.random.seed(20261126)
    model = base()
    model.freeze()
    linear_to_lora_layers(model, LAYERS[name], parameters, use_dora=name == "dora")
    moved = [(key, value + 0.05 * mx.random.normal(value.shape)) for key, value in tree_flatten(model.trainable_parameters())]
    model.load_weights(moved, strict=False)
    folder = FOLDER / name
    folder.mkdir(parents=True, exist_ok=True)
    mx.save_safetensors(str(folder / "adapters.safetensors"), dict(moved))
    config = {"fine_tune_type": name, "num_layers": LAYERS[name], "lora_parameters": parameters}
    config["model"] = "../../decoders/llama/model"
    (folder / "adapter_config.json").write_text(json.dumps(config, indent=4))
    return {"logits": logits(model), "tensors": {key: list(value.shape) for key, value in moved}}


def main() -> None:
    if len(sys.argv) > 1:
        print(json.dumps({"logits": logits(load_adapters(base(), sys.argv[1]))}))
        return
    cases = {name: make(name, parameters) for name, parameters in CASES.items()}
    head = {"script": "tools/golden/mlx_lora.py", "ids": IDS[0], "tolerance": 1e-5}
    (FOLDER / "cases.json").write_text(json.dumps(head | {"base": logits(base()), "cases": cases}))


if __name__ == "__main__":
    main()
