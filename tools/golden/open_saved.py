"""Opens a classifier saved by Attune, prints its answers as JSON: python tools/golden/open_saved.py FOLDER INPUT.json

INPUT.json: {"texts": ["…", ["…", "second"]], "rows": [{"input_ids": […], "token_type_ids": […]}]}, both optional.
Prints {"logits", "labels", "input_ids", "id2label", "loading"}: texts first, then rows.
Exit code 1 when a weight is missing, unexpected or of another shape.
"""

import argparse
import json
import sys
from pathlib import Path

import torch
import transformers
from transformers import AutoModelForSequenceClassification, AutoTokenizer


def encode(tokenizer, text: str | list[str]) -> dict:
    texts = text if isinstance(text, list) else [text]
    return dict(tokenizer(*texts, truncation=True))


def answer(model, row: dict) -> list[float]:
    inputs = {name: torch.tensor([values]) for name, values in row.items()}
    with torch.no_grad():
        return model(**inputs).logits[0].tolist()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("input", type=Path)
    options = parser.parse_args()
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    model, info = AutoModelForSequenceClassification.from_pretrained(
        options.folder, output_loading_info=True, local_files_only=True, ignore_mismatched_sizes=True
    )
    tokenizer = AutoTokenizer.from_pretrained(options.folder, local_files_only=True)
    asked = json.loads(options.input.read_text())
    rows = [encode(tokenizer, text) for text in asked.get("texts", [])] + asked.get("rows", [])
    model.float().eval()
    logits = [answer(model, row) for row in rows]
    loading = {name: sorted(map(str, entries)) for name, entries in info.items() if name.endswith("_keys")}
    result = {
        "logits": logits,
        "labels": [model.config.id2label[row.index(max(row))] for row in logits],
        "input_ids": [row["input_ids"] for row in rows],
        "id2label": model.config.id2label,
        "loading": loading,
    }
    print(json.dumps(result))
    return 1 if any(loading.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
