"""Every way in which a model's own process can die, and what is left of it when it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import edge
from edge.isolation import supervisor
from edge.options import EngineOptions, SamplingOptions
from tests.isolated import TRAPS, kill, pid, told, traps, words

ENGINE = EngineOptions(threads=1, cache_bytes=0)  # what one model kept would serve the other
SHORT = SamplingOptions(seed=1, max_tokens=6)
LONG = SamplingOptions(seed=1, max_tokens=400)


@pytest.fixture(scope="module")
def trapped(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder of dangerous pictures, for workers that watch."""
    folder = tmp_path_factory.mktemp("traps")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", traps(folder))
        yield folder


@pytest.fixture(scope="module")
def model(tiny_bundle: Path, trapped: Path) -> Iterator[edge.Model]:
    with edge.load(tiny_bundle, engine=ENGINE, isolated=True) as loaded:
        yield loaded


@pytest.fixture(scope="module")
def here(tiny_bundle: Path) -> Iterator[edge.Model]:
    """The same model in this process."""
    with edge.load(tiny_bundle, engine=ENGINE) as loaded:
        yield loaded


# --- deaths ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV, signal.SIGABRT])
def test_a_worker_killed_in_mid_reply_is_an_error_and_the_chat_goes_on(
    model: edge.Model, here: edge.Model, number: signal.Signals
) -> None:
    chat, same = model.chat(), here.chat()
    chat.ask("the red circle", sampling=SHORT)
    same.ask("the red circle", sampling=SHORT)
    before, old = words(chat), pid(model)
    events = chat.send("hello", sampling=LONG)
    next(events)
    os.kill(old, number)
    with pytest.raises(edge.CrashError, match=number.name):
        list(events)
    assert words(chat) == before
    assert told(chat.send("a bird", sampling=SHORT)) == told(same.send("a bird", sampling=SHORT))
    assert words(chat) == words(same)
    assert pid(model) != old


@pytest.mark.parametrize(("picture", "how"), [("segfault.png", "SIGSEGV"), ("abort.png", "SIGABRT")])
def test_native_code_that_dies_is_an_error_here_with_its_last_words(
    model: edge.Model, trapped: Path, picture: str, how: str, capfd: pytest.CaptureFixture[str]
) -> None:
    chat = model.chat()
    chat.ask("hello", sampling=SHORT)
    with pytest.raises(edge.CrashError, match=how) as caught:
        chat.ask("what is this", edge.Image(trapped / picture))
    assert ("GGML_ASSERT(sane)" in str(caught.value)) == (picture == "abort.png")
    assert len(chat.ask("hello", sampling=SHORT).text) > 0
    assert len(chat.history) == 4
    assert capfd.readouterr() == ("", "")  # nothing of the worker's is shown as this process' own


def test_one_that_dies_while_nobody_asks_is_replaced_without_an_error(model: edge.Model) -> None:
    chat = model.chat()
    chat.ask("hello", sampling=SHORT)
    kill(model, signal.SIGKILL)
    assert chat.ask("hello", sampling=SHORT).text
    assert len(chat.history) == 4


def test_a_chat_goes_on_with_the_media_of_its_history(model: edge.Model, tmp_path: Path) -> None:
    chat = model.chat()
    chat.ask("draw", make="image", sampling=SamplingOptions(seed=1))
    chat.ask("this?", edge.Image(np.zeros((64, 64, 3), np.uint8)), make="text", sampling=SHORT)
    kill(model, signal.SIGKILL)
    reply = chat.ask("and?", make="text", sampling=SHORT)
    assert reply.usage.prompt_tokens > 2 * 64
    assert reply.usage.cached_tokens == 0


def test_workers_that_die_again_and_again_are_not_started_for_ever(tiny_bundle: Path, trapped: Path) -> None:
    with edge.load(tiny_bundle, engine=ENGINE, isolated=True) as model:
        for _ in range(supervisor.MOST_DEATHS):
            with pytest.raises(edge.CrashError, match="SIGSEGV"):
                model.describe(edge.Image(trapped / "segfault.png"))
        for _ in range(2):
            with pytest.raises(edge.CrashError, match="no other one is started"):
                model.chat().ask("hello")


def test_a_file_that_kills_its_reader_is_an_error_of_load(
    tiny_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sitecustomize.py").write_text(TRAPS.replace("segfault.png", "decoder.gguf"))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), str(Path.cwd())]))
    with pytest.raises(edge.CrashError, match="SIGSEGV"):
        edge.load(tiny_bundle, engine=ENGINE, isolated=True)


def test_what_cannot_be_loaded_is_the_same_error(tmp_path: Path) -> None:
    with pytest.raises(edge.NotFoundError, match="no-such-model"):
        edge.load("no-such-model", isolated=True)
    (tmp_path / "x.gguf").write_bytes(b"GGUF")
    with pytest.raises(edge.IntegrityError):
        edge.load(tmp_path / "x.gguf", isolated=True)


# --- processes, threads, handles ------------------------------------------------------------------


def test_two_models_answer_at_once(model: edge.Model, tiny_bundle: Path) -> None:
    with edge.load(tiny_bundle, engine=ENGINE, isolated=True) as other:
        assert pid(other) != pid(model)
        one, two = model.chat().send("hello", sampling=LONG), other.chat().send("hello", sampling=LONG)
        pairs = [(a, b) for a, b in zip(one, two, strict=True) if isinstance(a, edge.TextDelta)]
        assert pairs
        assert all(a == b for a, b in pairs)


def test_a_model_outlives_the_thread_that_loaded_it(tiny_bundle: Path) -> None:
    made: list[edge.Model] = []
    thread = threading.Thread(
        target=lambda: made.append(edge.load(tiny_bundle, engine=ENGINE, isolated=True))
    )
    thread.start()
    thread.join()
    time.sleep(0.2)  # the kernel would end a child of a thread that is gone
    with made[0] as model:
        old = pid(model)
        assert model.chat().ask("hello", sampling=SHORT).text
        assert pid(model) == old


def test_closing_leaves_no_process_no_thread_and_no_handle(tiny_bundle: Path) -> None:
    def held() -> tuple[int, int]:
        return len(os.listdir("/proc/self/fd")), threading.active_count()

    before = held()
    for closes in (True, False):
        model = edge.load(tiny_bundle, engine=ENGINE, isolated=True)
        model.chat().ask("hello", sampling=SHORT)
        process = pid(model)
        if closes:
            model.close()
        del model  # one that nobody holds is closed
        assert not Path(f"/proc/{process}").exists()
    assert held() == before


def test_a_closed_model_says_so(tiny_bundle: Path) -> None:
    model = edge.load(tiny_bundle, engine=ENGINE, isolated=True)
    chat = model.chat()
    model.close()
    model.close()
    with pytest.raises(edge.EngineError, match="closed"):
        chat.ask("hello")


SCRIPT = """
import os, sys, edge
from edge import offline
offline.guard()
model = edge.load(sys.argv[1], engine=edge.EngineOptions(threads=1), isolated=True)
print([m for m in ("numpy", "onnxruntime", "llama_cpp", "jinja2", "PIL") if m in sys.modules])
short = edge.SamplingOptions(seed=1, max_tokens=4)
print(model.chat().ask("hello", make="text", sampling=short).finish_reason)
try:
    model.describe(edge.Image(sys.argv[2]))
except edge.OfflineError as error:
    print("stopped")
if (child := os.fork()) == 0:
    try:
        model.chat().ask("hello")
    except edge.UsageError as error:
        print("forked")
    os._exit(0)
os.waitpid(child, 0)
print(model._supervisor.life().pid, flush=True)
sys.stdin.read()
os.kill(os.getpid(), 9)
"""


def script(code: str, *arguments: str, path: Path | None = None) -> subprocess.Popen[str]:
    known = [str(path)] if path else []
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([*known, str(Path.cwd())])}
    return subprocess.Popen(
        [sys.executable, "-u", "-W", "error", "-c", code, *arguments],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment,
    )  # fmt: skip


def gone(process: int) -> bool:
    """Ended, or a corpse that its parent did not bury."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def test_a_script_without_a_main_guard_and_its_worker_dies_with_it(tiny_bundle: Path, trapped: Path) -> None:
    with script(SCRIPT, str(tiny_bundle), str(trapped / "call-home.png"), path=trapped) as child:
        assert child.stdout is not None
        assert child.stdin is not None
        assert child.stdout.readline() == "[]\n"  # this process stays light
        assert child.stdout.readline() == "length\n"
        assert child.stdout.readline() == "stopped\n"  # the guard holds in the worker too
        assert child.stdout.readline() == "forked\n"
        worker = int(child.stdout.readline())
        assert not gone(worker)
        child.stdin.close()
        assert child.wait() == -signal.SIGKILL
    for _ in range(200):
        if gone(worker):
            break
        time.sleep(0.05)
    assert gone(worker)


FROZEN = """#!{python}
import sys
sys.frozen, sys.executable = True, __file__
import edge
{support}
print("the program starts", flush=True)
try:
    with edge.load(sys.argv[1], engine=edge.EngineOptions(threads=1), isolated=True) as model:
        reply = model.chat().ask("hello", sampling=edge.SamplingOptions(seed=1, max_tokens=3))
        print(reply.usage.text_tokens)
except edge.UsageError as error:
    print(error)
"""


@pytest.mark.parametrize("support", ["edge.freeze_support()", ""])
def test_a_frozen_program_becomes_its_own_worker(tiny_bundle: Path, tmp_path: Path, support: str) -> None:
    program = tmp_path / "program.py"
    program.write_text(FROZEN.format(python=sys.executable, support=support))
    program.chmod(0o755)
    environment = os.environ | {"PYTHONPATH": str(Path.cwd())}
    done = subprocess.run(
        [program, str(tiny_bundle)], capture_output=True, text=True, env=environment, check=False
    )
    lines = done.stdout.splitlines()
    assert lines[0] == "the program starts"
    assert lines[1:] == ["3"] if support else "edge.freeze_support()" in lines[1]
    assert done.stderr == ""
