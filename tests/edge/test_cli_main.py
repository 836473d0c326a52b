"""The command line around the verbs: help, exit codes, one line for every failure."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import time
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from edge import __version__, errors
from edge.cli import main as cli
from edge.cli import verbs
from edge.cli.main import explained
from edge.cli.verbs import VERBS

EDGE = (sys.executable, "-m", "edge.cli.main")


def edge(*words: str, stdin: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
    """The real command, in a process of its own."""
    return subprocess.run(
        [*EDGE, *words],
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | environment,
    )


def test_help_lists_every_verb_without_importing_one() -> None:
    code = (
        "import sys; from edge.cli import main as m\n"
        "try: m.main(['--help'])\n"
        "except SystemExit: print([n for n in sys.modules if n.startswith('edge.cli.') or n == 'numpy'])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    for verb in VERBS:
        assert f"\n  {verb} " in done.stdout
    assert done.stdout.splitlines()[-1] == "['edge.cli.main', 'edge.cli.verbs']"


def test_help_answers_within_three_tenths_of_a_second_of_processor_time() -> None:
    costs = []
    for _ in range(3):
        before = os.times()
        assert edge("--help").returncode == 0
        after = os.times()
        costs.append(
            after.children_user - before.children_user + after.children_system - before.children_system
        )
    assert min(costs) <= 0.3, costs


@pytest.mark.parametrize("verb", VERBS)
def test_a_verbs_help_begins_with_its_line_in_the_table(verb: str) -> None:
    done = edge(verb, "--help")
    assert done.returncode == 0, done.stderr
    assert VERBS[verb] in " ".join(done.stdout.split())


def test_version_is_the_packages() -> None:
    assert edge("--version").stdout == f"edge {__version__}\n"


@pytest.mark.parametrize(
    "words", [("rum",), ("run", "--no-such-flag"), ("show",), ("run",), ("run", "x", "--temp", "-1")]
)
def test_a_command_line_that_is_off_exits_2_without_a_traceback(words: tuple[str, ...]) -> None:
    done = edge(*words)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr
    assert "Traceback" not in done.stderr


def test_a_model_that_is_not_there_exits_3_with_one_line() -> None:
    done = edge("show", "no-such-model")
    assert done.returncode == 3
    assert done.stderr.startswith("edge: ")
    assert done.stderr.count("\n") == 1
    assert "no-such-model" in done.stderr


@pytest.mark.parametrize("kind", [k for k in vars(errors).values() if isinstance(k, type)])
def test_every_error_leaves_with_its_own_code_and_one_line(
    kind: type[Exception], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def verb() -> None:
        raise kind("first\nsecond")

    monkeypatch.setattr(verbs, "plugins", lambda: {"boom": _Plugin(verb)})
    with pytest.raises(SystemExit) as left:
        cli.main(["boom"])
    assert left.value.code == kind.exit_code  # type: ignore[attr-defined]
    assert capsys.readouterr().err == "edge: first second\n"


def test_a_failure_that_nobody_foresaw_is_one_line_and_names_the_switch_for_more(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def verb() -> None:
        raise ZeroDivisionError("off")

    monkeypatch.setattr(verbs, "plugins", lambda: {"boom": _Plugin(verb)})
    monkeypatch.delenv("EDGE_DEBUG", raising=False)
    with pytest.raises(SystemExit) as left:
        cli.main(["boom"])
    assert left.value.code == 1
    assert (
        capsys.readouterr().err
        == "edge: unexpected ZeroDivisionError: off. EDGE_DEBUG=1 shows the traceback\n"
    )
    monkeypatch.setenv("EDGE_DEBUG", "1")
    with pytest.raises(ZeroDivisionError):
        cli.main(["boom"])


def test_an_interrupt_exits_130(monkeypatch: pytest.MonkeyPatch) -> None:
    def verb() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(verbs, "plugins", lambda: {"boom": _Plugin(verb)})
    with pytest.raises(SystemExit) as left:
        cli.main(["boom"])
    assert left.value.code == 130


def test_a_full_disk_exits_5() -> None:
    code, line = explained(OSError(errno.ENOSPC, "No space left on device"))
    assert code == 5
    assert "no space left" in line


def test_a_reader_that_leaves_early_is_no_news() -> None:
    child = subprocess.Popen([*EDGE, "version", "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert child.stdout is not None
    assert child.stderr is not None
    child.stdout.close()
    said = child.stderr.read()
    child.stderr.close()
    child.wait()
    assert said == b""


def test_a_warning_is_one_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    cli.warn(RuntimeWarning("the fast path\ndied"), RuntimeWarning, "file.py", 3)
    assert capsys.readouterr().err == "edge: warning: the fast path died\n"


def test_a_plugin_verb_is_listed_by_its_docstring_and_loaded_only_when_called(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "noisy_plugin.py").write_text(
        "print('imported')\n\n\ndef verb(count: int = 1) -> None:\n    '''Count.'''\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    plugin = EntryPoint("count", "noisy_plugin:verb", verbs.PLUGINS)
    assert verbs.plugin_summary(plugin) == "Count."
    assert "noisy_plugin" not in sys.modules


def test_a_plugin_cannot_replace_a_verb(monkeypatch: pytest.MonkeyPatch) -> None:
    found = [EntryPoint("run", "os:getcwd", verbs.PLUGINS)]
    monkeypatch.setattr("importlib.metadata.entry_points", lambda group: found)
    assert verbs.plugins() == {}


def test_importing_edge_is_cheap() -> None:
    def cost(code: str) -> float:
        began = time.process_time()
        before = os.times()
        subprocess.run([sys.executable, "-c", code], check=True)
        after = os.times()
        assert time.process_time() >= began
        return after.children_user - before.children_user + after.children_system - before.children_system

    bare = min(cost("pass") for _ in range(3))
    assert min(cost("import edge") for _ in range(3)) - bare <= 0.15


class _Plugin:
    """An entry point whose function is at hand."""

    def __init__(self, function: object) -> None:
        self.function = function

    def load(self) -> object:
        return self.function


@pytest.mark.parametrize(("words", "expected"), [(["run", "x"], 1), (["run", "--help"], 0), (["list"], 0)])
def test_only_a_verb_that_loads_a_model_starts_its_process_ahead(
    words: list[str], expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[int] = []
    monkeypatch.setattr("edge.isolation.life.start_ahead", lambda: begun.append(1))
    monkeypatch.setattr("typer.main.get_command", lambda app: lambda **_: None)
    with pytest.raises(SystemExit):
        cli.main(words)
    assert len(begun) == expected


@pytest.mark.parametrize("stream", ["0<&-", "1>&-", "2>&-"])
def test_a_stream_that_the_parent_closed_is_no_failure(stream: str) -> None:
    done = subprocess.run(["sh", "-c", f'"$@" {stream}', "sh", *EDGE, "list"], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_lone_word_is_said_to_be_taken_for_the_model() -> None:
    done = edge("run", "hello there")
    assert done.returncode == 2
    assert "'hello there' was taken for the model" in done.stderr
    done = edge("run", "pico", "hi", "-o", "-", "--json")
    assert done.returncode == 2
    assert "choose one" in done.stderr
