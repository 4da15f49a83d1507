"""tests/golden/tokenizer/minilm.json: ids of sixty texts from Hugging Face's Rust tokenizer. Run by make.py."""

from pathlib import Path

from tokenizers import Tokenizer

from oracle import GOLDEN, made_by, write_json
from wordpiece_texts import TEXTS

MAX_LENGTH = 32


def encode(tokenizer: Tokenizer, text: str | tuple[str, str]) -> dict:
    encoding = tokenizer.encode(*text) if isinstance(text, tuple) else tokenizer.encode(text)
    return {"input_ids": encoding.ids, "token_type_ids": encoding.type_ids}


def make(minilm: Path, data: Path) -> None:
    whole = Tokenizer.from_file(str(minilm / "tokenizer.json"))
    whole.no_padding()
    whole.no_truncation()
    cut = Tokenizer.from_file(str(minilm / "tokenizer.json"))
    cut.no_padding()
    cut.enable_truncation(max_length=MAX_LENGTH, strategy="longest_first")
    assert len(TEXTS) == len(set(TEXTS)) == 60, len(TEXTS)
    cases = []
    for text in TEXTS:
        texts = {"text": text[0], "pair": text[1]} if isinstance(text, tuple) else {"text": text}
        full, truncated = encode(whole, text), encode(cut, text)
        cases.append(texts | full | ({"truncated": truncated} if truncated != full else {}))
    write_json(
        GOLDEN / "tokenizer" / "minilm.json",
        {
            "made_by": made_by("wordpiece.py", None, {"exact": True}, ("tokenizers",)),
            "note": "no padding; `truncated` (longest_first) is there where it differs from the whole",
            "max_length": MAX_LENGTH,
            "cases": cases,
        },
    )
