"""A container's configuration as a spec: always the same entries, as with ``vms``.  Pure."""

import re
from typing import Final

from pydantic import JsonValue

from agents.proxmox import devices, options, parse, redaction
from agents.proxmox.wire import GuestConfig
from schemas.resources import Size

_MIB = 2**20
_DEFAULT_MEMORY = 512
_DEFAULT_TTYS = 2
_NUMBERED: Final = frozenset({"mp", "net", "dev", "unused"})
_OWN: Final = frozenset(
    {"hostname", "description", "tags", "onboot", "protection", "startup", "ostype", "arch", "unprivileged", "features"}
    | {"cores", "cpulimit", "cpuunits", "memory", "swap", "rootfs", "nameserver", "searchdomain", "console", "tty"}
    | {"cmode", "timezone", "hookscript", "debug", "template", "lxc", "entrypoint", "env"}
)
_PAIR = 2
_ENTRIES = re.compile(r"[\0\n]+")


def spec(config: GuestConfig) -> dict[str, JsonValue]:
    numbered, others = options.grouped(config, numbered=_NUMBERED, own=_OWN)
    return {
        "hostname": config.text("hostname") or None,
        "description": options.description(config),
        "tags": [*parse.tags(config.text("tags"))],
        "onboot": config.flag("onboot"),
        "protection": config.flag("protection"),
        "template": config.flag("template"),
        "startup": options.startup(config.text("startup")),
        "ostype": config.text("ostype") or None,
        "arch": config.text("arch") or None,
        "unprivileged": config.flag("unprivileged"),
        "features": {**parse.properties(config.text("features"))},
        "cores": config.whole("cores"),
        "cpulimit": config.number("cpulimit") or None,
        "cpuunits": config.whole("cpuunits"),
        "memory_mib": _memory(config),
        "swap_mib": _memory(config, "swap"),
        "rootfs": devices.mount(config.text("rootfs")) if config.text("rootfs") else None,
        "mounts": {name: devices.mount(text) for name, text in numbered["mp"].items()},
        "networks": {name: devices.ct_network(text) for name, text in numbered["net"].items()},
        "devices": {name: {**parse.properties(text, "path")} for name, text in numbered["dev"].items()},
        "unused": {**numbered["unused"]},
        "nameserver": config.text("nameserver") or None,
        "searchdomain": config.text("searchdomain") or None,
        "console": config.flag("console", default=True),
        "tty": _DEFAULT_TTYS if (ttys := config.whole("tty")) is None else ttys,
        "cmode": config.text("cmode") or None,
        "timezone": config.text("timezone") or None,
        "debug": config.flag("debug"),
        "entrypoint": redaction.text(config.text("entrypoint")) or None,
        "env": _environment(config.text("env")),
        "lxc": _raw(config.root.get("lxc")),
        "hookscript": config.text("hookscript") or None,
        "other": others,
    }


def size(config: GuestConfig, spec: dict[str, JsonValue]) -> Size:
    """Without a limit a container may use all cores of its node: that is no number of its own."""
    limits = [limit for limit in (config.number("cores"), config.number("cpulimit")) if limit]
    volumes = [one for one in (spec["rootfs"], *devices.entries(spec["mounts"])) if isinstance(one, dict)]
    return Size(
        cpu_cores=min(limits, default=None),
        memory_bytes=_memory(config) * _MIB,
        disk_bytes=devices.total(one for one in volumes if one["storage"]),
    )


def addresses(spec: dict[str, JsonValue]) -> tuple[str, ...]:
    return devices.addresses(spec["networks"])


def _memory(config: GuestConfig, option: str = "memory") -> int:
    found = config.whole(option)
    return _DEFAULT_MEMORY if found is None else found


def _environment(text: str) -> dict[str, JsonValue]:
    """Return the variables of a container made from an application image, which NULs separate."""
    pairs = (entry.partition("=") for entry in _ENTRIES.split(text) if entry)
    return {name: redaction.value(name, content) for name, _, content in pairs}


def _raw(lines: JsonValue) -> list[JsonValue]:
    """Return the lines of LXC itself, in their order, which may have a meaning: ``lxc.mount.entry = ...``."""
    pairs = (line for line in lines if isinstance(line, list) and len(line) == _PAIR) if isinstance(lines, list) else ()
    return [f"{name} = {_content(str(name), str(content))}" for name, content in pairs]


def _content(name: str, content: str) -> str:
    variable, equals, given = content.partition("=")
    if name.startswith("lxc.environment") and equals:
        return f"{variable}={redaction.value(variable, given)}"
    return redaction.text(content)
