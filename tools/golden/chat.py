"""tests/golden/chat: what Transformers renders, tokenises and masks for chat templates of several styles. Run by make.py."""

import datetime
import json
import re
from pathlib import Path
from unittest import mock

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast
from transformers.utils import chat_template_utils

from chat_templates import TEMPLATES
from oracle import GOLDEN, made_by, write_json

FOLDER = GOLDEN / "chat"
NOW = datetime.datetime(2026, 2, 3, 14, 5, 6)
SPLIT = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
CORPUS = [
    "The weather in Oslo is cold today, and the assistant answers the question of the user in one sentence.",
    "system user assistant model tool The answer to the question is that there are nine planets, or eight of them.",
    "天气很冷，我们一起去看书吧。你好，我是助手。问题的答案是什么？",
    '{"name": "weather", "arguments": {"city": "Oslo"}}',
]
SPECIAL = {
    "bytelevel": ["<|endoftext|>", "<|begin_of_text|>", "<|im_start|>", "<|im_end|>", "<|start_header_id|>",
                  "<|end_header_id|>", "<|eot_id|>", "<start_of_turn>", "<end_of_turn>", "<bos>"],
    "metaspace": ["<unk>", "<s>", "</s>", "[INST]", "[/INST]"],
}
KIND = {"chatml": "bytelevel", "llama3": "bytelevel", "qwen": "bytelevel", "gemma": "bytelevel", "mistral": "metaspace"}
NAMED = {
    "chatml": {"eos_token": "<|im_end|>", "pad_token": "<|endoftext|>"},
    "llama3": {"bos_token": "<|begin_of_text|>", "eos_token": "<|eot_id|>"},
    "qwen": {"eos_token": "<|im_end|>", "pad_token": "<|endoftext|>"},
    "gemma": {"bos_token": "<bos>", "eos_token": "<|endoftext|>"},
    "mistral": {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"},
}


def bytelevel() -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.NFC()
    split = pre_tokenizers.Split(Regex(SPLIT), "isolated")
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([split, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    return trained(tokenizer, trainers.BpeTrainer(vocab_size=380, initial_alphabet=alphabet, show_progress=False), "bytelevel")


def metaspace() -> Tokenizer:
    tokenizer = Tokenizer(models.BPE(byte_fallback=True, fuse_unk=True, unk_token="<unk>"))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(content=" ", left=1)]
    )
    special = ["<unk>", "<s>", "</s>"] + [f"<0x{byte:02X}>" for byte in range(256)]
    trained(tokenizer, trainers.BpeTrainer(vocab_size=380, special_tokens=special, show_progress=False), "metaspace")
    # The bytes are ordinary tokens of the vocabulary, not added ones.
    written = json.loads(tokenizer.to_str())
    written["added_tokens"] = [token for token in written["added_tokens"] if not token["content"].startswith("<0x")]
    tokenizer = Tokenizer.from_str(json.dumps(written))
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", pair="<s> $A <s> $B", special_tokens=[("<s>", 1)])
    return tokenizer


def trained(tokenizer: Tokenizer, trainer: trainers.BpeTrainer, kind: str) -> Tokenizer:
    tokenizer.train_from_iterator(CORPUS, trainer)
    tokenizer.add_special_tokens([AddedToken(name, special=True, normalized=False) for name in SPECIAL[kind]])
    return tokenizer


USER, ANSWER = "user", "assistant"
WEATHER = {"type": "function", "function": {"name": "weather", "description": "Tells the weather & more <b>", "parameters": {
    "type": "object", "properties": {"city": {"type": "string", "enum": ["Oslo", "北京"]}}, "required": ["city"]}}}


def says(role: str, content: str, **more) -> dict:
    return {"role": role, "content": content, **more}


def calls(city: str) -> dict:
    return {"type": "function", "function": {"name": "weather", "arguments": {"city": city, "days": 2, "exact": True}}}


CONVERSATIONS = {
    "short": {"messages": [says(USER, "Hi"), says(ANSWER, "Hello there!")]},
    "turns": {"messages": [says(USER, "How many planets are there?"), says(ANSWER, "Nine.\nOr eight?"),
                           says(USER, "Which?  Say it's\n\nin one word."), says(ANSWER, "Eight. 答案是八。 🙂")]},
    "system": {"messages": [says("system", "Answer in one sentence."), says(USER, "天气怎么样？"), says(ANSWER, "很冷。\n\n\n我们一起去看书吧。")]},
    "tools": {"tools": [WEATHER], "messages": [
        says(USER, "Weather in Oslo & 北京?"), says(ANSWER, "", tool_calls=[calls("Oslo"), calls("北京")]),
        says("tool", "7 °C"), says("tool", "\"cold\""), says(ANSWER, "It's cold.")]},
    "thought": {"messages": [says(USER, "1+1?"), says(ANSWER, "2", reasoning_content="One and one.")]},
}
REFUSED = {"gemma": ["system", "tools"], "mistral": [], "llama3": [], "chatml": [], "qwen": []}
WITHOUT_TOOLS = ["chatml", "llama3", "mistral"]


def without_marks(template: str) -> str:
    """The tags become empty statements, so that the space around them is cut as before."""
    return re.sub(r"\{%(-?)\s*(?:end)?generation\s*(-?)%\}", r"{%\1 if true %}{% endif \2%}", template)


def case_of(tokenizer: PreTrainedTokenizerFast, template: str, conversation: dict) -> dict:
    thinks = any("reasoning_content" in message for message in conversation["messages"])
    options = {"tools": conversation.get("tools"), "chat_template": template, "enable_thinking": thinks}
    text = tokenizer.apply_chat_template(conversation["messages"], tokenize=False, **options)
    marked = tokenizer.apply_chat_template(
        conversation["messages"], tokenize=True, return_dict=True, return_assistant_tokens_mask=True, **options
    )
    bare = tokenizer.apply_chat_template(
        conversation["messages"], tokenize=False, **{**options, "chat_template": without_marks(template)}
    )
    assert bare == text, (bare, text)
    asked = [message for message in conversation["messages"]]
    while asked[-1]["role"] == ANSWER:
        asked.pop()
    prompt = tokenizer.apply_chat_template(asked, tokenize=False, add_generation_prompt=True, **options)
    return {"text": text, "input_ids": marked["input_ids"], "mask": marked["assistant_masks"], "prompt": prompt}


class Frozen(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return NOW


def make(minilm: Path, data: Path) -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    kinds = {"bytelevel": bytelevel(), "metaspace": metaspace()}
    for kind, tokenizer in kinds.items():
        (FOLDER / f"{kind}.json").write_text(json.dumps(json.loads(tokenizer.to_str()), ensure_ascii=False, separators=(",", ":")) + "\n")
    templates = []
    with mock.patch.object(chat_template_utils, "datetime", Frozen):
        for name, template in TEMPLATES.items():
            tokenizer = PreTrainedTokenizerFast(tokenizer_object=kinds[KIND[name]], **NAMED[name])
            cases = []
            for title, conversation in CONVERSATIONS.items():
                if title in REFUSED[name] or (title == "tools" and name in WITHOUT_TOOLS) or (title == "thought" and name != "qwen"):
                    continue
                cases.append({"conversation": title, **case_of(tokenizer, template, conversation)})
            templates.append({"name": name, "tokenizer": KIND[name], "special_tokens": NAMED[name], "template": template,
                              "unmarked": without_marks(template), "refused": REFUSED[name], "cases": cases})
    write_json(FOLDER / "templates.json", {
        "made_by": made_by("chat.py", None, {"exact": True}, ("transformers", "tokenizers")),
        "now": NOW.isoformat(),
        "conversations": CONVERSATIONS,
        "templates": templates,
    })
