"""What ``<state>/run.json`` says while an instance runs: how other commands find it.  Mode 0600: it holds passwords."""

from pydantic import Field

from schemas.base import Message

RUN_FILE = "run.json"


class Login(Message):
    user: str
    password: str = Field(repr=False)


class NatsRun(Message):
    url: str
    viewer: Login
    operator: Login
    admin: Login
    agent: Login
    daemon: Login


class HttpRun(Message):
    url: str
    mcp: str
    metrics: str
    health: str


class SqlRun(Message):
    snapshot: str = Field(description="a plain DuckDB file for read-only use, renewed by rename")


class Run(Message):
    pid: int
    version: str
    state: str
    nats: NatsRun
    http: HttpRun
    sql: SqlRun
