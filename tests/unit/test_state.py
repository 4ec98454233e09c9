import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from daemon.runtime import state
from schemas.running import HttpRun, Login, NatsRun, Run, SqlRun


def running(pid):
    login = Login(user="u", password="hunter2")
    nats = NatsRun(url="nats://127.0.0.1:1", viewer=login, operator=login, admin=login, agent=login, daemon=login)
    http = HttpRun(url="h", mcp="m", metrics="e", health="l")
    return Run(pid=pid, version="1", state="s", nats=nats, http=http, sql=SqlRun(snapshot="f"))


@pytest.mark.parametrize(
    ("explicit", "environ", "expected"),
    [
        (Path("/a"), {"HOMELAB_STATE": "/b", "STATE_DIRECTORY": "/c", "XDG_STATE_HOME": "/d"}, "/a"),
        (None, {"HOMELAB_STATE": "/b", "STATE_DIRECTORY": "/c", "XDG_STATE_HOME": "/d"}, "/b"),
        (None, {"STATE_DIRECTORY": "/c:/c2", "XDG_STATE_HOME": "/d"}, "/c"),
        (None, {"XDG_STATE_HOME": "/d"}, "/d/homelab"),
        (None, {"XDG_STATE_HOME": "not/absolute"}, str(Path.home() / ".local/state/homelab")),
        (None, {}, str(Path.home() / ".local/state/homelab")),
    ],
)
def test_the_state_directory_is_the_first_that_is_named(explicit, environ, expected):
    assert str(state.locate(explicit, environ)) == expected


def test_a_new_state_directory_is_ours_alone(tmp_path):
    made = state.directory(tmp_path / "deep" / "state", {})

    assert stat.S_IMODE(made.stat().st_mode) == 0o700


def test_a_state_directory_that_cannot_be_made_says_what_to_do(tmp_path):
    (tmp_path / "file").touch()

    with pytest.raises(state.StateUnusable, match="--state"):
        state.directory(tmp_path / "file" / "state", {})


def test_a_second_process_is_told_who_holds_the_directory(tmp_path):
    with (
        state.lock(tmp_path, command="homelab up"),
        pytest.raises(state.StateHeld, match=rf"homelab up \(pid {os.getpid()}\)"),
        state.lock(tmp_path, command="homelab daemon"),
    ):
        pass


def test_a_directory_is_free_again_when_its_holder_was_killed(tmp_path):
    held = (
        "import sys, pathlib\nfrom daemon.runtime import state\n"
        "with state.lock(pathlib.Path(sys.argv[1]), command='other'):\n print('held', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", held, tmp_path],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[2],
    ) as other:
        assert other.stdout.readline() == b"held\n"
        with pytest.raises(state.StateHeld, match=f"other .pid {other.pid}"), state.lock(tmp_path, command="we"):
            pass
        other.kill()
        other.wait()
        with state.lock(tmp_path, command="we"):
            pass


def test_a_running_instance_is_found_by_what_it_wrote_and_not_after_it_ended(tmp_path):
    with state.announced(tmp_path, running(os.getpid())):
        assert state.read_run(tmp_path) == running(os.getpid())

    assert state.read_run(tmp_path) is None
    assert list(tmp_path.iterdir()) == []


def test_what_it_wrote_can_be_read_by_its_owner_alone(tmp_path):
    with state.announced(tmp_path, running(os.getpid())):
        assert [stat.S_IMODE(file.stat().st_mode) for file in tmp_path.iterdir()] == [0o600]


def test_passwords_do_not_show_when_it_is_printed():
    assert "hunter2" not in repr(running(1))


def test_what_a_killed_instance_left_is_not_taken_for_one_that_runs(tmp_path):
    with subprocess.Popen([sys.executable, "-c", ""]) as gone:
        gone.wait()
    state.write_run(tmp_path, running(gone.pid))

    assert state.read_run(tmp_path) is None
    with pytest.raises(state.NotRunning, match="has ended"):
        state.find_run(tmp_path)


def test_a_number_used_again_by_a_younger_process_is_not_that_instance(tmp_path):
    state.write_run(tmp_path, running(os.getpid()))
    os.utime(tmp_path / "run.json", (1e9, 1e9))

    assert state.read_run(tmp_path) is None


def test_a_file_of_another_release_is_not_an_instance(tmp_path):
    (tmp_path / "run.json").write_text("{}")

    with pytest.raises(state.NotRunning, match="release"):
        state.find_run(tmp_path)
