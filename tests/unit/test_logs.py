"""What a log line looks like, whoever writes it, and what never stands in one."""

import io
import json
import logging
import warnings

import pytest
import structlog

from daemon.runtime import logs


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture(autouse=True)
def as_it_was():
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = handlers, level
    logging.captureWarnings(capture=False)
    structlog.reset_defaults()


def written(stream):
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_line_is_json_with_time_in_utc_level_and_who_said_it():
    stream = io.StringIO()
    logs.configure(stream=stream)

    structlog.get_logger("daemon.part").info("source_lost", source="docker/local", keys=("a", "b"))

    (line,) = written(stream)
    assert line.pop("time").endswith("Z")
    assert line == {
        "event": "source_lost",
        "source": "docker/local",
        "keys": ["a", "b"],
        "level": "info",
        "logger": "daemon.part",
    }


def test_a_library_speaks_through_the_same_pipe():
    stream = io.StringIO()
    logs.configure(stream=stream)

    logging.getLogger("some.library").warning("%s is %d", "x", 1, extra={"more": 2})

    (line,) = written(stream)
    assert (line["event"], line["level"], line["logger"], line["more"]) == ("x is 1", "warning", "some.library", 2)


@pytest.mark.parametrize("form", ["json", "console"])
def test_a_trace_shows_where_but_never_the_values_of_variables(form):
    stream = io.StringIO()
    logs.configure(form=form, stream=stream)

    def login(password):
        return 1 // (len(password) - 7)

    try:
        login("hunter" + "2")
    except ZeroDivisionError:
        structlog.get_logger("a").exception("failed")
        logging.getLogger("b").exception("failed too")

    assert stream.getvalue().count("ZeroDivisionError") >= 2
    assert "login" in stream.getvalue()
    assert "hunter2" not in stream.getvalue()


def test_below_the_level_nothing_is_said_by_anybody():
    stream = io.StringIO()
    logs.configure("warning", stream=stream)

    structlog.get_logger("a").info("no")
    logging.getLogger("b").info("no")
    logging.getLogger("uvicorn.access").info("no")

    assert stream.getvalue() == ""


def test_a_terminal_gets_text_for_people():
    stream = Terminal()
    logs.configure(stream=stream)

    structlog.get_logger("a").info("source_lost")

    assert "source_lost" in stream.getvalue()
    assert not stream.getvalue().startswith("{")


def test_what_the_configuration_says_wins_over_the_terminal():
    stream = Terminal()
    logs.configure(form="json", stream=stream)

    structlog.get_logger("a").info("source_lost")

    assert written(stream)[0]["event"] == "source_lost"


def test_configuring_again_does_not_say_things_twice():
    stream = io.StringIO()
    logs.configure(stream=io.StringIO())
    logs.configure(stream=stream)

    structlog.get_logger("a").info("once")

    assert len(written(stream)) == 1


def test_a_warning_of_python_is_a_line_too():
    stream = io.StringIO()
    logs.configure(stream=stream)

    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(capture=False)  # somebody may have left it on, outside of this context
        logging.captureWarnings(capture=True)
        warnings.warn("old", DeprecationWarning, stacklevel=1)
        logging.captureWarnings(capture=False)

    assert written(stream)[0]["logger"] == "py.warnings"


def test_a_value_json_does_not_know_is_written_as_text():
    stream = io.StringIO()
    logs.configure(stream=stream)

    structlog.get_logger("a").info("odd", value=object, mapping={1: "one"})

    assert written(stream)[0]["mapping"] == {"1": "one"}
