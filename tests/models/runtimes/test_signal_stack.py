"""A model that is compiled and released leaves the thread's signal stack as it was."""

from __future__ import annotations

import gc
import os
import signal
import sys
from pathlib import Path

import pytest

from models.encoder import Encoder
from models.generator import Generator
from models.runtimes import signal_stack

pytest.importorskip("openvino")
pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="Linux's call")
GENERATOR = Path(__file__).resolve().parents[3] / "artifacts" / "generator"


def test_models_released_in_any_order_leave_the_stack_that_signals_are_delivered_on() -> None:
    before = signal_stack.current()
    encoder = Encoder.load(runtime="openvino", dtype="fp32", device="cpu", threads=1)
    assert signal_stack.current() == before
    generator = Generator.load(GENERATOR, runtime="openvino", dtype="fp32", threads=1)
    encoder.warm()
    generator.warm()
    assert signal_stack.current() == before
    del encoder  # the first made goes first: OpenVINO itself would leave a freed stack
    gc.collect()
    assert signal_stack.current() == before
    del generator
    gc.collect()
    assert signal_stack.current() == before
    came: list[int] = []
    previous = signal.signal(signal.SIGUSR1, lambda number, _: came.append(number))
    try:
        os.kill(os.getpid(), signal.SIGUSR1)
    finally:
        signal.signal(signal.SIGUSR1, previous)
    assert came == [signal.SIGUSR1]
