"""InfluxDB's line protocol: every line that keeps to it is read, and one that does not costs nobody but itself."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.proxmox.line_protocol import Line, parse

names = st.text(st.characters(exclude_characters="\n\r\\", exclude_categories=["Cs"]), min_size=1).filter(
    lambda text: text.strip() == text and not text.startswith("#")
)
texts = st.text(st.characters(exclude_categories=["Cs"]))
values = st.one_of(
    texts, st.booleans(), st.integers(-(2**63), 2**64 - 1), st.floats(allow_nan=False, allow_infinity=False)
)
points = st.builds(
    Line,
    names,
    st.dictionaries(names, names, max_size=3),
    st.dictionaries(names, values, min_size=1, max_size=4),
    st.none() | st.integers(-(2**63), 2**63 - 1),
)


def escaped(name, special=",= "):
    return "".join(f"\\{sign}" if sign in special else sign for sign in name)


def value(field):
    match field:
        case str():
            return '"' + field.replace("\\", "\\\\").replace('"', '\\"') + '"'
        case bool():
            return "t" if field else "FALSE"
        case int():
            return f"{field}{'u' if field > 2**63 - 1 else 'i'}"
    return repr(field)


def written(point):
    tags = "".join(f",{escaped(name)}={escaped(tag)}" for name, tag in point.tags.items())
    fields = ",".join(f"{escaped(name)}={value(field)}" for name, field in point.fields.items())
    time = "" if point.time is None else f" {point.time}"
    return f"{escaped(point.measurement, ', ')}{tags} {fields}{time}"


@given(st.lists(points, max_size=4))
def test_what_was_written_is_read(several):
    assert list(parse("\n".join(map(written, several)))) == several


@given(st.text(st.sampled_from('ab,= "\\\n\r\t#1.-eit') | st.characters(exclude_categories=["Cs"])))
def test_no_text_whatever_breaks_the_reading(text):
    assert all(line is None or line.fields for line in parse(text))


@given(st.text(st.characters(exclude_characters='"', exclude_categories=["Cs"])), points)
def test_a_line_that_cannot_be_read_costs_none_behind_it(garbage, point):
    found = list(parse(f'{garbage}\ncpu, broken="\n{written(point)}\n'))

    assert found[-1] == point
    assert None in found


def test_a_line_as_proxmox_ve_writes_it():
    text = (
        'system,object=qemu,vmid=100,nodename=pve1,host=web\\ 1 balloon=4294967296,cpu=0.0123,name="web 1",'
        'pid=4711,qmpstatus="running",serial=1,status="running",tags="a;b",uptime=1e+05 1700000000000000000\n'
    )

    (line,) = parse(text)

    assert line is not None
    assert line.tags == {"object": "qemu", "vmid": "100", "nodename": "pve1", "host": "web 1"}
    assert (line.measurement, line.time) == ("system", 1_700_000_000_000_000_000)
    assert line.fields == {
        "balloon": 4294967296.0, "cpu": 0.0123, "name": "web 1", "pid": 4711.0, "qmpstatus": "running", "serial": 1.0,
        "status": "running", "tags": "a;b", "uptime": 100_000.0,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("field", "meant"),
    [
        ("1", 1.0), ("-1.5", -1.5), ("+.5", 0.5), ("5.", 5.0), ("1E-3", 0.001), ("7i", 7), ("-7i", -7), ("7u", 7),
        ("T", True), ("true", True), ("False", False), ('""', ""), ('"a b,c=d"', "a b,c=d"), ('"a\nb"', "a\nb"),
        (r'"\"\\\n"', '"\\\\n'),
    ],
)  # fmt: skip
def test_a_field_has_the_type_it_is_written_in(field, meant):
    (line,) = parse(f"m x={field}")

    assert line is not None
    assert (line.fields["x"], type(line.fields["x"])) == (meant, type(meant))


@pytest.mark.parametrize(
    "line",
    [
        "m", "m ", "m,a=b", "m x", "m x=", "m x=yes", "m x=nan", "m x=1_000", "m x=inf", "m x='a'", 'm x="a',
        'm x="a"b', "m x=1 soon", "m x=1 1.5", "m x=1,", "m ,x=1", "m,a x=1", "m,=b x=1", "m,a= x=1", "m =1",
        ",a=b x=1", "m x=1i2", "m x=1 2 3", "m x=0x10", "m x=٣", "m x=1e999", "m\\ x=1", "m,a=b\\ x=1", "m,a\\=b x=1",
    ],
)  # fmt: skip
def test_what_does_not_keep_to_the_protocol_is_no_line(line):
    before, found, behind = parse(f"a x=1\n{line}\nb x=2\n")

    assert (before and before.measurement, found, behind and behind.measurement) == ("a", None, "b")


def test_empty_lines_and_comments_are_no_lines_and_ends_of_lines_may_be_of_either_kind():
    found = list(parse('\n  \n# m x=1\r\n  #\nm x=1\r\n\tn x="a" 5 \r\n\r\no x=t'))

    assert [(line.measurement, line.time) for line in found if line] == [("m", None), ("n", 5), ("o", None)]
    assert None not in found


def test_a_quote_that_is_never_closed_costs_one_line():
    text = "\n".join(f'm{number} x="open' if number == 3 else f'm{number} x="a"' for number in range(6))

    found = list(parse(text))

    assert sum(line is None for line in found) >= 1
    assert [line.measurement for line in found if line][-2:] == ["m4", "m5"]
