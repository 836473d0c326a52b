"""The verbs as a person runs them: real processes, a real (random) bundle."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from edge import hardware
from edge.cli import doctor
from edge.media import audio, image
from tests.grammars import derives

EDGE = (sys.executable, "-m", "edge.cli.main")
PNG, WAV = b"\x89PNG\r\n\x1a\n", b"RIFF"
Run = Callable[..., subprocess.CompletedProcess[bytes]]


@pytest.fixture
def edge(tiny_bundle: Path, tmp_path: Path) -> Run:
    """The command in an empty folder, with the tiny bundle installed as "tiny"."""
    home, work = tmp_path / "home", tmp_path / "work"
    (home / "bundles").mkdir(parents=True)
    work.mkdir()
    (home / "bundles" / "tiny").symlink_to(tiny_bundle)
    shown = np.zeros((64, 64, 3), np.uint8)
    image.Picture(shown).save(work / "desk.png")
    audio.Sound(np.sin(np.arange(8000, dtype=np.float32) / 8) / 4, 16000).save(work / "voice.wav")
    environment = os.environ | {"EDGE_HOME": str(home), "PYTHONPATH": str(Path.cwd())}
    environment.pop("EDGE_DEBUG", None)

    def run(*words: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        done = subprocess.run(
            [*EDGE, *words], input=stdin, capture_output=True, check=False, cwd=work, env=environment
        )
        assert b"Traceback" not in done.stderr, done.stderr.decode()
        return done

    run.folder = work  # type: ignore[attr-defined]
    return run


def folder(edge: Run) -> Path:
    return edge.folder  # type: ignore[attr-defined,no-any-return]


def test_run_prints_the_answer_and_nothing_else(edge: Run) -> None:
    done = edge("run", "tiny", "hello", "--make", "text", "-n", "4", "--seed", "1")
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith(b"\n")
    assert done.stdout.strip()
    assert done.stderr == b""


def test_the_same_seed_gives_the_same_answer(edge: Run) -> None:
    words = ("run", "tiny", "hello", "--make", "text", "-n", "8", "--seed", "3")
    assert edge(*words).stdout == edge(*words).stdout


def test_seed_minus_one_is_a_fresh_seed_and_less_is_refused(edge: Run) -> None:
    assert edge("run", "tiny", "hello", "--make", "text", "-n", "1", "--seed", "-1").returncode == 0
    assert edge("run", "tiny", "hello", "--seed", "-5").returncode == 2


def test_piped_text_joins_the_prompt(edge: Run) -> None:
    def tokens(*words: str, stdin: bytes = b"") -> int:
        done = edge("run", "tiny", *words, "--make", "text", "-n", "1", "--json", stdin=stdin)
        return int(json.loads(done.stdout)["usage"]["prompt_tokens"])

    assert tokens("ab", stdin=b"cd\n") == tokens("ab\n\ncd") > tokens("ab")
    assert tokens(stdin=b"ab") == tokens("-p", "ab") == tokens("-", stdin=b"ab")


def test_a_media_path_in_the_prompt_is_read_as_the_flag_would(edge: Run) -> None:
    def tokens(*words: str) -> int:
        done = edge("run", "tiny", *words, "--make", "text", "-n", "1", "--json")
        return int(json.loads(done.stdout)["usage"]["prompt_tokens"])

    with_picture = tokens("desk.png what")
    assert with_picture == tokens("what", "--image", "desk.png") == tokens("what") + 66
    assert tokens("what", "--audio", "voice.wav") == tokens("what") + 27


def test_json_tells_text_usage_and_timings(edge: Run) -> None:
    done = edge("run", "tiny", "hello", "--make", "text", "-n", "4", "--json")
    told = json.loads(done.stdout)
    assert told["model"] == "tiny"
    made = told["usage"]["completion_tokens"]
    assert made == told["usage"]["text_tokens"] <= 4
    assert told["finish_reason"] == ("length" if made == 4 else "stop")  # weights drawn by lot may end early
    assert told["timings"]["total"] > 0


@pytest.mark.parametrize(("name", "head"), [("out.png", PNG), ("out.wav", WAV)])
def test_o_writes_the_made_medium_and_leaves_stdout_empty(edge: Run, name: str, head: bytes) -> None:
    done = edge("run", "tiny", "a bird", "-o", name, "--seed", "2")
    assert done.returncode == 0, done.stderr
    assert (folder(edge) / name).read_bytes().startswith(head)
    assert done.stdout == b""
    assert name.encode() in done.stderr


@pytest.mark.parametrize(("kind", "head"), [("image", PNG), ("audio", WAV)])
def test_o_dash_puts_the_bytes_on_stdout(edge: Run, kind: str, head: bytes) -> None:
    done = edge("run", "tiny", "a bird", "--make", kind, "-o", "-", "--seed", "2")
    assert done.stdout.startswith(head)
    assert done.stderr == b""


def test_media_made_without_o_are_saved_in_the_current_folder(edge: Run) -> None:
    done = edge("run", "tiny", "a bird", "--make", "image", "--json", "--seed", "2")
    assert json.loads(done.stdout)["files"] == [str(folder(edge) / "edge-picture-1.png")]
    assert (folder(edge) / "edge-picture-1.png").read_bytes().startswith(PNG)


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("run", "tiny"), 2, b"the prompt is empty"),
        (("run", "tiny", "x", "-o", "out.exe"), 2, b"ends in .exe"),
        (("run", "tiny", "x", "-o", "out.png", "--make", "audio"), 2, b"disagree"),
        (("run", "tiny", "x", "--image", "gone.png"), 3, b"there is no file gone.png"),
        (("run", "nobody", "x"), 3, b"nobody"),
        (("run", "tiny", "x", "-o", "gone/out.png"), 3, b"gone"),
        (("run", "tiny", "x", "-c", "16", "--image", "desk.png"), 5, b"context"),
        (("run", "tiny", "x", "--image", "voice.wav"), 6, b"not a picture"),
        (("run", "tiny", "x", "--audio", "desk.png"), 6, b"not a sound"),
    ],
)
def test_each_refusal_has_its_code_and_one_sentence(
    edge: Run, words: tuple[str, ...], code: int, said: bytes
) -> None:
    done = edge(*words)
    assert (done.returncode, done.stdout) == (code, b"")
    assert done.stderr.startswith(b"edge: ")
    assert done.stderr.count(b"\n") == 1
    assert said in done.stderr
    assert {path.name for path in folder(edge).iterdir()} == {"desk.png", "voice.wav"}


def test_a_text_only_model_refuses_to_draw_with_7(edge: Run, tiny_bundle: Path) -> None:
    done = edge("run", str(tiny_bundle / "decoder.gguf"), "a bird", "-o", "out.png")
    assert done.returncode == 7
    assert b"does not make pictures" in done.stderr
    assert not (folder(edge) / "out.png").exists()


CLIPS = (("out.webp", b"RIFF"), ("out.gif", b"GIF89a"), ("out.mp4", b"\0\0\0"))


@pytest.mark.parametrize(("name", "head"), CLIPS)
def test_a_clip_is_made_into_a_file_and_read_from_it(
    edge: Run, video_bundle: Path, name: str, head: bytes
) -> None:
    done = edge("run", str(video_bundle), "a falling ball", "-o", name, "--seed", "2")
    assert (done.returncode, done.stdout) == (0, b""), done.stderr
    assert (folder(edge) / name).read_bytes().startswith(head)
    ask = ("run", str(video_bundle), "--make", "text", "-n", "1", "--json")
    flag, bare = (
        json.loads(edge(*ask, *words).stdout)["usage"]["prompt_tokens"]
        for words in (("what", "--video", name), (f"what {name}",))
    )
    assert flag == bare > 4 * 65


def test_a_clip_on_stdout_is_webp(edge: Run, video_bundle: Path) -> None:
    done = edge("run", str(video_bundle), "a ball", "--make", "video", "-o", "-", "--seed", "2")
    assert (done.stdout[:4], done.stdout[8:12], done.stderr) == (b"RIFF", b"WEBP", b"")


@pytest.mark.parametrize(
    "words", [("x", "-o", "out.gif"), ("x", "--make", "video"), ("x", "--video", "desk.png")]
)
def test_a_model_without_video_refuses_clips_with_7_and_says_what_it_can(
    edge: Run, words: tuple[str, ...]
) -> None:
    done = edge("run", "tiny", *words)
    assert (done.returncode, done.stdout) == (7, b"")
    assert b"text and pictures and sound" in done.stderr
    assert done.stderr.count(b"\n") == 1


def test_show_names_the_modality_video(edge: Run, video_bundle: Path) -> None:
    assert json.loads(edge("show", str(video_bundle), "--json").stdout)["makes"][-1] == "video"


def test_list_and_show_tell_what_the_manifest_says(edge: Run) -> None:
    listed = {b["name"]: b for b in json.loads(edge("list", "--json").stdout)}
    assert set(listed) == {"pico", "tiny"}  # what is shipped, and what is installed
    assert (listed["tiny"]["recipe"], listed["tiny"]["reads"]) == ("int4", ["text", "image", "audio"])
    assert b"tiny" in edge("list").stdout
    shown = json.loads(edge("show", "tiny", "--json").stdout)
    assert shown["makes"] == ["text", "image", "audio"]
    assert shown["bytes"] == sum(f["bytes"] for f in shown["files"]) == listed["tiny"]["bytes"]
    assert b"decoder.gguf" in edge("show", "tiny").stdout


def test_show_reads_a_bare_gguf(edge: Run, tiny_bundle: Path) -> None:
    shown = json.loads(edge("show", str(tiny_bundle / "decoder.gguf"), "--json").stdout)
    assert shown["architecture"] == "llama"
    assert shown["tensors"] == sum(shown["types"].values())
    assert shown["makes"] == ["text", "image", "audio"]


def test_a_damaged_bundle_is_listed_as_such_and_hides_no_other(edge: Run) -> None:
    broken = folder(edge).parent / "home" / "bundles" / "broken"
    broken.mkdir()
    (broken / "manifest.json").write_text("{")
    listed = {b["name"]: b["recipe"] for b in json.loads(edge("list", "--json").stdout)}
    assert listed == {"broken": "damaged", "pico": "int4", "tiny": "int4"}
    checks = {check["name"]: check for check in json.loads(edge("doctor", "--json").stdout)}
    assert not checks["bundles"]["ok"]
    assert "broken (damaged: edge verify broken)" in checks["bundles"]["found"]


def test_verify_passes_a_whole_bundle_and_names_the_file_that_was_changed(
    edge: Run, tiny_bundle: Path
) -> None:
    done = edge("verify", "tiny", "--json")
    assert done.returncode == 0
    assert json.loads(done.stdout)["ok"] is True
    copy = folder(edge) / "copy"
    shutil.copytree(tiny_bundle, copy)
    with (copy / "decoder.gguf").open("r+b") as file:
        file.seek(-1, os.SEEK_END)
        last = file.read(1)
        file.seek(-1, os.SEEK_END)
        file.write(bytes([last[0] ^ 1]))
    done = edge("verify", "copy")
    assert done.returncode == 6
    assert b"decoder.gguf" in done.stderr
    assert done.stdout == b""


def test_verify_refuses_what_has_no_manifest(edge: Run, tiny_bundle: Path) -> None:
    assert edge("verify", str(tiny_bundle / "decoder.gguf")).returncode == 2
    assert edge("verify", ".").returncode == 3


def test_doctor_reports_every_check_and_counts_a_warning_as_no_failure(edge: Run) -> None:
    done = edge("doctor", "--json")
    assert done.returncode == 0, done.stderr
    found = {check["name"]: check for check in json.loads(done.stdout)}
    assert len(found) == len(doctor.CHECKS)
    assert found["network"]["ok"]
    assert "tiny" in found["bundles"]["found"]
    assert b"native engine" in edge("doctor").stdout


def test_doctor_names_the_cure_for_a_fast_path_that_dies(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hardware, "probe", lambda: hardware.Verdict(False, "died by signal 11 (SIGSEGV)"))
    check = doctor.engine()
    assert not check.ok
    assert "SIGSEGV" in check.found
    assert hardware.CURE in check.found


def test_version_tells_the_libraries(edge: Run) -> None:
    told = json.loads(edge("version", "--json").stdout)
    assert {"edge", "python", "llama_cpp_python", "onnxruntime"} <= set(told)
    assert "missing" not in told.values()


def test_a_failed_probe_is_one_warning_line_and_the_model_still_answers(edge: Run) -> None:
    verdict = {"ok": False, "how": "died by signal 11 (SIGSEGV)"}
    hardware.remember(folder(edge).parent / "home" / "probe.json", {hardware.machine_key(): verdict})
    done = edge("run", "tiny", "hello", "--make", "text", "-n", "2")
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()
    assert done.stderr.startswith(b"edge: warning: ")
    assert done.stderr.count(b"\n") == 1


def test_a_schema_makes_the_answer_one_json_document(edge: Run) -> None:
    schema = {"type": "object", "properties": {"n": {"type": "integer"}, "red": {"type": "boolean"}},
              "required": ["n", "red"], "additionalProperties": False}  # fmt: skip
    (folder(edge) / "schema.json").write_text(json.dumps(schema))
    done = edge("run", "tiny", "hello", "--schema", "schema.json", "-n", "60", "--seed", "1")
    assert done.returncode == 0, done.stderr
    assert set(json.loads(done.stdout)) == {"n", "red"}
    cut = edge("run", "tiny", "hello", "--schema", "schema.json", "-n", "3", "--seed", "1")
    assert (cut.returncode, cut.stdout) == (1, b"")
    assert b"cut off (length)" in cut.stderr


def test_what_a_schema_file_cannot_say_is_a_usage_error(edge: Run) -> None:
    (folder(edge) / "schema.json").write_text('{"not": {}}')
    (folder(edge) / "broken.json").write_text("{")
    assert b"'not'" in edge("run", "tiny", "hello", "--schema", "schema.json").stderr
    assert edge("run", "tiny", "hello", "--schema", "broken.json").returncode == 2
    assert edge("run", "tiny", "hello", "--schema", "none.json").returncode == 3
    assert edge("run", "tiny", "hello", "--pattern", "(?=a)").returncode == 2


def test_a_grammar_file_shapes_the_answer(edge: Run) -> None:
    source = 'root ::= "<" [a-z]{2,4} (" " root)? ">"'
    (folder(edge) / "tags.gbnf").write_bytes(b"\xef\xbb\xbf" + source.encode())  # as some editors save it
    done = edge("run", "tiny", "hello", "--grammar", "tags.gbnf", "-n", "200", "--seed", "3")
    assert done.returncode == 0, done.stderr
    assert derives(source, done.stdout.decode().removesuffix("\n"))
    (folder(edge) / "broken.gbnf").write_text('root ::= "a"\n  item')
    (folder(edge) / "bytes.gbnf").write_bytes(b"\xff")
    broken = edge("run", "tiny", "hello", "--grammar", "broken.gbnf")
    assert (broken.returncode, broken.stdout) == (2, b"")
    assert b"line 2, column 7" in broken.stderr
    assert edge("run", "tiny", "hello", "--grammar", "bytes.gbnf").returncode == 2
    assert edge("run", "tiny", "hello", "--grammar", "none.gbnf").returncode == 3


def test_patterns_stops_and_logprobs_of_a_run(edge: Run) -> None:
    done = edge("run", "tiny", "hello", "--pattern", "yes|no", "--logprobs", "2", "--json")
    told = json.loads(done.stdout)
    assert told["text"] in ("yes", "no")
    assert "".join(one["text"] for one in told["logprobs"]) == told["text"]
    assert len(told["logprobs"][0]["top"]) == 2
    words = ("run", "tiny", "hello", "--make", "text", "-n", "6", "--temp", "0", "--json")
    text = json.loads(edge(*words).stdout)["text"]
    stopped = json.loads(edge(*words, "--stop", text[2:4]).stdout)
    assert stopped["finish_reason"] == "stop"
    assert text[2:4] not in stopped["text"]


def test_bench_measures_every_modality_of_the_engine_that_the_bundle_holds(edge: Run) -> None:
    told = json.loads(edge("bench", "tiny", "-t", "1", "--json").stdout)
    (one,) = told["engines"]
    assert one["engine"] == "llama.cpp"
    assert one["memory"] > 30_000_000
    assert one["load"] > 0
    assert [speed["what"] for speed in one["speeds"]][:2] == ["text", "reads image"]
    assert all(speed["generation"] > 0 for speed in one["speeds"])
