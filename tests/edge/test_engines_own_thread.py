"""The thread native code computes on: results, errors, interrupts, and why it exists."""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from edge.engines.llama_cpp import LlamaCppEngine
from edge.engines.own_thread import OwnThread
from edge.options import EngineOptions

# An int8 product of onnxruntime between two equal greedy runs of one int4 bundle, all on the main thread.
MIXED = """
import sys
import edge
import numpy as np
from edge.onnx_session import runtime
from onnx import TensorProto, helper, numpy_helper

def answer(path):
    with edge.load(path) as model:
        greedy = edge.SamplingOptions(temperature=0.0, max_tokens=24)
        return model.chat().ask("Who are you, and what can you do?", sampling=greedy).text

before = answer(sys.argv[1])
weights = np.arange(64 * 64, dtype=np.int64).reshape(64, 64) % 100
graph = helper.make_graph(
    [helper.make_node("MatMulInteger", ["a", "b"], ["c"])], "g",
    [helper.make_tensor_value_info("a", TensorProto.UINT8, [64, 64])],
    [helper.make_tensor_value_info("c", TensorProto.INT32, [64, 64])],
    [numpy_helper.from_array(weights.astype(np.int8), "b")],
)
made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
options = runtime().SessionOptions()
options.intra_op_num_threads = 1
session = runtime().InferenceSession(made.SerializeToString(), options, providers=["CPUExecutionProvider"])
session.run(None, {"a": weights.astype(np.uint8)})
assert answer(sys.argv[1]) == before, "an int8 product on the caller's thread changed the model's answer"
"""


@pytest.fixture
def thread() -> OwnThread:
    return OwnThread("test")


def test_calls_run_one_after_another_on_one_other_thread(thread: OwnThread) -> None:
    seen = {thread.call(threading.get_ident) for _ in range(20)}
    assert len(seen) == 1
    assert threading.get_ident() not in seen
    assert [thread.call(int.__add__, i, 1) for i in range(50)] == list(range(1, 51))
    thread.stop()


def test_what_a_call_raises_is_raised_at_the_caller_and_the_next_call_works(thread: OwnThread) -> None:
    with pytest.raises(ZeroDivisionError):
        thread.call(int.__floordiv__, 1, 0)
    assert thread.call(len, "abc") == 3
    thread.stop()


def test_an_interrupt_waits_for_the_call_and_does_not_mix_results(thread: OwnThread) -> None:
    done = threading.Event()

    def slow() -> str:
        time.sleep(0.3)
        done.set()
        return "late"

    threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGINT)).start()
    with pytest.raises(KeyboardInterrupt):
        thread.call(slow)
    assert done.is_set()
    assert thread.call(len, "abc") == 3
    thread.stop()


def test_it_can_be_stopped_from_its_own_thread_and_the_caller_still_hears_of_it() -> None:
    """Many times: the thread may be gone before the caller reads what its last call gave."""
    before = open_files()
    for _ in range(300):
        thread = OwnThread("test")
        worker = thread._thread
        thread.call(thread.stop)  # as a collector does that runs there
        worker.join(timeout=5)
        assert not worker.is_alive()
    del thread
    assert open_files() <= before


def open_files() -> int:
    gc.collect()
    return len(os.listdir("/dev/fd"))


def test_an_int8_product_on_the_callers_thread_does_not_change_the_answers(tiny_bundle: Path) -> None:
    """Without it, every int4 answer after the product is garbage on a machine with AMX."""
    done = subprocess.run([sys.executable, "-c", MIXED, str(tiny_bundle)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_whoever_calls_one_thread_computes(tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: set[int] = set()
    engine = LlamaCppEngine(tiny_bundle / "decoder.gguf", EngineOptions(threads=1))
    decode = engine._native.llama_decode
    monkeypatch.setattr(
        engine._native, "llama_decode", lambda *given: (seen.add(threading.get_ident()), decode(*given))[1]
    )
    callers = [threading.Thread(target=engine.step, args=([5],)) for _ in range(3)]
    for caller in callers:
        caller.start()
        caller.join()
    logits = engine.step([5])
    engine.close()
    assert len(seen) == 1
    assert not seen & {threading.get_ident(), *(caller.ident for caller in callers)}
    assert logits.shape == (1, engine.vocab_size)
