"""The files of key-encryption keys: read by nobody else, never half there, and gone when they are gone."""

import os
from pathlib import Path

import pytest

from homeward.common.secret_files import SecretUnusable
from homeward.keyring.domain import Kek
from homeward.keyring.kek_files import FilesNotOurs, KekFiles

KEY, NEXT = b"k" * 32, b"n" * 32


def write(path: Path, text: str, mode: int = 0o600) -> None:
    path.write_text(text)
    path.chmod(mode)


@pytest.fixture
def files(tmp_path: Path) -> KekFiles:
    write(tmp_path / "kek", KEY.hex() + "\n")
    return KekFiles(tmp_path / "kek")


class TestReading:
    def test_sixty_four_digits_are_a_key(self, files: KekFiles) -> None:
        assert files.first().id == Kek(KEY).id
        assert set(files.read()) == {Kek(KEY).id}

    def test_during_a_rotation_there_are_two(self, files: KekFiles) -> None:
        write(files.next_path, NEXT.hex())
        assert set(files.read()) == {Kek(KEY).id, Kek(NEXT).id}

    @pytest.mark.parametrize("name", ["kek", "kek.next"])
    @pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o660])
    def test_a_file_that_others_may_read_is_refused_with_what_to_do(
        self, files: KekFiles, name: str, mode: int
    ) -> None:
        write(files.path.with_name(name), "00" * 32, mode)
        with pytest.raises(SecretUnusable, match=rf"{name} can be read by others .* chmod 600"):
            files.read()

    @pytest.mark.parametrize("name", ["kek", "kek.next"])
    @pytest.mark.parametrize("text", ["", "zz" * 32, "00" * 31, "00" * 33, "\x00"])
    def test_anything_else_is_refused_and_not_quoted(self, files: KekFiles, name: str, text: str) -> None:
        write(files.path.with_name(name), text)
        with pytest.raises(SecretUnusable, match=f"{name} must hold 64 hexadecimal digits") as refused:
            files.read()
        assert not text or text not in str(refused.value)

    def test_a_missing_file_is_named(self, tmp_path: Path) -> None:
        with pytest.raises(SecretUnusable, match="No such file"):
            KekFiles(tmp_path / "none").read()


class TestChanging:
    def test_the_next_key_is_fresh_and_its_owners_alone(self, files: KekFiles) -> None:
        made = files.make_next()
        assert made.id != Kek(KEY).id
        assert files.next_path.stat().st_mode & 0o777 == 0o600
        assert files.make_next().id == made.id, "what is there is kept"

    def test_the_next_takes_the_place_and_the_old_digits_are_off_the_disk(self, files: KekFiles) -> None:
        """Seen through a second name of the same file: what stood there is not only unlinked."""
        second_name = files.path.with_name("found by somebody")
        os.link(files.path, second_name)
        made = files.make_next()
        files.keep_only(made.id)
        assert set(files.read()) == {made.id}
        assert not files.next_path.exists()
        assert KEY.hex() not in second_name.read_text()
        assert len(second_name.read_text()) == 65

    def test_again_is_harmless(self, files: KekFiles) -> None:
        made = files.make_next()
        files.keep_only(made.id)
        files.keep_only(made.id)
        assert set(files.read()) == {made.id}

    def test_a_key_that_is_not_the_one_named_destroys_nothing(self, files: KekFiles) -> None:
        write(files.next_path, NEXT.hex())
        files.keep_only("another")
        assert set(files.read()) == {Kek(KEY).id, Kek(NEXT).id}

    def test_a_key_that_is_in_its_place_already_is_not_overwritten(self, files: KekFiles) -> None:
        """A second process whose lock was lost, or an operator who left the file behind."""
        write(files.next_path, KEY.hex())
        files.keep_only(Kek(KEY).id)
        assert set(files.read()) == {Kek(KEY).id}

    def test_a_crash_after_the_overwriting_leaves_the_next_to_go_on_with(self, files: KekFiles) -> None:
        made = files.make_next()
        write(files.path, os.urandom(32).hex())
        assert made.id in files.read()
        files.keep_only(made.id)
        assert set(files.read()) == {made.id}

    def test_a_folder_that_is_not_ours_is_said_to_be_so(self) -> None:
        with pytest.raises(FilesNotOurs):
            KekFiles(Path("/sys/kek")).make_next()  # where nobody makes a file, root included
