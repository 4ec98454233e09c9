"""`.env` files: whose PROXMOX_* counts as the environment, what counts for more, and what is warned of."""

import os
from pathlib import Path

import pytest

from daemon.runtime import env_files, secrets

HUNTER = "hunter2"
SECRET = "PROXMOX_TOKEN_SECRET"


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    """An empty current directory, a configuration elsewhere, nothing of this machine's."""
    for name in [name for name in os.environ if name.startswith("PROXMOX_")]:
        monkeypatch.delenv(name)
    for folder in ("here", "etc"):
        (tmp_path / folder).mkdir()
    monkeypatch.chdir(tmp_path / "here")
    yield
    secrets.configured_by(None)


def write(text: str, path: str = ".env", mode: int = 0o600) -> Path:
    file = Path(path)
    file.write_text(text)
    file.chmod(mode)
    return file


def proxmox() -> dict[str, str]:
    return {name: value for name, value in secrets.environment().items() if name.startswith("PROXMOX_")}


def test_a_file_in_the_current_directory_counts_and_only_what_is_of_proxmox():
    write(f"HOMELAB_STATE=/elsewhere\nexport PROXMOX_REGION='eu west' # the nearest\n{SECRET}={HUNTER}\nPROXMOX_X\n")
    assert proxmox() == {"PROXMOX_REGION": "eu west", SECRET: HUNTER}
    assert "HOMELAB_STATE" not in secrets.environment() or secrets.environment()["HOMELAB_STATE"] != "/elsewhere"
    assert secrets.resolve(f"env:{SECRET}").get_secret_value() == HUNTER


def test_a_value_stands_for_itself():
    write('PROXMOX_A=x${HOME}$PATH\nPROXMOX_B=\'{\n "prod-": "a"}\'\n')
    assert proxmox() == {"PROXMOX_A": "x${HOME}$PATH", "PROXMOX_B": '{\n "prod-": "a"}'}


def test_the_one_beside_the_configuration_counts_for_more_and_the_process_for_most(monkeypatch):
    write("PROXMOX_A=here\nPROXMOX_B=here\nPROXMOX_C=here\n")
    write("PROXMOX_B=etc\nPROXMOX_C=etc\n", "../etc/.env")
    secrets.configured_by(Path("../etc/homelab.yaml"))
    monkeypatch.setenv("PROXMOX_C", "process")
    assert proxmox() == {"PROXMOX_A": "here", "PROXMOX_B": "etc", "PROXMOX_C": "process"}
    assert [secrets.origin(f"PROXMOX_{name}").rpartition("/")[0].rpartition("/")[2] for name in "AB"] == ["here", "etc"]
    assert secrets.origin("PROXMOX_C") == "environment"


def test_another_configuration_takes_the_place_of_the_one_before():
    write("PROXMOX_B=etc\n", "../etc/.env")
    secrets.configured_by(Path("../etc/homelab.yaml"))
    secrets.configured_by(Path("homelab.yaml"))
    assert proxmox() == {}
    assert len(secrets.files()) == 1


def test_what_is_changed_in_the_file_counts_when_it_is_asked_again():
    write(f"{SECRET}=old\n")
    assert secrets.resolve(f"env:{SECRET}").get_secret_value() == "old"
    write(f"{SECRET}=new\n")
    assert secrets.resolve(f"env:{SECRET}").get_secret_value() == "new"


def test_a_folder_of_that_name_says_nothing():
    Path(".env").mkdir()
    assert secrets.files()[0].warnings == ()


def test_a_current_directory_that_is_gone_has_no_file(tmp_path):
    folder = tmp_path / "gone"
    folder.mkdir()
    os.chdir(folder)
    folder.rmdir()
    assert proxmox() == {}


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620])
def test_secrets_that_others_may_use_are_warned_of(mode):
    (warning,) = env_files.read(write(f"{SECRET}={HUNTER}\n", mode=mode)).warnings
    assert warning == ".env: others may use it, and it holds secrets: chmod 600 .env"


def test_others_may_use_what_is_no_secret():
    assert env_files.read(write("PROXMOX_CLUSTERS=a\nOTHER_SECRET=x\n", mode=0o644)).warnings == ()


def test_a_line_that_cannot_be_understood_is_told_by_its_number():
    found = env_files.read(write(f"A=1\nPROXMOX_A='{HUNTER}\nPROXMOX_B=1\n"))
    assert found.values == {"PROXMOX_B": "1"}
    assert found.warnings == (".env:2: cannot be understood: write NAME=value, or NAME='value'",)


def test_other_programs_lines_are_none_of_ours():
    assert env_files.read(write("A='open\nB\n= =\n")).warnings == ()


def test_a_file_that_cannot_be_read_is_warned_of():
    file = Path(".env")
    file.write_bytes(b"PROXMOX_A=\xff\n")
    assert env_files.read(file) == env_files.EnvFile(file, warnings=(".env: cannot be read: not UTF-8 text",))


def test_a_file_that_fails_while_it_is_read_is_warned_of():
    (warning,) = env_files.read(Path("/proc/self/mem")).warnings
    assert warning == "/proc/self/mem: cannot be read: Input/output error"
