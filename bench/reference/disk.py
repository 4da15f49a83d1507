"""Bytes of the installed packages that torch, transformers and peft need, without those for CUDA.

python bench/reference/disk.py
Follows the requirements from package to package and adds the files that each of them lists. Of a build of torch for
CUDA, the packages and libraries for CUDA are left out: what is left is about the size of a build for the CPU.
"""

import json
import re
from importlib.metadata import Distribution, PackageNotFoundError, distribution

from packaging.requirements import Requirement

ROOTS = ["torch", "transformers", "peft", "accelerate"]
CUDA_PACKAGE = re.compile(r"^(nvidia|cuda|triton)")
CUDA_FILE = re.compile(r"(lib|/)(torch_cuda|c10_cuda|torch_nvshmem|caffe2_nvrtc)[^/]*$")


def closure(names: list[str]) -> dict[str, Distribution]:
    found: dict[str, Distribution] = {}
    waiting = list(names)
    while waiting:
        name = waiting.pop().lower().replace("_", "-")
        if name in found or CUDA_PACKAGE.match(name):
            continue
        try:
            found[name] = distribution(name)
        except PackageNotFoundError:
            continue  # of another system or Python
        requirements = [Requirement(text) for text in found[name].requires or []]
        waiting += [one.name for one in requirements if not one.marker or one.marker.evaluate({"extra": ""})]
    return found


def bytes_of(package: Distribution) -> int:
    paths = [file.locate() for file in package.files or [] if not CUDA_FILE.search(str(file))]
    return sum(path.stat().st_size for path in paths if path.is_file())


def main() -> None:
    sizes = {name: bytes_of(package) for name, package in closure(ROOTS).items()}
    largest = dict(sorted(sizes.items(), key=lambda item: -item[1])[:6])
    print(json.dumps({"installed_bytes": sum(sizes.values()), "largest": largest}))


if __name__ == "__main__":
    main()
