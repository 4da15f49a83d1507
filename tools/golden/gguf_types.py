"""tests/golden/gguf/types.*: a small .gguf with a tensor of each number type and metadata of each kind, and what the
values are. Needs numpy and gguf only: python tools/golden/gguf_types.py"""

import json
from importlib.metadata import version
from pathlib import Path

import numpy as np
from gguf import GGML_QUANT_SIZES, GGMLQuantizationType, GGUFEndian, GGUFValueType, GGUFWriter
from gguf.quants import dequantize
from safetensors.numpy import save_file

FOLDER = Path(__file__).resolve().parents[2] / "tests" / "golden" / "gguf"
SEED = 20261124
TYPES = "F32 F16 BF16 Q4_0 Q4_1 Q5_0 Q5_1 Q8_0 Q4_K Q5_K Q6_K".split()
# Where halves stand in a block: scales, which are given the values that are hard to get right.
HALVES = {"Q4_0": [0], "Q4_1": [0, 2], "Q5_0": [0], "Q5_1": [0, 2], "Q8_0": [0], "Q4_K": [0, 2], "Q5_K": [0, 2], "Q6_K": [208]}
EXTREMES = np.array([0.0, -0.0, 2**-24, -(2**-24), 2**-14, 65504.0, -65504.0, 1.0, 0.0437, np.inf], np.float16)
ROWS = 3


def random_tensor(name: str, random: np.random.Generator) -> np.ndarray:
    """Random bytes: every one of them is a value. [ROWS, bytes of a row]"""
    values, size = GGML_QUANT_SIZES[GGMLQuantizationType[name]]
    blocks = 512 // values
    raw = random.integers(0, 256, (ROWS, blocks, size), dtype=np.uint8)
    for offset in HALVES.get(name, []):
        scales = random.normal(0, 0.05, (ROWS, blocks)).astype(np.float16)
        scales[0] = random.choice(EXTREMES, blocks)
        raw[:, :, offset : offset + 2] = scales.view(np.uint8).reshape(ROWS, blocks, 2)
    return raw.reshape(ROWS, blocks * size)


def main() -> None:
    random = np.random.default_rng(SEED)
    FOLDER.mkdir(parents=True, exist_ok=True)
    writer = GGUFWriter(FOLDER / "types.gguf", "llama", endianess=GGUFEndian.LITTLE)
    metadata = {
        "u8": (200, GGUFValueType.UINT8), "i8": (-100, GGUFValueType.INT8), "u16": (60000, GGUFValueType.UINT16),
        "i16": (-30000, GGUFValueType.INT16), "u32": (4000000000, GGUFValueType.UINT32),
        "i32": (-2000000000, GGUFValueType.INT32), "f32": (0.5, GGUFValueType.FLOAT32), "yes": (True, GGUFValueType.BOOL),
        "no": (False, GGUFValueType.BOOL), "text": ("naïve 你好 \ufeff🙂", GGUFValueType.STRING),
        "u64": (2**63 + 1, GGUFValueType.UINT64), "i64": (-(2**40), GGUFValueType.INT64), "f64": (0.1, GGUFValueType.FLOAT64),
    }
    for key, (value, kind) in metadata.items():
        writer.add_key_value(f"test.{key}", value, kind)
    writer.add_array("test.strings", ["a", "", "\ufeff"])
    writer.add_array("test.integers", [1, -2, 3])
    writer.add_array("test.floats", [0.5, -0.25])
    writer.add_array("test.flags", [True, False])
    expected = {}
    for name in TYPES:
        kind = GGMLQuantizationType[name]
        raw = random_tensor(name, random)
        with np.errstate(all="ignore"):
            floats = dequantize(raw.view(np.float32) if name == "F32" else raw, kind)
        expected[name] = np.ascontiguousarray(floats, np.float32)
        writer.add_tensor(name, raw, raw_dtype=kind)
    vector = random.normal(size=7).astype(np.float32)
    writer.add_tensor("vector", vector)
    expected["vector"] = vector
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    save_file(expected, FOLDER / "types.safetensors")
    made_by = {
        "script": "tools/golden/gguf_types.py", "command": "python tools/golden/gguf_types.py",
        "versions": {name: version(name) for name in ("gguf", "numpy")}, "seed": SEED, "tolerance": {"exact": True},
    }
    (FOLDER / "types.json").write_text(json.dumps({"made_by": made_by, "types": TYPES}, indent=1) + "\n")


if __name__ == "__main__":
    main()
