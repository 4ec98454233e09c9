"""Who may say what on the bus, as values; ``integration/test_bus_roles.py`` asks a real server."""

import json

from daemon.runtime import roles
from schemas.resources import SourceRef
from schemas.running import Login

LOCAL = SourceRef(provider="docker", name="local")
LOGINS = {role: Login(user=role, password=f"{role}-pw") for role in roles.ROLES}


def users(text):
    return {user["user"]: user for user in json.loads(text.partition("users:")[2])}


def test_there_is_one_user_for_each_role_and_each_source():
    login = Login(user="agent-docker-local", password="pw")

    written = users(roles.users_conf(LOGINS, {LOCAL: login}))

    assert set(written) == {"viewer", "operator", "admin", "agent", "daemon", "agent-docker-local"}
    assert written["viewer"]["password"] == "viewer-pw"


def test_a_password_that_looks_like_configuration_is_quoted():
    odd = Login(user="viewer", password='a"b\\c $HOME {x}')

    written = users(roles.users_conf({"viewer": odd}, {}))

    assert written["viewer"]["password"] == odd.password


def test_every_role_may_say_less_than_the_next():
    viewer, operator = (set(roles.permissions(role).publish) for role in ("viewer", "operator"))

    assert viewer < operator


def test_no_subject_of_a_source_reaches_over_another_source():
    may = roles.source_permissions(LOCAL)

    wide = [subject for subject in may.publish if subject.startswith("homelab.") and ".docker.local" not in subject]
    assert wide == ["homelab.job.>"]
    assert all(".docker.local" in subject or subject == "_INBOX_agent-docker-local.>" for subject in may.subscribe)


def test_a_source_whose_name_begins_like_anothers_is_another():
    one = roles.source_permissions(LOCAL)
    other = roles.source_permissions(SourceRef(provider="docker", name="local-2"))

    shared = {subject for subject in one.publish if subject in other.publish}
    assert shared == {"homelab.job.>", "$JS.API.STREAM.INFO.KV_agents"}


def test_only_the_daemon_may_say_everything():
    assert [role for role in roles.ROLES if ">" in roles.permissions(role).publish] == ["daemon"]
