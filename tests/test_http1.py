"""The client against servers that behave, and against those that do not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from gateway.sending.connect import ConnectFailed, Names, Origin
from gateway.sending.http1 import ANSWER_BYTES, START_BYTES, Answer, Pool, ProtocolError

REQUEST = b"POST /hook HTTP/1.1\r\nHost: crm.example\r\nContent-Length: 4\r\n\r\nbody"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Server:
    """Raw: `answers` has, for each connection, what is written after each request; None closes without a word."""

    def __init__(self, *answers: list[bytes | None]) -> None:
        self._answers = list(answers)
        self.connections = 0
        self.requests: list[bytes] = []
        self.port = 0
        self._tasks: set[asyncio.Task[None]] = set()

    async def _begin(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        await self._serve(reader, writer)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        answers = self._answers[min(self.connections, len(self._answers) - 1)]
        self.connections += 1
        try:
            for answer in answers:
                self.requests.append(await reader.readexactly(len(REQUEST)))
                if answer is None:
                    break
                writer.write(answer)
                await writer.drain()
            else:
                await reader.read()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    @asynccontextmanager
    async def run(self) -> AsyncIterator[Pool]:
        server = await asyncio.start_server(self._begin, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        loop = asyncio.get_running_loop()
        names = Names(loop)
        pool = Pool(Origin("127.0.0.1", self.port), names, loop)
        try:
            yield pool
        finally:
            pool.close()
            names.close()
            server.close()
            await asyncio.gather(*self._tasks)


async def post(pool: Pool, timeout_s: float = 10.0) -> Answer:
    """The answer without its body."""
    return (await pool.post(REQUEST, timeout_s, lambda: None))._replace(start=b"")


async def test_requests_share_a_connection() -> None:
    server = Server([OK] * 3)
    async with server.run() as pool:
        assert [await post(pool) for _ in range(3)] == [Answer(200, None)] * 3
    assert server.connections == 1
    assert server.requests == [REQUEST] * 3


@pytest.mark.parametrize(
    ("answer", "expected", "connections"),
    [
        (b"HTTP/1.1 503 Busy\r\nRetry-After: 7\r\nContent-Length: 0\r\n\r\n", Answer(503, "7"), 1),
        (b"HTTP/1.1 204 No Content\r\n\r\n", Answer(204, None), 1),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", Answer(200, None), 1),
        (b"HTTP/1.1 100 Continue\r\n\r\n" + OK, Answer(200, None), 1),
        (b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n", Answer(200, None), 2),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", Answer(200, None), 2),
        (b"HTTP/1.1 302 Found\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n", Answer(302, None), 1),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n" + b"x" * (ANSWER_BYTES + 1), Answer(200, None), 2),
    ],
)
async def test_answers(answer: bytes, expected: Answer, connections: int) -> None:
    server = Server([answer] * 2)
    async with server.run() as pool:
        assert await post(pool) == expected
        assert await post(pool) == expected
    assert server.connections == connections


async def test_people_may_read_how_an_answer_begins() -> None:
    server = Server([b"HTTP/1.1 400 Bad Request\r\nContent-Length: 1000\r\n\r\nno such " + b"x" * 992])
    async with server.run() as pool:
        answer = await pool.post(REQUEST, 10.0, lambda: None)
    assert (answer.status, len(answer.start), answer.start[:8]) == (400, START_BYTES, b"no such ")


async def test_an_answer_may_come_in_pieces() -> None:
    async def dribble(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(len(REQUEST))
        for index in range(len(OK)):
            writer.write(OK[index : index + 1])
            await writer.drain()
            await asyncio.sleep(0)
        await reader.read()
        writer.close()

    server = Server()
    server._serve = dribble  # type: ignore[method-assign]
    async with server.run() as pool:
        assert await post(pool) == Answer(200, None)


async def test_an_answer_without_a_length_ends_with_the_connection() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(len(REQUEST))
        writer.write(b"HTTP/1.1 200 OK\r\n\r\nas long as it lasts")
        await writer.drain()
        writer.close()

    server = Server()
    server._serve = serve  # type: ignore[method-assign]
    async with server.run() as pool:
        assert await post(pool) == Answer(200, None)
        assert not pool.sweep()


async def test_a_connection_that_was_closed_while_it_waited_is_no_failure() -> None:
    server = Server([OK, None], [OK, OK])
    async with server.run() as pool:
        assert await post(pool) == Answer(200, None)
        assert await post(pool) == Answer(200, None)
    assert server.connections == 2
    assert len(server.requests) == 3


async def test_a_new_connection_that_is_closed_without_an_answer_is_a_failure() -> None:
    server = Server([None])
    async with server.run() as pool:
        with pytest.raises(ConnectionResetError):
            await post(pool)
    assert server.connections == 1


@pytest.mark.parametrize(
    "rubbish",
    [
        b"SMTP ready\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X-Long: " + b"y" * 70_000,
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\nx",
    ],
)
async def test_what_is_no_answer(rubbish: bytes) -> None:
    server = Server([rubbish])
    async with server.run() as pool:
        with pytest.raises(ProtocolError):
            await post(pool)
        assert not pool.sweep()


async def test_who_never_answers_is_given_up_and_not_asked_again() -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server.connections += 1
        await reader.read()
        writer.close()

    server = Server()
    server._serve = silent  # type: ignore[method-assign]
    async with server.run() as pool:
        for _ in range(2):
            with pytest.raises(TimeoutError):
                await post(pool, 0.05)
        assert not pool.sweep()
    assert server.connections == 2


async def test_a_word_without_a_question_closes_the_connection() -> None:
    server = Server([OK + b"HTTP/1.1 200 OK\r\n\r\n"], [OK])
    async with server.run() as pool:
        assert await post(pool) == Answer(200, None)
        assert await post(pool) == Answer(200, None)
    assert server.connections == 2


async def test_nobody_there() -> None:
    server = Server([OK])
    async with server.run() as pool:
        pass
    loop = asyncio.get_running_loop()
    names = Names(loop)
    pool = Pool(Origin("127.0.0.1", server.port), names, loop)
    with pytest.raises(ConnectFailed) as caught:
        await post(pool)
    assert caught.value.word == "connect"
    with pytest.raises(ConnectFailed) as caught:
        await Pool(Origin("nobody.invalid", 80), names, loop).post(REQUEST, 10.0, lambda: None)
    assert caught.value.word == "dns"
    names.close()


async def test_nothing_is_written_where_it_may_not_be() -> None:
    class Forbidden(Exception):
        pass

    def refuse() -> None:
        raise Forbidden

    server = Server([OK] * 3)
    async with server.run() as pool:
        with pytest.raises(Forbidden):
            await pool.post(REQUEST, 10.0, refuse)
        assert await post(pool) == Answer(200, None)
        with pytest.raises(Forbidden):
            await pool.post(REQUEST, 10.0, refuse)
    assert server.requests == [REQUEST]


async def test_a_cancelled_request_closes_its_connection() -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        arrived.set()
        await reader.read()
        left.set()
        writer.close()

    arrived, left = asyncio.Event(), asyncio.Event()
    server = Server()
    server._serve = silent  # type: ignore[method-assign]
    async with server.run() as pool:
        task = asyncio.create_task(post(pool))
        await arrived.wait()
        task.cancel()
        async with asyncio.timeout(10):
            await left.wait()


async def test_idle_connections_grow_old() -> None:
    server = Server([OK] * 3)
    async with server.run() as pool:
        await asyncio.gather(*(post(pool) for _ in range(3)))
        assert pool.sweep(idle_s=60)
        assert not pool.sweep(idle_s=0)
        assert await post(pool) == Answer(200, None)
    assert server.connections == 4
