"""The child process that calls `llama_model_quantize`; arguments: SOURCE TARGET FILE_TYPE THREADS.

Job: one native call; llama.cpp's log goes to stdout, one line per tensor.
Ignorance: everything else. It may abort: its parent (`quantize.children`) expects that.
"""

from __future__ import annotations

import os
import sys

from quantize.children import die_with_parent


def main(source: str, target: str, file_type: str, threads: str) -> int:
    """Exit code 0 when llama.cpp says that the file is written."""
    from llama_cpp import llama_cpp

    llama_cpp.llama_backend_init()
    params = llama_cpp.llama_model_quantize_default_params()
    params.ftype, params.nthread = int(file_type), int(threads)
    return int(llama_cpp.llama_model_quantize(os.fsencode(source), os.fsencode(target), params) != 0)


if __name__ == "__main__":
    die_with_parent()
    sys.exit(main(*sys.argv[1:]))
