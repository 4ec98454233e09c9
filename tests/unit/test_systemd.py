import socket

from daemon.runtime import systemd


def test_systemd_is_told_at_its_socket(tmp_path, monkeypatch):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / "notify"))
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))

        systemd.notify("READY=1", "STATUS=well")

        assert listener.recv(100) == b"READY=1\nSTATUS=well"


def test_systemd_is_told_at_an_abstract_socket(monkeypatch):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind("\0homelab-test-notify")
        monkeypatch.setenv("NOTIFY_SOCKET", "@homelab-test-notify")

        systemd.notify("WATCHDOG=1")

        assert listener.recv(100) == b"WATCHDOG=1"


def test_nobody_is_told_without_systemd(monkeypatch):
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)

    systemd.notify("READY=1")


def test_a_socket_that_has_gone_does_not_end_us(monkeypatch, tmp_path):
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "gone"))

    systemd.notify("READY=1")
