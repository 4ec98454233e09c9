"""GET of a node's tasks (facts 19, 48, 49)."""

from tests.support.proxmox.broadcasts import task_row
from tests.support.proxmox.calls import Call, Part, denied, invalid
from tests.support.proxmox.model import Row, Task
from tests.support.proxmox.routes import route

FILTERS = "errors limit since source start statusfilter typefilter until userfilter vmid"


@route("GET", "nodes/{node}/tasks", params=FILTERS, proxied=True)
def tasks(call: Call) -> Part:
    source = call.query.get("source", "archive")
    found: list[Task] = []
    if source in {"active", "all"}:
        found += call.node.active
    if source in {"archive", "all"}:
        found += call.node.tasks
    fitting = [task for task in found if _fits(call, task) and (_audits(call) or _own(call, task))]
    start = call.whole("start", 0)
    shown = fitting[start : start + call.whole("limit", 50)]
    return Part([_row(task) for task in shown], len(fitting))


@route("GET", "nodes/{node}/tasks/{upid}/status", proxied=True)
def status(call: Call) -> Row:
    task = _task(call)
    row = _whole(task) | {"status": "running" if task.ended_at is None else "stopped"}
    return row if task.ended_at is None else row | {"exitstatus": task.status}


@route("GET", "nodes/{node}/tasks/{upid}/log", params="download limit start", proxied=True)
def log(call: Call) -> Part:
    lines = _task(call).lines or ["no content"]
    start = call.whole("start", 0)
    numbered = [{"n": number, "t": text} for number, text in enumerate(lines, start=1)]
    return Part(numbered[start : start + (call.whole("limit", 50) or len(lines))], len(lines))


def _task(call: Call) -> Task:
    upid = call.path["upid"]
    task = next((task for task in (*call.node.active, *call.node.tasks) if task.upid == upid), None)
    if task is None:
        raise invalid(upid="no such task")
    if not _own(call, task) and not _audits(call):
        raise denied(f"/nodes/{call.node.name}", "Sys.Audit")
    return task


def _row(task: Task) -> Row:
    row = _whole(task)
    return row | ({"status": "RUNNING"} if task.ended_at is None else {"endtime": task.ended_at, "status": task.status})


def _whole(task: Task) -> Row:
    row = task_row(task) | {"pid": task.pid, "pstart": task.pstart}
    return {key: value for key, value in row.items() if key not in {"saved", "endtime", "status"}}


def _fits(call: Call, task: Task) -> bool:
    query = call.query
    ended = task.status or ""
    return (
        call.whole("since", 0) <= task.started_at <= call.whole("until", 2**62)
        and query.get("vmid") in {None, task.id}
        and query.get("typefilter", task.type) in task.type
        and query.get("userfilter", "") in task.user
        and not (call.flag("errors") and ended == "OK")
        and _status(ended) in query.get("statusfilter", _status(ended)).split(",")
    )


def _status(ended: str) -> str:
    return "ok" if ended == "OK" else "warning" if ended.startswith("WARNINGS") else "error" if ended else "unknown"


def _audits(call: Call) -> bool:
    return call.rights.has(f"/nodes/{call.node.name}", "Sys.Audit")


def _own(call: Call, task: Task) -> bool:
    return call.rights.who == (f"{task.user}!{task.token}" if task.token else task.user)
