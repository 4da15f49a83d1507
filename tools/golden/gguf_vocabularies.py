"""tests/golden/gguf/vocabularies.json: two small vocabularies, one of byte-level BPE and one of SentencePiece, learned from
this repository's own pages. gguf_tokenizers.ts asks llama.cpp what they make of texts.
Needs tokenizers and sentencepiece only: python tools/golden/gguf_vocabularies.py"""

import json
import tempfile
from importlib.metadata import version
from pathlib import Path

import sentencepiece
from tokenizers import Tokenizer, models, pre_tokenizers, trainers

ROOT = Path(__file__).resolve().parents[2]
PAGES = ["README.md", "README.zh-CN.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "src/files/safetensors.ts"]
SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<s>", "</s>"]


def byte_level(text: str) -> dict:
    """Learned without splitting, so that merges reach across words: then the ids tell how a text was split."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Split("\n\n\n", "isolated"), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    trainer = trainers.BpeTrainer(vocab_size=700, special_tokens=SPECIAL, initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()), max_token_length=6)
    tokenizer.train_from_iterator([text[i : i + 400] for i in range(0, len(text), 400)], trainer)
    model = json.loads(tokenizer.to_str())["model"]
    tokens = sorted(model["vocab"], key=model["vocab"].get) + ["<think>", "  \n"]
    kinds = [3 if token in SPECIAL else 1 for token in tokens[:-2]] + [4, 4]
    return {"tokens": tokens, "token_type": kinds, "merges": [" ".join(merge) for merge in model["merges"]]}


def sentence_piece(text: str) -> dict:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "text.txt"
        path.write_text(text)
        sentencepiece.SentencePieceTrainer.train(
            input=str(path), model_prefix=f"{folder}/m", vocab_size=900, model_type="bpe", byte_fallback=True, character_coverage=0.98,
            remove_extra_whitespaces=False, normalization_rule_name="identity", add_dummy_prefix=True, allow_whitespace_only_pieces=True,
            split_by_whitespace=True, minloglevel=2,
        )
        model = sentencepiece.SentencePieceProcessor(model_file=f"{folder}/m.model")
    ids = range(model.get_piece_size())
    kinds = [2 if model.is_unknown(i) else 3 if model.is_control(i) else 6 if model.is_byte(i) else 1 for i in ids]
    return {
        "tokens": [model.id_to_piece(i) for i in ids] + ["<|user|>", "<|tag|>"],
        "scores": [round(model.get_score(i), 4) for i in ids] + [-1000.0, -1000.0],
        "token_type": kinds + [3, 4],
    }


def main() -> None:
    text = "\n\n\n".join((ROOT / page).read_text() for page in PAGES)
    made_by = {
        "script": "tools/golden/gguf_vocabularies.py", "command": "python tools/golden/gguf_vocabularies.py",
        "versions": {name: version(name) for name in ("tokenizers", "sentencepiece")}, "seed": None, "tolerance": None,
    }
    vocabularies = {"gpt2": byte_level(text), "llama": sentence_piece(text)}
    lines = ",\n".join(
        f' "{name}": {{\n' + ",\n".join(f'  "{key}": {json.dumps(value, ensure_ascii=False)}' for key, value in parts.items()) + "\n }"
        for name, parts in vocabularies.items()
    )
    target = ROOT / "tests" / "golden" / "gguf" / "vocabularies.json"
    target.write_text(f'{{\n "made_by": {json.dumps(made_by)},\n{lines}\n}}\n')


if __name__ == "__main__":
    main()
