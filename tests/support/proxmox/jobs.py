"""Work that a command starts and that takes ``task_seconds`` of the world's time (facts 12, 13, 31, 48)."""

from collections.abc import Callable

from tests.support.proxmox.base import change
from tests.support.proxmox.copies import Copies
from tests.support.proxmox.lifecycle import WORDS
from tests.support.proxmox.model import Guest, Task

Work = Callable[[], None]


class Failed(Exception):
    """How a task ends that does not end OK."""


class Jobs(Copies):
    task_seconds = 0.0
    """How long a task of a command takes; 0: it is done before the answer is sent."""

    def __init__(self, **named: object) -> None:
        super().__init__(**named)
        self._due: list[tuple[float, Task, Guest, Work]] = []
        self._ha_targets: dict[str, str] = {}

    @change
    def submit(self, guest: Guest, kind: str, work: Work, *, who: str, lock: str | None = None) -> str:
        """The UPID of a task that does ``work`` when its time has come; it holds ``lock`` until then."""
        task = self.begin(guest.node, kind, guest.vmid, who=who)
        if guest.lock:
            return self.end(task, f"{'VM' if guest.type == 'qemu' else 'CT'} is locked ({guest.lock})")
        if lock:
            guest.config["lock"] = lock
        self._due.append((self.now() + self.task_seconds, task, guest, work))
        self.settle()
        return task.upid

    def settle(self) -> None:
        """End the tasks whose time has come."""
        with self.lock:
            due = [each for each in self._due if each[0] <= self.now()]
            self._due = [each for each in self._due if each not in due]
            for _, task, guest, work in due:
                self.version += 1
                guest.config.pop("lock", None)
                try:
                    work()
                except Failed as failure:
                    self.end(task, str(failure))
                else:
                    self.end(task)

    @change
    def request(self, guest: Guest, what: str, *, who: str, target: str | None = None) -> str:
        """Under HA a command only asks for a state and its task ends at once; `crm` does the work."""
        if target:
            self._ha_targets[guest.sid] = target
        else:
            self.ha[guest.sid].state = "started" if what == "hastart" else "stopped"
        return self.end(self.begin(guest.node, what, guest.vmid, who=who))

    @change
    def crm(self) -> None:
        """One round of the HA manager: what was asked for is done, by root@pam."""
        for sid, resource in self.ha.items():
            guest = self.guests.get(int(sid.split(":")[1]))
            if guest is None:
                continue
            if target := self._ha_targets.pop(sid, None):
                self.migrate(guest.vmid, target)
            if resource.state == "started" and not guest.alive:
                self.turn_on(guest)
            elif resource.state in {"stopped", "disabled"} and guest.alive:
                self.did(guest.node, f"{WORDS[guest.type]}shutdown", guest.vmid)
                self.turn_off(guest)
