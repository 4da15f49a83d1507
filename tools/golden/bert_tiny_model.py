"""A small random BERT and a hand-made WordPiece vocabulary, saved as a Hugging Face folder. Run by make.py."""

from pathlib import Path

import torch
from transformers import BertConfig, BertForSequenceClassification, BertTokenizerFast

SEED = 20261101
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
LETTERS = [chr(ord("a") + i) for i in range(26)]
WORDS = "the movie film was is not good bad very plot story act and".split()
SUFFIXES = ["##ing", "##ly", "##ed", "##er"]
CHINESE = ["好", "坏", "电", "影"]
PUNCTUATION = [".", ",", "!", "?", "'", "-"]
DIGITS = list("0123456789")
CLS, SEP, FIRST_WORD = 2, 3, len(SPECIAL)


def vocabulary() -> list[str]:
    pieces = ["##" + letter for letter in LETTERS]
    tokens = SPECIAL + LETTERS + pieces + DIGITS + PUNCTUATION + WORDS + SUFFIXES + CHINESE
    tokens += ["##" + digit for digit in DIGITS][: 99 - len(tokens)]
    assert len(tokens) == len(set(tokens)) == 99, len(tokens)
    return tokens


def config(**changes) -> BertConfig:
    return BertConfig(
        vocab_size=99,
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=3,
        num_attention_heads=4,
        max_position_embeddings=40,
        type_vocab_size=2,
        layer_norm_eps=1e-12,
        pad_token_id=0,
        id2label={0: "negative", 1: "neutral", 2: "positive"},
        label2id={"negative": 0, "neutral": 1, "positive": 2},
        **({"hidden_act": "gelu"} | changes),
    )


def tiny_bert() -> BertForSequenceClassification:
    """Every tensor far from its usual start, so that a forgotten bias or LayerNorm weight is seen."""
    model = BertForSequenceClassification._from_config(config(), attn_implementation="eager")
    generator = torch.Generator().manual_seed(SEED)
    for name, parameter in sorted(model.named_parameters()):
        values = 0.3 * torch.randn(parameter.shape, generator=generator)
        parameter.data = 1 + values if name.endswith("LayerNorm.weight") else values
    return model.eval()


def open_tiny(folder: Path, dtype: torch.dtype, hidden_act: str = "gelu") -> BertForSequenceClassification:
    model = BertForSequenceClassification.from_pretrained(
        folder, config=config(hidden_act=hidden_act), attn_implementation="eager"
    )
    return model.to(dtype).eval()


def save_folder(folder: Path) -> None:
    model = tiny_bert()
    model.save_pretrained(folder)
    (folder / "model.safetensors").chmod(0o644)
    tokens = vocabulary()
    tokenizer = BertTokenizerFast(vocab={token: i for i, token in enumerate(tokens)}, model_max_length=40)
    tokenizer.save_pretrained(folder)
    (folder / "vocab.txt").write_text("\n".join(tokens) + "\n")


def random_row(length: int, generator: torch.Generator, first_of_second: int | None = None) -> dict:
    """[CLS] … [SEP] of random ids, the second text from `first_of_second` on. The label follows from the first id."""
    ids = torch.randint(FIRST_WORD, 99, (max(length - 2, 0),), generator=generator).tolist()
    ids = ([CLS] + ids + [SEP])[:length]
    boundary = length if first_of_second is None else first_of_second
    if boundary < length:
        ids[boundary - 1] = SEP
    return {
        "input_ids": ids,
        "token_type_ids": [0] * boundary + [1] * (length - boundary),
        "label": ids[min(1, length - 1)] % 3,
    }
