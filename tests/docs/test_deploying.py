"""The program of `docs/deploying.md` is run on a file and an image, as it stands there."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from lwq_tune.deployment.network import describe_network
from lwq_tune.deployment.onnx_graph import to_onnx
from tests.conftest import small_config
from tests.docs.pages import DOCS, blocks, text_of
from tests.support.small_networks import DATA, IMAGES, PIXELS, small_network


@pytest.mark.parametrize("names", [[], [f"name {index}" for index in range(10)]], ids=["labels", "names"])
def test_the_program_prints_the_class_that_the_network_gives_an_image(
    names: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (program,) = blocks(text_of(DOCS / "deploying.md"), "python")
    statements = [one for one in ast.parse(program).body if not isinstance(one, ast.Import | ast.ImportFrom)]
    assert len(statements) <= 10
    model = small_network(small_config(bit_widths=(4, 4, 4)))
    labels = [10 * index for index in range(10)]
    written = to_onnx(describe_network(model), metadata={"data": {**DATA, "classes": labels, "class_names": names}})
    (tmp_path / "net.onnx").write_bytes(written.serialized())
    monkeypatch.chdir(tmp_path)
    with torch.no_grad():
        expected = model(IMAGES).numpy()
    for pixels, logits in zip(PIXELS.numpy(), expected, strict=True):
        Image.fromarray(np.ascontiguousarray(pixels.transpose(1, 2, 0))).save("image.png")
        found: dict[str, Any] = {}
        exec(program, found)
        assert found["logits"][0] == pytest.approx(logits, abs=1e-4)
        assert capsys.readouterr().out.strip() == str((names or labels)[logits.argmax()])
