"""What an engine says of one container's use; this part of the API writes its names in lower case."""

from typing import Any

from pydantic import ConfigDict, Field

from agents.docker.wire import Wire


class Snake(Wire):
    model_config = ConfigDict(frozen=True, extra="ignore", alias_generator=None)


class CpuUse(Snake):
    total_usage: int = 0


class CpuStats(Snake):
    cpu_usage: CpuUse = CpuUse()


class MemoryStats(Snake):
    usage: int = 0
    stats: dict[str, Any] = Field(default_factory=dict)


class NetworkUse(Snake):
    rx_bytes: int = 0
    tx_bytes: int = 0


class BlockUse(Snake):
    op: str = ""
    value: int = 0


class BlockStats(Snake):
    io_service_bytes_recursive: tuple[BlockUse, ...] = ()


class Stats(Snake):
    """``GET /containers/{id}/stats?stream=false&one-shot=true``; Podman says ``network`` for ``networks``."""

    read: str
    cpu_stats: CpuStats = CpuStats()
    memory_stats: MemoryStats = MemoryStats()
    networks: dict[str, NetworkUse] | None = None
    network: dict[str, NetworkUse] | None = None
    blkio_stats: BlockStats = BlockStats()
