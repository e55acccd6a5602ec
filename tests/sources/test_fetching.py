"""JSON from servers: what is asked again, what is given up, and where a key goes."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from pytest_agent_replay.sources.fetching import Api, ApiError, RateLimit, environment, in_order, quoted

KEY = "sk-very-secret-0123"
Answer = tuple[int, bytes, dict[str, str]]


class Scripted:
    """A server that gives out its answers in order, the last one again and again."""

    def __init__(self) -> None:
        self.answers: list[Answer] = []
        self.asked: list[tuple[str, str, dict[str, str], bytes]] = []
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._http.daemon_threads = True
        threading.Thread(target=self._http.serve_forever, args=(0.01,), daemon=True).start()

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self._http.server_port}"

    def gives(self, status: int, content: Any = None, **headers: str) -> None:
        """The next answer; `content` is JSON unless it is bytes."""
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.answers.append((status, body, {key.replace("_", "-"): value for key, value in headers.items()}))

    def close(self) -> None:
        """Ends it."""
        self._http.shutdown()
        self._http.server_close()


def _handler(server: Scripted) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            headers = {name.lower(): value for name, value in self.headers.items()}
            server.asked.append((self.command, self.path, headers, body))
            status, content, more = server.answers.pop(0) if len(server.answers) > 1 else server.answers[0]
            if status == 0:
                self.connection.shutdown(socket.SHUT_RDWR)
                return
            self.send_response(status)
            for name, value in more.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_POST = do_GET

        def log_message(self, format: str, *args: Any) -> None:
            pass

    return Handler


@pytest.fixture
def server() -> Iterator[Scripted]:
    """A server that answers as it is told."""
    scripted = Scripted()
    yield scripted
    scripted.close()


@pytest.fixture
def other() -> Iterator[Scripted]:
    """Another one."""
    scripted = Scripted()
    yield scripted
    scripted.close()


class Waits(list[float]):
    """What was slept, and said."""

    def __init__(self) -> None:
        self.said: list[str] = []

    @property
    def now(self) -> float:
        """The time that sleeping makes."""
        return sum(self)


def api_of(server: Scripted, waits: Waits | None = None, **more: Any) -> Api:
    """A client of that server in virtual time."""
    waits = waits if waits is not None else Waits()
    given = {
        "name": "Example",
        "headers": {"x-api-key": KEY},
        "key_hint": "set EXAMPLE_KEY",
        "endpoint_hint": "set EXAMPLE_URL",
        "sleep": waits.append,
        "clock": lambda: waits.now,
        "say": waits.said.append,
    }
    return Api(server.url, **{**given, **more})


# -- questions


def test_asks_and_reads_json(server: Scripted) -> None:
    """Parameters may be lists, and those that are None are left out; a body is JSON; the key is in its header."""
    server.gives(200, {"a": 1})
    with api_of(server) as api:
        assert api.get("/x", {"id": ["1", "2"], "none": None}) == {"a": 1}
        assert api.post("/y", {"q": "ä"}) == {"a": 1}
    (get, post) = server.asked
    assert get[:2] == ("GET", "/x?id=1&id=2")
    assert post[:2] == ("POST", "/y")
    assert json.loads(post[3]) == {"q": "ä"}
    assert [asked[2]["x-api-key"] for asked in server.asked] == [KEY, KEY]


def test_a_path_of_an_id() -> None:
    """Whatever characters an id has, it stays one part of the path."""
    assert quoted("a/b ?ü") == "a%2Fb%20%3F%C3%BC"


def test_a_header_without_value_is_left_out(server: Scripted) -> None:
    """None and blanks are no values; others lose the blanks around them."""
    server.gives(200, 1)
    api_of(server, headers={"x-api-key": f" {KEY}\n", "x-none": None, "x-blank": " "}).get("/")
    assert server.asked[0][2]["x-api-key"] == KEY
    assert not server.asked[0][2].keys() & {"x-none", "x-blank"}


def test_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first variable with a value counts."""
    monkeypatch.setenv("ONE_OF_TWO", " ")
    monkeypatch.setenv("TWO_OF_TWO", " x ")
    assert environment("ONE_OF_TWO", "TWO_OF_TWO") == "x"
    assert environment("ONE_OF_TWO") is None


def test_netrc_does_not_replace_the_key(server: Scripted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A password that is kept for this host stays where it is."""
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login me password hunter2\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    server.gives(200, 1)
    api_of(server, headers={"Authorization": f"Bearer {KEY}"}).get("/")
    assert server.asked[0][2]["authorization"] == f"Bearer {KEY}"


# -- asked again


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_asks_again(server: Scripted, status: int) -> None:
    """What may pass is asked again after twice the time each, and this is said."""
    server.gives(status, "busy")
    server.gives(status, "busy")
    server.gives(200, "there")
    waits = Waits()
    assert api_of(server, waits).get("/x") == "there"
    assert waits == [1.0, 2.0]
    assert waits.said == [
        f'GET {server.url}/x was answered by {status} ("busy"); asking again in 1 s',
        f'GET {server.url}/x was answered by {status} ("busy"); asking again in 2 s',
    ]


def test_waits_as_the_server_wants(server: Scripted) -> None:
    """`retry-after` is a number of seconds, or a date."""
    server.gives(429, retry_after="7")
    server.gives(429, retry_after=formatdate(time.time() + 30, usegmt=True))
    server.gives(429, retry_after="soon")
    server.gives(200, 1)
    waits = Waits()
    assert api_of(server, waits).get("/") == 1
    assert waits[0] == 7.0
    assert 27 < waits[1] <= 30
    assert waits[2] == 4.0


def test_does_not_wait_for_hours(server: Scripted) -> None:
    """A server that wants that is asked another time."""
    server.gives(429, retry_after="3600")
    waits = Waits()
    with pytest.raises(ApiError, match=r"asks to wait 3,600 s; run it again then") as caught:
        api_of(server, waits).get("/")
    assert caught.value.status == 429
    assert waits == []


def test_gives_up(server: Scripted) -> None:
    """After six times."""
    server.gives(503, "down")
    waits = Waits()
    with pytest.raises(ApiError, match=r'503 \("down"\); that was the last of 6 attempts'):
        api_of(server, waits).get("/")
    assert (len(server.asked), waits) == (6, [1.0, 2.0, 4.0, 8.0, 16.0])


def test_a_connection_that_breaks(server: Scripted) -> None:
    """It is opened again."""
    server.gives(0)
    server.gives(200, 1)
    waits = Waits()
    assert api_of(server, waits).get("/x") == 1
    assert len(waits) == 1
    assert waits.said[0].startswith(f"GET {server.url}/x got no answer: ")


def test_a_server_that_was_there_and_is_gone(server: Scripted) -> None:
    """It may come back."""
    server.gives(200, 1)
    waits = Waits()
    api = api_of(server, waits)
    api.get("/")
    server.close()
    with pytest.raises(ApiError, match=r"Connection refused; that was the last of 6 attempts"):
        api.get("/")


# -- given up


def test_a_server_that_was_never_there() -> None:
    """It is not waited for; the address is doubtful."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{free.getsockname()[1]}"
        with pytest.raises(ApiError, match=r"Example is not reached: GET .*/x: Connection refused; set EXAMPLE_URL"):
            Api(address, name="Example", endpoint_hint="set EXAMPLE_URL").get("/x")


@pytest.mark.parametrize("status", [401, 403])
def test_a_key_that_is_refused(server: Scripted, status: int) -> None:
    """The message says what to set, and shows what the server says without the key."""
    server.gives(status, {"detail": f"Invalid token {KEY}!"})
    with pytest.raises(ApiError, match=r"Example refuses the key: .*; set EXAMPLE_KEY") as caught:
        api_of(server, headers={"Authorization": f"Bearer {KEY}"}).get("/x", {"q": "in the query"})
    assert KEY not in str(caught.value)
    assert "in the query" not in str(caught.value)
    assert "Invalid token ***!" in str(caught.value)
    assert caught.value.status == status


@pytest.mark.parametrize("status", [400, 404, 405, 422, 501])
def test_what_asking_again_does_not_change(server: Scripted, status: int) -> None:
    """It is asked once, and the error has the status."""
    server.gives(status, {"detail": "x" * 1000})
    with pytest.raises(ApiError, match=f"was answered by {status} ") as caught:
        api_of(server).get("/")
    assert (caught.value.status, len(server.asked)) == (status, 1)
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"<!DOCTYPE html><html><head><title>Sign\n in</title>", r"a web page \(Sign in\)"),
        (b"OK", r"something that is no JSON \(OK\)"),
        (b"", "something that is no JSON; is"),
        (b"[" * 100_000, "something that is no JSON"),
    ],
)
def test_an_answer_that_is_no_json(server: Scripted, content: bytes, words: str) -> None:
    """A login page, say: the address is doubtful."""
    server.gives(200, content)
    with pytest.raises(ApiError, match=words):
        api_of(server).get("/")


@pytest.mark.parametrize(
    "address",
    ["", "example.com", "ftp://example.com", "http://", "http://x:y", "https://example.com?key=1", "https://u:p@h"],
)
def test_an_address_that_is_none(address: str) -> None:
    """It is refused before anything is asked, and not repeated: it may have a password in it."""
    with pytest.raises(ApiError, match=r"the address of Example .*; set EXAMPLE_URL") as caught:
        Api(address, name="Example", endpoint_hint="set EXAMPLE_URL")
    assert "u:p" not in str(caught.value)


@pytest.mark.parametrize("key", ["sk-1\nsk-2", "sk-ü", "sk-\x00"])
def test_a_key_that_no_header_can_hold(server: Scripted, key: str) -> None:
    """The message does not show it."""
    with pytest.raises(ApiError, match="the value of `x-api-key` for Example has characters") as caught:
        api_of(server, headers={"x-api-key": key})
    assert "sk-" not in str(caught.value)


# -- redirects and downloads


def test_a_redirect_on_the_same_host(server: Scripted) -> None:
    """It is followed, with the key."""
    server.gives(307, location="/new?cursor=1")
    server.gives(200, 1)
    assert api_of(server).post("/old", {"q": 2}, {"a": 1}) == 1
    assert [asked[1] for asked in server.asked] == ["/old?a=1", "/new?cursor=1"]
    assert server.asked[1][2]["x-api-key"] == KEY
    assert json.loads(server.asked[1][3]) == {"q": 2}


def test_a_redirect_to_another_host(server: Scripted, other: Scripted) -> None:
    """It is not followed: the key stays."""
    other.gives(200, 1)
    server.gives(302, location=f"{other.url}/login?next=secret")
    with pytest.raises(
        ApiError, match=r"redirected to .*/login, and the key stays where it is.*set EXAMPLE_URL"
    ) as caught:
        api_of(server).get("/x")
    assert other.asked == []
    assert "secret" not in str(caught.value)


def test_redirects_without_end(server: Scripted) -> None:
    """They are given up."""
    server.gives(302, location="/again")
    with pytest.raises(ApiError, match="redirected again and again"):
        api_of(server).get("/x")


def test_a_question_that_would_be_another_one(server: Scripted) -> None:
    """A POST is not made a GET by a redirect."""
    server.gives(301, location="/slash/")
    with pytest.raises(ApiError, match=r"redirected to .*/slash/; give that address"):
        api_of(server).post("/slash", {})


def test_a_download_from_another_host(server: Scripted, other: Scripted) -> None:
    """It gets none of our headers, and its address, which is as good as a key, is in no message."""
    other.gives(200, b"\x00 bytes")
    assert api_of(server).download(f"{other.url}/file?signature=abc") == b"\x00 bytes"
    assert "x-api-key" not in other.asked[0][2]
    other.answers.clear()
    other.gives(403, "expired")
    with pytest.raises(ApiError, match=r"the download from 127.0.0.1 was answered by 403") as caught:
        api_of(server).download(f"{other.url}/file?signature=abc")
    assert "signature" not in str(caught.value)
    with pytest.raises(ApiError, match="no"):
        api_of(server).download("file:///etc/passwd")


# -- limits and threads


def test_a_limit_is_kept(server: Scripted) -> None:
    """No window has more requests than the limit; other paths are free."""
    server.gives(200, 1)
    waits = Waits()
    begun: list[float] = []
    api = api_of(server, waits, limits=[RateLimit("/runs/.*", 3, 10.0, "GET")])
    for _ in range(7):
        api.get("/runs/1")
        begun.append(waits.now)
    assert begun == [0, 0, 0, 10, 10, 10, 20]
    api.get("/other")
    api.post("/runs/1", {})
    assert waits.now == 20


def test_a_refusal_holds_for_all_under_the_limit(server: Scripted) -> None:
    """After a 429 nothing else is asked there until the time that the server named."""
    limit = RateLimit("/x", 100, 1.0)
    limit.close_until(50.0)
    assert limit.reserve(10.0) == 40.0
    assert limit.reserve(60.0) == 0.0


def test_results_come_in_order() -> None:
    """However long each takes, and no further ahead than a few."""
    begun: list[int] = []
    gates = {0: threading.Event()}

    def work(number: int) -> int:
        begun.append(number)
        if number in gates:
            gates[number].wait(5)
        elif number == 3:
            gates[0].set()
        return number * 10

    results = in_order(work, iter(range(1000)), workers=4)
    assert [next(results) for _ in range(3)] == [0, 10, 20]
    results.close()
    assert len(begun) < 30


def test_an_error_comes_out_at_its_place() -> None:
    """What was before it is given first."""

    def work(number: int) -> int:
        return 10 // (2 - number)

    results = in_order(work, range(5), workers=2)
    assert [next(results), next(results)] == [5, 10]
    with pytest.raises(ZeroDivisionError):
        next(results)


def test_an_end_wakes_who_waits(server: Scripted) -> None:
    """Another thread that waits to ask again stops when the import ends."""
    server.gives(429, retry_after="200")
    waiting = threading.Event()
    with Api(server.url, name="Example", say=lambda text: waiting.set()) as api:
        (results, errors) = _in_thread(lambda: api.get("/x"))
        assert waiting.wait(5)
    assert errors.wait(5)
    assert isinstance(results[0], ApiError)
    assert "the import ended" in str(results[0])


def _in_thread(work: Callable[[], Any]) -> tuple[list[BaseException], threading.Event]:
    raised: list[BaseException] = []
    done = threading.Event()

    def run() -> None:
        try:
            work()
        except ApiError as error:
            raised.append(error)
        done.set()

    threading.Thread(target=run, daemon=True).start()
    return raised, done
