"""Why several nodes do not answer, as one sentence."""

from agents.errors import Malformed
from agents.proxmox import lost
from agents.proxmox.troubles import EntryLost

HTML = Malformed("c answered version with a web page")


def silent(url, why="refused: is it up?"):
    return EntryLost(f"no answer from {url}: {why}", url=url, why=why)


def test_what_is_the_same_of_all_is_said_once():
    assert lost.every([silent("a"), silent("b"), silent("c")]) == "none of a, b, c answers: refused: is it up?"


def test_what_is_the_same_of_some_is_said_once():
    assert lost.every([silent("a"), silent("x", "timed out"), silent("b"), HTML]) == (
        "none of 4 nodes answers: a, b: refused: is it up?; no answer from x: timed out;"
        " c answered version with a web page"
    )


def test_one_speaks_for_itself():
    assert lost.every([silent("a")]) == lost.each([silent("a")]) == "no answer from a: refused: is it up?"


def test_some_of_them_are_only_listed():
    assert lost.each([silent("a"), silent("b")]) == "a, b: refused: is it up?"
