"""Bytes that cross the client's sockets, counted where Dask reads and writes them."""

from typing import Any

from distributed.comm import tcp

__all__ = ["Traffic"]


class Traffic:
    """Counts all that this process receives and sends over TCP, from its making on.

    The process must be a client alone: the scheduler and the workers live in others.
    """

    def __init__(self) -> None:
        self.received = self.sent = 0
        read, write = tcp.read_bytes_rw, tcp.TCP.write

        async def counted_read(stream: Any, n: int) -> Any:
            self.received += n
            return await read(stream, n)

        async def counted_write(*args: Any, **kwargs: Any) -> int:
            n = await write(*args, **kwargs)
            self.sent += n
            return n

        tcp.read_bytes_rw = counted_read
        tcp.TCP.write = counted_write
