from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest

from lwq_tune.files.private_folder import NotPrivateError, make_private_folder, users_folder


def test_a_folder_is_made_with_its_parents_and_is_its_users_alone(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "b"
    for _ in range(2):
        make_private_folder(folder)
        assert folder.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("mode", [0o777, 0o770, 0o702])
def test_a_folder_that_others_can_write_to_is_refused(tmp_path: Path, mode: int) -> None:
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared").chmod(mode)
    with pytest.raises(NotPrivateError, match="yours and that nobody else can write to"):
        make_private_folder(tmp_path / "shared")


def test_a_link_to_a_folder_is_refused_since_another_may_have_set_it(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir(mode=0o700)
    (tmp_path / "link").symlink_to(tmp_path / "mine")
    with pytest.raises(NotPrivateError):
        make_private_folder(tmp_path / "link")


def test_a_folder_of_another_user_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "theirs").mkdir(mode=0o700)
    monkeypatch.setattr(os, "getuid", lambda: (tmp_path / "theirs").stat().st_uid + 1)
    with pytest.raises(NotPrivateError):
        make_private_folder(tmp_path / "theirs")


def test_a_file_in_its_place_is_the_systems_own_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for path, kind in ((tmp_path / "file", FileExistsError), (tmp_path / "file" / "x", NotADirectoryError)):
        with pytest.raises(kind):
            make_private_folder(path)


def test_the_folder_is_the_one_of_the_variable_or_of_this_user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FOLDER_OF_A_TEST", "/some/where")
    assert users_folder("FOLDER_OF_A_TEST", "-data") == Path("/some/where")
    monkeypatch.setenv("FOLDER_OF_A_TEST", "")
    expected = Path(tempfile.gettempdir(), f"lwq_tune-{os.getuid()}-data")
    assert users_folder("FOLDER_OF_A_TEST", "-data") == expected
