"""Compose stacks: there is no such thing in the engine, only the labels that Compose puts on its containers.

Pure.  A stack is there while one of its containers is.
"""

from collections.abc import Sequence

from pydantic import JsonValue

from agents.docker import identity, mapping, wire
from schemas.resources import Health, Kind, Resource, SourceRef, Status

WORKING_DIR = "com.docker.compose.project.working_dir"
CONFIG_FILES = "com.docker.compose.project.config_files"
_BEST_FIRST = (Status.RUNNING, Status.PENDING, Status.PAUSED, Status.FAILED, Status.STOPPED)
Member = tuple[wire.Container, Resource]


def stacks(source: SourceRef, members: Sequence[Member]) -> list[Resource]:
    projects: dict[str, list[Member]] = {}
    for member in members:
        if project := member[0].config.labels.get(identity.PROJECT):
            projects.setdefault(project, []).append(member)
    return [_stack(source, project, ours) for project, ours in sorted(projects.items())]


def _stack(source: SourceRef, project: str, members: Sequence[Member]) -> Resource:
    lasting = [member for member in members if identity.compose(member[0].config.labels)]
    status = _status([resource for _, resource in lasting])
    up = sum(resource.status is Status.RUNNING for _, resource in lasting)
    return Resource(
        provider=source.provider,
        source=source.name,
        kind=Kind.STACK,
        native_id=project,
        name=project,
        native_kind="compose",
        scope=mapping.SCOPE,
        status=status,
        native_status=f"{up}/{len(lasting)} running",
        health=_health(lasting) if status is Status.RUNNING else Health.UNKNOWN,
        spec=_spec(lasting or members),
    )


def _spec(members: Sequence[Member]) -> dict[str, JsonValue]:
    labels = [found.config.labels for found, _ in members]
    services = {one[identity.SERVICE] for one in labels if one.get(identity.SERVICE)}
    files = {name.strip() for one in labels for name in one.get(CONFIG_FILES, "").split(",")}
    folders = sorted({one[WORKING_DIR] for one in labels if one.get(WORKING_DIR)})
    return {
        "services": [*sorted(services)],
        "working_dir": folders[0] if folders else None,
        "config_files": [*sorted(files - {""})],
    }


def _status(resources: Sequence[Resource]) -> Status:
    found = {resource.status for resource in resources}
    return next((status for status in _BEST_FIRST if status in found), Status.UNKNOWN)


def _health(members: Sequence[Member]) -> Health:
    """A container that ended well and is not meant to come again (a migration) is no fault."""
    wrong = any(
        resource.health is Health.FAILING or (resource.status is not Status.RUNNING and not _is_done(found))
        for found, resource in members
    )
    return Health.DEGRADED if wrong else Health.OK


def _is_done(found: wire.Container) -> bool:
    ended = found.state.status in ("exited", "stopped") and found.state.exit_code == 0
    return ended and found.host_config.restart_policy.name in ("", "no", "on-failure")
