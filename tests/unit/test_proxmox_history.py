"""What the log and the task list say: to whom what happened, and what of it is news."""

import pytest

from agents.proxmox import history, wire
from agents.proxmox.history import Event, News, What

STARTED = 0x6921F0A0


def upid(kind, native="", node="pve1"):
    return f"UPID:{node}:0000ABCD:0123456F:{STARTED:08X}:{kind}:{native}:root@pam!x:"


def log(message, uid=1, node="pve1"):
    return wire.LogRow(uid=uid, node=node, time=STARTED, msg=message)


def task(kind, native="", **fields):
    return wire.TaskRow(upid=upid(kind, native), **fields)


def events(*messages):
    return list(history.of_log(log(message) for message in messages))


@pytest.mark.parametrize(
    ("message", "what"),
    [
        ("update VM 104: -memory 4096", What.EDITED),
        ("update CT 104: resize --disk rootfs --size +1G", What.EDITED),
        ("snapshot VM 104: before", What.SNAPSHOT),
        ("delete snapshot VM/LXC 104: before", What.SNAPSHOT),
        ("rollback snapshot LXC 104: before", What.SNAPSHOT),
        ("snapshot container 104: before", What.SNAPSHOT),
    ],
)
def test_a_line_names_the_guest_it_is_about(message, what):
    assert events(message) == [Event(what, 104, over=True)]


@pytest.mark.parametrize(
    "message",
    ["successful auth for user 'root@pam'", "CVM 104 is none", "VM 1040000000 has too many digits", "cluster up", ""],
)
def test_a_line_about_no_guest_is_no_event(message):
    assert events(message) == []


@pytest.mark.parametrize(
    ("kind", "what"),
    [
        ("qmcreate", What.CREATED),
        ("vzrestore", What.RESTORED),
        ("qmclone", What.CLONED),
        ("qmtemplate", What.EDITED),
        ("vzdestroy", What.DESTROYED),
        ("qmigrate", What.MIGRATED),
        ("vzmigrate", What.MIGRATED),
        ("hamigrate", What.MIGRATED),
        ("qmstart", What.POWERED),
        ("vzshutdown", What.POWERED),
        ("hastop", What.POWERED),
        ("qmsnapshot", What.SNAPSHOT),
        ("vzrollback", What.SNAPSHOT),
        ("qmdelsnapshot", What.SNAPSHOT),
        ("vzdump", What.BACKED_UP),
        ("qmconfig", What.EDITED),
        ("resize", What.EDITED),
        ("qmmove", What.EDITED),
        ("a_task_of_tomorrow", What.EDITED),
    ],
)
def test_a_task_says_what_happens_to_its_guest_at_its_start_and_at_its_end(kind, what):
    begun, ended = events(f"starting task {upid(kind, 104)}", f"end task {upid(kind, 104)} OK")

    assert begun == Event(what, 104, over=False, well=False, started=STARTED)
    assert ended == Event(what, 104, over=True, well=True, started=STARTED)


@pytest.mark.parametrize(
    ("outcome", "well"),
    [("OK", True), ("WARNINGS: 2", True), ("unable to remove VM 104", False), ("unexpected status", False)],
)
def test_only_a_task_that_ended_well_did_what_it_says(outcome, well):
    (in_log,) = events(f"end task {upid('qmdestroy', 104)} {outcome}")
    (in_tasks,) = history.of_tasks([task("qmdestroy", 104, endtime=STARTED + 1, status=outcome)])

    assert in_log == in_tasks == Event(What.DESTROYED, 104, over=True, well=well, started=STARTED)


def test_a_task_without_an_end_runs():
    (found,) = history.of_tasks([task("qmdestroy", 104, status="RUNNING")])

    assert (found.over, found.well) == (False, False)


@pytest.mark.parametrize(
    ("kind", "native"), [("srvstart", "ceph"), ("vncproxy", "104"), ("aptupdate", ""), ("startall", "")]
)
def test_a_task_that_changes_no_guest_is_no_event(kind, native):
    assert events(f"end task {upid(kind, native)} OK") == []
    assert list(history.of_tasks([task(kind, native, endtime=1, status="OK")])) == []


def test_a_backup_job_of_several_guests_is_an_event_without_a_guest():
    assert events(f"end task {upid('vzdump')} OK") == [Event(What.BACKED_UP, 0, over=True, well=True, started=STARTED)]


def test_a_row_that_nobody_can_read_says_nothing():
    assert events("end task UPID:broken OK", "starting task") == []
    assert list(history.of_tasks([wire.TaskRow(upid="UPID:broken")])) == []


def test_what_was_there_at_first_is_no_news_and_nothing_is_news_twice():
    news = News()

    assert news.unseen(["b", "a"], ["b", "a"]) == []
    assert news.unseen(["c", "b", "a"], ["c", "b", "a"]) == ["c"]
    assert news.unseen(["c", "b", "a"], ["c", "b", "a"]) == []


def test_the_first_row_after_an_empty_beginning_is_news():
    news = News()

    assert news.unseen([], []) == []
    assert news.unseen(["a"], ["a"]) == ["a"]


def test_an_answer_that_knows_nothing_of_the_last_one_may_have_lost_rows():
    news = News()
    assert not news.overflowed(["a", "b"])
    news.unseen(["a", "b"], ["a", "b"])

    assert not news.overflowed(["b", "c"])
    assert not news.overflowed([])
    assert news.overflowed(["c", "d"])


def test_rows_are_remembered_well_beyond_what_the_buffers_hold_but_not_for_ever():
    news = News()
    news.unseen(["first"], ["first"])
    numbers = list(range(4095))
    news.unseen(numbers, numbers)
    assert not news.overflowed(["first"])

    news.unseen(["one more"], ["one more"])

    assert news.overflowed(["first"])


def test_a_row_that_is_still_listed_is_not_forgotten():
    news = News()
    news.unseen(["old"], ["old"])
    for number in range(5000):
        assert news.unseen(["old", number], ["old", number]) == [number]
