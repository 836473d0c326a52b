"""Worlds shared by a whole test session: each is built once, by the code in tests/tiny.py."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # before anything imports onnxruntime
os.environ.setdefault("OMP_NUM_THREADS", "1")
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # a background job; children would inherit deaf ears
    signal.signal(signal.SIGINT, signal.default_int_handler)

from tests import tiny


@pytest.fixture(scope="session", autouse=True)
def edge_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty $EDGE_HOME for the whole session: no test reads or writes the person's own."""
    home = tmp_path_factory.mktemp("edge_home")
    os.environ["EDGE_HOME"] = str(home)
    return home


@pytest.fixture(scope="session")
def tiny_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random native checkpoint folder. Read only: copy it before changing a file."""
    return tiny.checkpoint(tmp_path_factory.mktemp("tiny") / "checkpoint")


@pytest.fixture(scope="session")
def tiny_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An int4 bundle of a random native model. Read only: copy it before changing a file."""
    return tiny.bundle(tmp_path_factory.mktemp("tiny_bundle") / "tiny")


@pytest.fixture(scope="session")
def video_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same, and it reads and makes video. Read only: copy it before changing a file."""
    return tiny.bundle(tmp_path_factory.mktemp("video_bundle") / "tinyvideo", video=True)


@pytest.fixture(scope="session")
def onnx_decoder(tiny_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny model as an int8 ONNX graph, its weights beside it. Read only: copy both."""
    from quantize import onnx_export
    from quantize.checkpoint import open_checkpoint

    path = tmp_path_factory.mktemp("tiny_onnx") / "decoder.onnx"
    onnx_export.write(open_checkpoint(tiny_checkpoint), path, onnx_export.find("int8"), lambda *_: None)
    return path
