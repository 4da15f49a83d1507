"""Opens a language model, or an adapter with PEFT, that Attune saved: python tools/golden/open_causal.py FOLDER BASE ROWS.json

BASE is the folder of the base model, or - for a whole model in FOLDER; ROWS.json has "rows" of input_ids and labels, and "chats".
Prints {"loss", "texts", "loading"}: the mean over the labelled tokens, the chats as FOLDER's template writes them, and the
tensors of the file that PEFT or Transformers did not take.
"""

import json
import os
import sys
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"

import torch
import transformers
from peft import PeftModel, get_peft_model_state_dict
from safetensors import safe_open
from transformers import AutoModelForCausalLM, AutoTokenizer


def open_model(folder: Path, base: str) -> tuple[torch.nn.Module, list[str]]:
    if base == "-":
        model, info = AutoModelForCausalLM.from_pretrained(folder, output_loading_info=True)
        return model, sorted([*info["missing_keys"], *info["unexpected_keys"]])
    model = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(base), folder)
    with safe_open(folder / "adapter_model.safetensors", "pt") as file:
        found = set(file.keys())
    return model, sorted(found ^ set(get_peft_model_state_dict(model, save_embedding_layers=False)))


def texts_of(folder: Path, base: str, chats: list) -> list[str]:
    tokenizer = AutoTokenizer.from_pretrained(base if base != "-" else folder)
    if (folder / "chat_template.jinja").exists():
        tokenizer.chat_template = (folder / "chat_template.jinja").read_text()
    return [tokenizer.apply_chat_template(chat, tokenize=False) for chat in chats]


def main() -> None:
    folder, base, asked = Path(sys.argv[1]), sys.argv[2], json.loads(Path(sys.argv[3]).read_text())
    transformers.logging.set_verbosity_error()
    model, loading = open_model(folder, base)
    model = model.double().eval()
    total, count = 0.0, 0
    with torch.no_grad():
        for row in asked["rows"]:
            logits = model(input_ids=torch.tensor([row["input_ids"]])).logits[0, :-1]
            labels = torch.tensor(row["labels"][1:])
            total += torch.nn.functional.cross_entropy(logits, labels, reduction="sum").item()
            count += int((labels != -100).sum())
    chats = asked.get("chats", [])
    texts = texts_of(folder, base, chats) if chats else []
    print(json.dumps({"loss": total / count, "texts": texts, "loading": loading}))


if __name__ == "__main__":
    main()
