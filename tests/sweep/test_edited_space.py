from __future__ import annotations

from pathlib import Path

from lwq_tune.results.manifest import Manifest, SpaceRecord
from lwq_tune.sweep.edited_space import space_now
from tests.support.manifests import manifest_of

TEXT = "# A line\nversion: 1\nfixed: {epochs: 2}\nschedules: [fixed_2]\n"


def recorded(path: Path, *overrides: str) -> Manifest:
    return manifest_of(space=SpaceRecord(path.stem, str(path), "", overrides, TEXT))


def test_comments_and_layout_of_a_space_file_are_no_edit_of_a_run_and_values_and_settings_are(tmp_path: Path) -> None:
    file = tmp_path / "space.yaml"
    for same in (
        TEXT,
        f"# yaml-language-server: $schema=x\n{TEXT}",
        TEXT.replace("{epochs: 2}", "\n  epochs: 2  # few"),
    ):
        file.write_text(same)
        assert space_now(recorded(file), None, (), as_recorded=False) is None
    assert space_now(recorded(file), None, ("epochs=3",), as_recorded=False) is not None
    assert space_now(recorded(file, "epochs=3"), None, ("epochs=3",), as_recorded=False) is None
    file.write_text(TEXT.replace("epochs: 2", "epochs: 4"))
    edited = space_now(recorded(file), None, (), as_recorded=False)
    assert edited is not None
    assert edited.base.epochs == 4
    assert space_now(recorded(file), None, (), as_recorded=True) is None
