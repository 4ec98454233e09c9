"""When a node's broadcasts are doubted, and what its own answer makes of the doubt."""

from datetime import UTC, datetime, timedelta

import pytest

from agents.proxmox import freshness, wire
from agents.proxmox.freshness import PATIENCE, Verdict

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
LATE = NOW + PATIENCE + timedelta(seconds=1)


def node(uptime=1000.0, status="online", name="pve1"):
    return wire.NodeRow(name, status, uptime=uptime)


def felt(*rows, before=None, now=NOW):
    return freshness.felt(before or {}, rows, now)


def test_a_node_whose_uptime_runs_on_is_never_doubted():
    pulses = {}
    for seconds in range(0, 600, 10):
        now = NOW + timedelta(seconds=seconds)
        pulses = felt(node(1000.0 + seconds), before=pulses, now=now)
        assert freshness.doubtful(pulses, now) == []


def test_an_uptime_that_stands_still_is_doubted_after_45_seconds_and_not_before():
    pulses = felt(node(), before=felt(node()), now=NOW + PATIENCE)

    assert freshness.doubtful(pulses, NOW + PATIENCE) == []
    assert freshness.doubtful(pulses, LATE) == ["pve1"]


def test_a_member_of_the_cluster_that_broadcasts_nothing_is_doubted_at_once():
    assert freshness.doubtful(felt(node(None, "unknown")), NOW) == ["pve1"]


@pytest.mark.parametrize("row", [node(None, "offline"), node(1000.0, "offline"), node(None, "online")])
def test_a_node_that_is_off_or_whose_figures_are_hidden_is_not_judged(row):
    assert felt(row) == {}


@pytest.mark.parametrize("live", [1060.0, 5.0])
def test_a_live_uptime_that_ran_on_or_began_anew_means_that_its_broadcasts_hang(live):
    pulse = freshness.judged(felt(node())["pve1"], live, LATE)

    assert pulse.verdict is Verdict.HUNG
    assert freshness.doubtful({"pve1": pulse}, LATE + 10 * PATIENCE) == []


@pytest.mark.parametrize("live", [1000.0, 1012.0])
def test_a_live_uptime_that_is_the_same_is_asked_for_again_in_45_seconds(live):
    pulse = freshness.judged(felt(node())["pve1"], live, LATE)

    assert pulse.verdict is Verdict.FRESH
    assert freshness.doubtful({"pve1": pulse}, LATE + PATIENCE) == []
    assert freshness.doubtful({"pve1": pulse}, LATE + 2 * PATIENCE) == ["pve1"]


def test_a_node_that_broadcasts_nothing_and_answers_has_broadcasts_that_hang():
    pulse = freshness.judged(felt(node(None, "unknown"))["pve1"], 500.0, NOW)

    assert pulse.verdict is Verdict.HUNG


def test_a_node_that_has_just_started_is_about_to_speak_and_asked_again():
    pulse = freshness.judged(felt(node(None, "unknown"))["pve1"], 20.0, NOW)

    assert pulse.verdict is Verdict.FRESH
    assert freshness.doubtful({"pve1": pulse}, NOW) == ["pve1"]


def test_when_the_last_word_of_one_that_hangs_is_forgotten_it_still_hangs():
    hung = {"pve1": freshness.judged(felt(node())["pve1"], 1060.0, LATE)}

    forgotten = felt(node(None, "unknown"), before=hung, now=LATE)

    assert forgotten["pve1"].verdict is Verdict.HUNG
    assert felt(node(1400.0), before=forgotten, now=LATE)["pve1"].verdict is Verdict.FRESH


@pytest.mark.parametrize("row", [node(), node(None, "unknown")])
def test_a_node_that_does_not_answer_either_is_mute_and_asked_again_in_45_seconds(row):
    pulse = freshness.judged(felt(row)["pve1"], None, LATE)

    assert pulse.verdict is Verdict.MUTE
    assert freshness.doubtful({"pve1": pulse}, LATE + PATIENCE) == []
    assert freshness.doubtful({"pve1": pulse}, LATE + 2 * PATIENCE) == ["pve1"]
    assert freshness.judged(pulse, 1090.0, LATE).verdict is Verdict.HUNG


@pytest.mark.parametrize("live", [1060.0, None])
def test_one_new_broadcast_ends_every_doubt(live):
    before = {"pve1": freshness.judged(felt(node())["pve1"], live, LATE)}

    still, mended = felt(node(), before=before, now=LATE), felt(node(1070.0), before=before, now=LATE)

    assert still["pve1"].verdict is before["pve1"].verdict
    assert mended["pve1"].verdict is Verdict.FRESH


def test_a_clock_that_is_set_back_does_not_silence_the_doubt():
    pulses = felt(node(), before=felt(node(), now=NOW + timedelta(days=1)))

    assert freshness.doubtful(pulses, LATE) == ["pve1"]


def test_nodes_are_doubted_each_for_itself():
    pulses = felt(node(), node(name="pve2"))
    pulses = felt(node(), node(1046.0, name="pve2"), before=pulses, now=LATE)

    assert freshness.doubtful(pulses, LATE) == ["pve1"]
