"""All that an instance keeps and says without being asked: where nobody may find a secret."""

from daemon.runtime import streams
from tests.support.instance import Instance


async def kept(lab: Instance) -> dict[str, bytes]:
    """Return place -> what is in it: the log, the bus, and each file of the state directory."""
    files = (path for path in lab.state.rglob("*") if path.is_file())
    return {
        "a log": lab.stderr.encode(),
        "the bus": await _all_messages(lab),
        **{str(path.relative_to(lab.state)): path.read_bytes() for path in files},
    }


async def _all_messages(lab: Instance) -> bytes:
    """What is in every stream: on disk they are compressed."""
    said = []
    async with lab.nats("admin") as client:
        for stream in ("INVENTORY", "METRICS", "DRIFT", "AUDIT", streams.AGENTS.name):
            state = (await client.jetstream().stream_info(stream)).state
            reader = await client.jetstream().subscribe("", stream=stream, ordered_consumer=True)
            sequence = 0 if state.messages else state.last_seq
            while sequence < state.last_seq:  # one that is replaced meanwhile comes again later
                message = await reader.next_msg(timeout=5)
                said.append(message.subject.encode() + b" " + message.data)
                sequence = message.metadata.sequence.stream
            await reader.unsubscribe()
    return b"\n".join(said)
