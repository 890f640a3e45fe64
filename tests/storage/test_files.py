"""Files are whole or not there, and nothing that stood there before is lost."""

import os
from pathlib import Path

import pytest

from config_bach import UserError
from storage import files


def test_a_file_is_replaced_only_when_all_is_written(tmp_path: Path) -> None:
    path = tmp_path / "new" / "x.txt"
    files.write_text(path, "Präludium")
    assert path.read_text("utf-8") == "Präludium"
    with pytest.raises(KeyError, match="wrong"):
        fail_half_way(path)
    assert path.read_text("utf-8") == "Präludium"
    assert [p.name for p in path.parent.iterdir()] == ["x.txt"]


def fail_half_way(path: Path) -> None:
    with files.replacing(path) as aside:
        aside.write_text("half")
        raise KeyError("wrong")


def test_a_file_has_the_permissions_of_any_other(tmp_path: Path) -> None:
    (tmp_path / "other").touch()
    files.write_text(tmp_path / "x.txt", "x")
    modes = {(tmp_path / name).stat().st_mode for name in ("other", "x.txt")}
    assert len(modes) == 1


def test_while_it_is_written_a_file_has_the_right_ending_and_is_hidden(tmp_path: Path) -> None:
    with files.replacing(tmp_path / "x.mid") as aside:
        assert aside.suffix == ".mid"
        assert aside.name.startswith(".x-")
        assert aside.parent == tmp_path


def test_what_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=r"cannot write .*x\.txt: .*; free some space or mend"):
        files.write_text(tmp_path / "file" / "x.txt", "x")
    with pytest.raises(UserError, match=r"Not a directory|File exists"):
        files.check_writable(tmp_path / "file")
    with pytest.raises(UserError, match=r"cannot write .*: odd;"), files.replacing(tmp_path / "y"):
        raise OSError("odd")


def test_looking_whether_a_folder_can_be_written_leaves_nothing(tmp_path: Path) -> None:
    files.check_writable(tmp_path / "new")
    assert list((tmp_path / "new").iterdir()) == []


def test_earlier_files_keep_a_second_name_with_one_number_for_all(tmp_path: Path) -> None:
    midi, score, other = (tmp_path / name for name in ("a.mid", "a.xml", "b.mid"))
    midi.write_text("first")
    files.keep_previous(midi, score)
    score.write_text("score")
    midi.write_text("second")
    os.unlink(tmp_path / "a.1.mid")
    (tmp_path / "a.1.mid").write_text("first")
    files.keep_previous(midi, score, other)
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "a.1.mid", "a.2.mid", "a.2.xml", "a.mid", "a.xml",
    ]  # fmt: skip
    assert midi.read_text() == (tmp_path / "a.2.mid").read_text() == "second"
    files.write_text(midi, "third")
    assert (tmp_path / "a.2.mid").read_text() == "second"


def test_a_file_system_without_hard_links_keeps_copies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none(*paths: Path) -> None:
        raise OSError("no links")

    monkeypatch.setattr(os, "link", none)
    (tmp_path / "a.mid").write_text("first")
    files.keep_previous(tmp_path / "a.mid")
    assert (tmp_path / "a.1.mid").read_text() == "first"


def test_a_folder_is_moved_out_of_the_way(tmp_path: Path) -> None:
    folder = tmp_path / "cello"
    files.set_aside(folder)
    for text in ("one", "two"):
        folder.mkdir()
        (folder / "x").write_text(text)
        files.set_aside(folder)
    assert not folder.exists()
    assert [(tmp_path / f"cello.{i}" / "x").read_text() for i in (1, 2)] == ["one", "two"]


def test_a_folder_that_cannot_be_moved_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: Path, other: Path) -> None:
        raise OSError(13, "Permission denied")

    monkeypatch.setattr(Path, "rename", refuse)
    with pytest.raises(UserError, match=r"cannot move .* aside: Permission denied; mend"):
        files.set_aside(tmp_path)


def test_paths_are_shown_from_where_one_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert files.shown(tmp_path / "a" / "b.mid") == os.path.join("a", "b.mid")
    assert files.shown(tmp_path.parent / "c") == str(tmp_path.parent / "c")
    assert files.numbered(Path("a/piece.mid"), 2) == Path("a/piece.2.mid")
