"""Whatever an agent does, in a replay no real tool runs, no wrong recording is served, and nothing passes unchecked."""

from __future__ import annotations

import importlib
import json
import sys
import textwrap
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from pytest_agent_replay.contracts.resolve import ContractFinder
from pytest_agent_replay.errors import BindingError, ReplayError
from pytest_agent_replay.formats.loading import parse_document
from pytest_agent_replay.formats.replay import ReplayFile
from pytest_agent_replay.report.results import ReplayResult
from pytest_agent_replay.runner import Case, run_replay, run_replay_async
from pytest_agent_replay.settings import Settings

CONTRACT = '{"contract": {"name": "ok", "invariants": [{"type": "output_not_empty"}]}}'
MARK = """
    REAL = []

    def real(what):
        REAL.append(what)
        return "real"
"""

Project = Callable[..., "Folder"]


class Folder:
    """A project of its own, whose modules are imported by its agents only."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.names: list[str] = []

    def write(self, name: str, source: str) -> str:
        """Writes a module; names of tests must differ, since modules are for the whole process."""
        module = f"{name}_{self.path.name.replace('-', '_')}"
        (self.path / f"{module}.py").write_text(textwrap.dedent(source), "utf-8")
        self.names.append(module)
        return module

    def case(self, agent: str, *, origin: str = "argument", settings: Settings | None = None, **file: Any) -> Case:
        replay = ReplayFile.model_validate({"input": "hi", **file})
        document = parse_document(CONTRACT, "x.replay.json")
        contract = ContractFinder(self.path).resolve(document.data["contract"], self.path / "x.replay.json", document)
        settings = settings or Settings()
        return Case(replay, "case", self.path / "x.replay.yaml", self.path, agent, origin, contract, settings)

    def run(self, agent: str, recordings: Sequence[Any] = (), **options: Any) -> ReplayResult:
        return run_replay(self.case(agent, tool_responses=list(recordings), **options))

    @property
    def real(self) -> list[Any]:
        """What ran for real, in all of its modules."""
        loaded = [sys.modules[name] for name in self.names if name in sys.modules]
        return [each for module in loaded for each in getattr(module, "REAL", [])]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Folder]:
    monkeypatch.syspath_prepend(str(tmp_path))
    importlib.invalidate_caches()
    folder = Folder(tmp_path)
    yield folder
    for name in folder.names:
        sys.modules.pop(name, None)


def source(text: str) -> str:
    """A module in which real tools leave a mark."""
    return textwrap.dedent(MARK) + textwrap.dedent(text)


def answered(result: ReplayResult) -> list[str]:
    return [row["tool"] for row in result.tool_calls if row["recording"]]


# -- the agent is no tool


@pytest.mark.parametrize("name", ["answer", "run"])
def test_an_agent_is_not_replaced_by_a_recording_that_is_named_like_it(project: Folder, name: str) -> None:
    """Else the recorded result would be taken for what the agent answered."""
    module = project.write("like", f"def {name}(question):\n    return 'from the agent'\n")
    result = project.run(f"{module}:{name}", [{"tool": name, "response": "from the recording"}])
    assert result.turns[0].output == "from the agent"


def test_the_methods_by_which_agents_are_called_are_no_tools(project: Folder) -> None:
    """A class whose `run` is the agent."""
    module = project.write("cls", "class Agent:\n    def run(self, question):\n        return 'from the agent'\n")
    result = project.run(f"{module}:Agent", [{"tool": "run", "response": "from the recording"}])
    assert result.turns[0].output == "from the agent"


# -- which function a name means


def test_one_function_cannot_be_two_tools(project: Folder) -> None:
    """Of a call it could not be told which it is."""
    module = project.write(
        "two", "def search(q):\n    return 'real'\nfind = search\ndef answer(q):\n    return search(q)\n"
    )
    recordings = [{"tool": "search", "response": 1}, {"tool": "find", "response": 2}]
    with pytest.raises(BindingError, match="the tools 'search' and 'find' are the same function"):
        project.run(f"{module}:answer", recordings)


def test_objects_of_one_class_are_told_apart(project: Folder) -> None:
    """Two callable objects are two tools, though they share their code."""
    module = project.write(
        "objects",
        source(
            """
            class Tool:
                def __init__(self, name):
                    self.name = name
                def __call__(self, key):
                    return real(self.name)

            read, write = Tool("read"), Tool("write")

            def answer(question):
                return [read("k"), write("k")]
            """
        ),
    )
    result = project.run(f"{module}:answer", [{"tool": "write", "response": "W"}, {"tool": "read", "response": "R"}])
    assert result.turns[0].output == ["R", "W"]
    assert not project.real


def test_a_tool_in_a_dict_is_caught_under_its_key(project: Folder) -> None:
    """The registry's name is what the model and the recording call it."""
    module = project.write(
        "registry",
        source(
            """
            def _impl(key):
                return real(key)

            TOOLS = {"lookup": _impl}

            def answer(question):
                return TOOLS["lookup"]("k")
            """
        ),
    )
    result = project.run(f"{module}:answer", [{"tool": "lookup", "response": "R"}])
    assert (result.turns[0].output, project.real) == ("R", [])


def test_a_name_for_a_function_in_c_is_an_error(project: Folder) -> None:
    """It would run for real."""
    module = project.write("inc", "from math import sqrt\ndef answer(q):\n    return sqrt(4)\n")
    with pytest.raises(BindingError, match=r"the tool 'sqrt' is math\.sqrt"):
        project.run(f"{module}:answer", [{"tool": "sqrt", "response": 2}])


def test_a_target_whose_module_cannot_exist_is_an_error(project: Folder) -> None:
    """A typing mistake must not leave the tool real."""
    module = project.write("typing", "def lookup(k):\n    return 'real'\ndef answer(q):\n    return lookup(q)\n")
    wrong = module[:-1] + "x"
    with pytest.raises(BindingError, match=f"there is no module '{wrong}'; did you mean '{module}'"):
        project.run(f"{module}:answer", [{"tool": "fetch", "response": 2}], tools={"fetch": f"{wrong}:lookup"})


def test_a_namesake_that_the_agent_imports_later_is_caught_too(project: Folder) -> None:
    """The first function of that name may not be the one that is called."""
    late = project.write("late", source("def lookup(key):\n    return real(key)\n"))
    module = project.write(
        "early",
        source(
            f"""
            def lookup(key):
                return real(key)

            def answer(question):
                import {late}
                return [lookup("a"), {late}.lookup("b")]
            """
        ),
    )
    result = project.run(f"{module}:answer", [{"tool": "lookup", "response": "R"}] * 2)
    assert (result.turns[0].output, project.real) == (["R", "R"], [])


def test_a_module_that_is_reloaded_during_the_replay_stays_caught(project: Folder) -> None:
    """Its functions are new ones."""
    tools = project.write("reloaded", source("def lookup(key):\n    return real(key)\n"))
    module = project.write(
        "reloader",
        f"""
        import importlib
        import {tools}

        def answer(question):
            importlib.reload({tools})
            return {tools}.lookup("k")
        """,
    )
    result = project.run(f"{module}:answer", [{"tool": "lookup", "response": "R"}])
    assert (result.turns[0].output, project.real) == ("R", [])


def test_a_module_that_was_reloaded_between_replays_is_caught(project: Folder) -> None:
    """What was found once is not taken for what is there now."""
    tools = project.write(
        "between", source("def make():\n    def lookup(key):\n        return real(key)\n    return lookup\n")
    )
    module = project.write("user", f"import {tools}\ndef answer(question):\n    return {tools}.make()('k')\n")
    for _ in range(2):
        result = project.run(f"{module}:answer", [{"tool": "lookup", "response": "R"}])
        assert (result.turns[0].output, project.real) == ("R", [])
        importlib.reload(sys.modules[tools])


def test_a_singledispatch_tool_is_one_tool(project: Folder) -> None:
    """Whatever function its argument's type leads to."""
    module = project.write(
        "dispatch",
        source(
            """
            from functools import singledispatch

            @singledispatch
            def lookup(key):
                return real(key)

            @lookup.register
            def _(key: int):
                return real(key)

            def answer(question):
                return [lookup("a"), lookup(1)]
            """
        ),
    )
    result = project.run(f"{module}:answer", [{"tool": "lookup", "response": "R"}] * 2)
    assert (result.turns[0].output, project.real) == (["R", "R"], [])


@pytest.mark.parametrize("target", ["json:loads", "_pytest.outcomes:skip", "pytest_agent_replay.runner:run_replay"])
def test_a_file_cannot_replace_functions_of_the_machinery(project: Folder, target: str) -> None:
    """Nor of the standard library."""
    module = project.write("guarded", "def answer(q):\n    return 'x'\n")
    with pytest.raises(BindingError, match="not the agent's to replace"):
        project.run(f"{module}:answer", [{"tool": "fetch", "response": 2}], tools={"fetch": target})


def test_settings_may_bind_the_standard_library(project: Folder) -> None:
    """They are the project's own word."""
    module = project.write(
        "shortens", "import textwrap\ndef answer(q):\n    return textwrap.shorten('a long text', 6)\n"
    )
    settings = Settings(tools={"brief": "textwrap:shorten"})
    result = project.run(f"{module}:answer", [{"tool": "brief", "response": "R"}], settings=settings)
    assert result.turns[0].output == "R"


# -- caches


def test_what_a_cache_holds_does_not_cross_the_border_of_a_replay(project: Folder) -> None:
    """Neither from a recording to real code nor the other way round."""
    module = project.write(
        "cached",
        source(
            """
            from functools import lru_cache

            def lookup(key):
                real(key)
                return "real"

            @lru_cache
            def remembered(key):
                return lookup(key)

            def answer(question):
                return remembered("k")
            """
        ),
    )
    assert importlib.import_module(module).answer("q") == "real"
    result = project.run(f"{module}:answer", [{"tool": "lookup", "response": "R"}])
    assert result.turns[0].output == "R"
    assert sys.modules[module].answer("q") == "real"


# -- imports


def test_what_a_module_does_while_it_is_imported_is_not_real(project: Folder) -> None:
    """An agent's module that asks a service at its import is refused, as without a network."""
    pytest.importorskip("requests")
    module = project.write(
        "importing",
        """
        import requests

        try:
            requests.get("https://config.example.com/settings")
            STATE = "reached"
        except requests.ConnectionError:
            STATE = "refused"

        def answer(question):
            return STATE
        """,
    )
    result = project.run(f"{module}:answer")
    assert (result.turns[0].output, result.outcome) == ("refused", "passed")


# -- HTTP


@pytest.mark.parametrize(
    ("tool", "path", "body"),
    [
        ("traces", "/v1/traces", {"order": 1}),
        ("messages", "/v1/messages", {"model": "m", "max_tokens": 1, "messages": []}),
    ],
)
def test_a_recorded_request_is_a_tool_whatever_else_it_looks_like(
    project: Folder, tool: str, path: str, body: Any
) -> None:
    """Not telemetry, and not a question to a model."""
    pytest.importorskip("requests")
    module = project.write(
        "posting",
        f"""
        import requests

        def answer(question):
            return requests.post("https://api.example.com{path}", json={body!r}).json()
        """,
    )
    result = project.run(f"{module}:answer", [{"tool": tool, "response": {"ok": "R"}}])
    assert result.turns[0].output == {"ok": "R"}


def test_overrides_of_a_file_do_not_choose_where_the_key_goes(project: Folder) -> None:
    """A file from elsewhere could send the user's key to a host of its choice."""
    pytest.importorskip("requests")
    module = project.write(
        "overridden",
        """
        import requests

        class Agent:
            def __init__(self, base_url="https://api.openai.com/v1"):
                self.base_url = base_url

            def run(self, question):
                body = {"model": "m", "messages": [{"role": "user", "content": question}]}
                return requests.post(f"{self.base_url}/chat/completions", json=body).text
        """,
    )
    result = project.run(
        f"{module}:Agent", settings=Settings(llm="live"), overrides={"base_url": "https://elsewhere.example.com/v1"}
    )
    assert result.outcome == "failed"
    assert "elsewhere.example.com, which the file's `overrides` name" in result.reasons[0]


# -- what is checked


def test_an_exception_is_excused_only_by_a_check_that_was_made(project: Folder) -> None:
    """A `completes` that was skipped says nothing."""
    module = project.write("raising", "def answer(q):\n    raise ValueError('broken')\n")
    case = project.case(f"{module}:answer")
    contract = {"invariants": [{"type": "completes", "negate": True, "when": "tool_faults_active"}]}
    document = parse_document(json.dumps({"contract": contract}), "x.replay.json")
    case.contract = ContractFinder(project.path).resolve(contract, case.path, document)
    result = run_replay(case)
    assert result.outcome == "failed"
    assert "the agent raised" in result.reasons[0]


# -- what the agent leaves running

BACKGROUND = source(
    """
    import asyncio
    import threading
    import time
    from concurrent.futures import ThreadPoolExecutor

    POOL = ThreadPoolExecutor(1)

    def lookup(key):
        return real(key)

    def late(seconds=0.05):
        time.sleep(seconds)
        lookup("k")

    def by_thread(question):
        threading.Thread(target=late).start()
        return "done"

    def by_daemon(question):
        threading.Thread(target=late, daemon=True).start()
        return "done"

    def by_timer(question):
        threading.Timer(0.05, late).start()
        return "done"

    def by_pool(question):
        POOL.submit(late)
        return "done"

    def by_two_threads(question):
        threading.Thread(target=by_thread, args=("q",)).start()
        return "done"

    async def by_task(question):
        async def later():
            await asyncio.sleep(0.05)
            lookup("k")

        global TASK
        TASK = asyncio.create_task(later())
        return "done"

    async def by_endless_task(question):
        global TASK
        TASK = asyncio.create_task(asyncio.sleep(60))
        return "done"

    RELEASE = threading.Event()

    def by_slow_thread(question):
        threading.Thread(target=RELEASE.wait).start()
        threading.Thread(target=waits).start()
        return "done"

    def waits():
        RELEASE.wait()

    def by_slow_daemon(question):
        threading.Thread(target=waits, daemon=True, name="worker").start()
        return "done"
    """
)


@pytest.mark.parametrize("agent", ["by_thread", "by_daemon", "by_timer", "by_pool", "by_two_threads", "by_task"])
def test_calls_after_the_answer_are_answered_and_count(project: Folder, agent: str) -> None:
    """The replay waits for what its agent started."""
    module = project.write("after", BACKGROUND)
    result = project.run(f"{module}:{agent}", [{"tool": "lookup", "response": "R"}])
    assert (answered(result), project.real, result.notes) == (["lookup"], [], [])


def test_tasks_on_the_loop_of_a_test_are_waited_for_too(project: Folder) -> None:
    """And those of others are left alone."""
    import asyncio

    module = project.write("looped", BACKGROUND)
    recordings = [{"tool": "lookup", "response": "R"}]

    async def test() -> None:
        other = asyncio.create_task(asyncio.sleep(60))
        result = await run_replay_async(project.case(f"{module}:by_task", tool_responses=recordings))
        assert (answered(result), project.real) == (["lookup"], [])
        endless = await run_replay_async(project.case(f"{module}:by_endless_task"))
        assert endless.notes == ["cancelled after the last answer, because the agent did not wait for it: sleep"]
        assert not other.done()
        other.cancel()

    asyncio.run(test())


def test_a_task_that_does_not_end_is_said(project: Folder) -> None:
    """It is cancelled, which production would not do."""
    module = project.write("endless", BACKGROUND)
    result = project.run(f"{module}:by_endless_task")
    assert result.notes == ["cancelled after the last answer, because the agent did not wait for it: sleep"]


def test_a_thread_that_does_not_end_fails_the_replay(project: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its later calls would be real. A daemon may be meant to stay: that is said."""
    from pytest_agent_replay.intercept import background

    monkeypatch.setattr(background, "_PATIENCE_S", 0.05)
    monkeypatch.setattr(background, "_DAEMON_PATIENCE_S", 0.05)
    module = project.write("slow", BACKGROUND)
    result = project.run(f"{module}:by_slow_thread")
    daemon = project.run(f"{module}:by_slow_daemon")
    sys.modules[module].RELEASE.set()
    assert result.outcome == "failed"
    assert "was still running 0.05 s after the last answer" in result.reasons[0]
    assert daemon.outcome == "passed"
    assert daemon.notes[0].startswith("thread 'worker' was still running after the last answer")


PROCESS = """
    import multiprocessing

    def work():
        pass

    def answer(question):
        process = multiprocessing.get_context("spawn").Process(target=work)
        try:
            process.start()
        except Exception as error:
            return type(error).__name__
        process.join()
        return "started"
"""


def test_a_process_is_refused(project: Folder) -> None:
    """Nothing is patched in it."""
    module = project.write("process", PROCESS)
    result = project.run(f"{module}:answer")
    assert (result.turns[0].output, result.outcome) == ("SessionError", "failed")
    assert "the agent started a process" in result.reasons[0]


POOLS = """
    import multiprocessing
    from concurrent.futures import ProcessPoolExecutor

    EXECUTOR = ProcessPoolExecutor(1)
    POOL = multiprocessing.get_context("spawn").Pool(1)

    def by_executor(question):
        try:
            EXECUTOR.submit(len, question)
        except Exception as error:
            return type(error).__name__

    def by_pool(question):
        try:
            POOL.apply_async(len, [question])
        except Exception as error:
            return type(error).__name__
"""


def test_work_for_a_pool_of_processes_is_refused(project: Folder) -> None:
    """Its processes may be older than the replay: nothing is patched in them."""
    module = project.write("pools", POOLS)
    pools: Any = importlib.import_module(module)
    try:
        for agent in ("by_executor", "by_pool"):
            result = project.run(f"{module}:{agent}")
            assert (result.turns[0].output, result.outcome) == ("SessionError", "failed")
            assert "the agent gave work to a pool of processes" in result.reasons[0]
    finally:
        pools.EXECUTOR.shutdown()
        pools.POOL.terminate()


def test_a_process_is_allowed_with_the_network(project: Folder) -> None:
    """The user lifted the guard."""
    module = project.write("allowed", PROCESS)
    result = project.run(f"{module}:answer", settings=Settings(network="allow"))
    assert (result.turns[0].output, result.outcome) == ("started", "passed")


def test_threads_of_parallel_sessions_do_not_mix(project: Folder) -> None:
    """A thread without a context belongs to the session that started it."""
    from concurrent.futures import ThreadPoolExecutor

    module = project.write(
        "parallel",
        source(
            """
            import threading
            from concurrent.futures import ThreadPoolExecutor

            POOL = ThreadPoolExecutor(4)
            READY = threading.Barrier(8)

            def lookup(key):
                return real(key)

            def answer(question):
                READY.wait(10)
                found = []
                thread = threading.Thread(target=lambda: found.append(lookup("k")))
                thread.start()
                thread.join()
                return [found[0], POOL.submit(lookup, "k").result()]
            """
        ),
    )
    importlib.import_module(module)
    with ThreadPoolExecutor(8) as pool:
        runs = [
            pool.submit(project.run, f"{module}:answer", [{"tool": "lookup", "response": number}])
            for number in range(8)
        ]
        outputs = [run.result().turns[0].output for run in runs]
    assert outputs == [[number, number] for number in range(8)]
    assert not project.real


@pytest.mark.parametrize("by_pool", [False, True])
def test_a_replay_does_not_wait_for_one_that_was_started_after_it(project: Folder, by_pool: bool) -> None:
    """Who starts replays belongs to none of them, also while only one runs."""
    import threading
    from concurrent.futures import ThreadPoolExecutor

    module = project.write(
        f"starters_{by_pool}",
        """
        import threading
        RUNNING, SECOND, OVER = (threading.Event() for _ in range(3))

        def first(question):
            RUNNING.set()
            assert SECOND.wait(10)
            return "first"

        def second(question):
            SECOND.set()
            assert OVER.wait(10)
            return "second"
        """,
    )
    events: Any = importlib.import_module(module)
    results: list[ReplayResult] = []

    def run(agent: str) -> None:
        results.append(project.run(f"{module}:{agent}"))
        events.OVER.set()

    with ThreadPoolExecutor(2) as pool:
        started = []
        for agent in ("first", "second"):
            if by_pool:
                started.append(pool.submit(run, agent).result)
            else:
                thread = threading.Thread(target=run, args=[agent])
                thread.start()
                started.append(thread.join)
            assert events.RUNNING.wait(10)
        for wait in started:
            wait()
    assert [(result.turns[0].output, result.outcome) for result in results] == [
        ("first", "passed"),
        ("second", "passed"),
    ]


def test_references_of_files_lead_into_the_project_only(project: Folder) -> None:
    """A file from elsewhere cannot have any function called."""
    with pytest.raises(ReplayError):
        project.run("os:system", origin="file")


def test_a_mistyped_tool_in_a_contract_is_said(project: Folder) -> None:
    """`tool_not_called` of a tool that nobody has never fails."""
    module = project.write("typo", "def lookup(k):\n    return 1\ndef answer(q):\n    return lookup(q)\n")
    case = project.case(f"{module}:answer", tool_responses=[{"tool": "lookup", "response": "R"}])
    invariants = [{"type": "tool_not_called", "tool": name} for name in ("lokup", "issue_refund", "loo*")]
    contract = {"invariants": [{**each, "id": f"i{n}"} for n, each in enumerate(invariants)]}
    document = parse_document(json.dumps({"contract": contract}), "x.replay.json")
    case.contract = ContractFinder(project.path).resolve(contract, case.path, document)
    notes = run_replay(case).notes
    assert notes == ["invariant i0 names the tool `lokup`, which is not known; did you mean `lookup`?"]


TOOL_OBJECTS = {
    "a class with the name": """
        class Search:
            name = "search"
            def run(self, key):
                return real(key)

        TOOLS = {"s": Search()}
        """,
    "an object with the name": """
        class Tool:
            def __init__(self, name):
                self.name = name
            def run(self, key):
                return real(key)

        TOOLS = {"s": Tool("search")}
        """,
    "a class in a class": """
        class Tools:
            class Inner:
                def search(self, key):
                    return real(key)
                run = search

        TOOLS = {"s": Tools.Inner()}
        """,
}


@pytest.mark.parametrize("kind", TOOL_OBJECTS)
def test_tool_objects_are_caught_by_their_name(project: Folder, kind: str) -> None:
    """Home-made classes of tools, as many agents have them."""
    module = project.write(
        "named", source(TOOL_OBJECTS[kind]) + "def answer(question):\n    return TOOLS['s'].run('k')\n"
    )
    result = project.run(f"{module}:answer", [{"tool": "search", "args": {"key": "k"}, "response": "R"}])
    assert (result.turns[0].output, project.real) == ("R", [])


def test_objects_of_one_tool_class_are_told_apart_by_their_name(project: Folder) -> None:
    """They share the code of their method."""
    module = project.write(
        "several",
        source(
            """
            class Tool:
                def __init__(self, name):
                    self.name = name
                def run(self, key):
                    return real(key)

            TOOLS = [Tool("read"), Tool("write"), Tool("other")]

            def answer(question):
                return [tool.run("k") for tool in TOOLS[:2]]
            """
        ),
    )
    result = project.run(f"{module}:answer", [{"tool": "write", "response": "W"}, {"tool": "read", "response": "R"}])
    assert (result.turns[0].output, project.real) == (["R", "W"], [])


# -- what else must not pass


def judged(project: Folder, agent: str, invariants: Sequence[Any], **file: Any) -> ReplayResult:
    """A run that these invariants judge."""
    case = project.case(agent, **file)
    contract = {"invariants": [{"id": f"i{n}", **each} for n, each in enumerate(invariants)]}
    document = parse_document(json.dumps({"contract": contract}), "x.replay.json")
    case.contract = ContractFinder(project.path).resolve(contract, case.path, document)
    return run_replay(case)


def test_a_glob_answers_functions_of_such_names(project: Folder) -> None:
    """Not `*` alone, which would be every helper of the agent: that nothing of it was served is said."""
    module = project.write(
        "globbed",
        source(
            """
            def refund_order(key):
                return real(key)

            def answer(question):
                try:
                    return refund_order("k")
                except Exception:
                    return "sorry"
            """
        ),
    )
    result = project.run(f"{module}:answer", [{"tool": "refund*", "status": 503, "response": ""}])
    assert (result.turns[0].output, project.real) == ("sorry", [])
    assert "`*`" in project.run(f"{module}:answer", [{"tool": "*", "status": 503}]).notes[0]


def test_the_agents_own_package_is_looked_through_wherever_it_lies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such as an editable install beside the folder of the tests."""
    for name in ("code", "tests"):
        (tmp_path / name).mkdir()
    monkeypatch.syspath_prepend(str(tmp_path / "code"))
    project, code = Folder(tmp_path / "tests"), Folder(tmp_path / "code")
    package = f"beside_{tmp_path.name.replace('-', '_')}"
    (code.path / package).mkdir()
    (code.path / package / "__init__.py").write_text("", "utf-8")
    (code.path / package / "tools.py").write_text(source("def refund(key):\n    return real(key)\n"), "utf-8")
    agent = f"from {package}.tools import refund\ndef answer(question):\n    return refund('k')\n"
    (code.path / package / "agent.py").write_text(agent, "utf-8")
    importlib.invalidate_caches()
    loaded = importlib.import_module(f"{package}.agent")
    try:
        result = project.run(loaded.answer, [{"tool": "refund", "response": "R"}])
        assert result.turns[0].output == "R"
        assert sys.modules[f"{package}.tools"].REAL == []
    finally:
        for name in [name for name in sys.modules if name.startswith(package)]:
            del sys.modules[name]


def test_a_refused_call_that_ends_the_agent_is_its_failure(project: Folder) -> None:
    """Under `unrecorded: error` nobody else speaks of it."""
    module = project.write("crashing", "def lookup(k):\n    return 1\ndef answer(q):\n    return lookup('other')\n")
    result = judged(
        project,
        f"{module}:answer",
        [{"type": "tool_not_called", "tool": "refund"}],
        tool_responses=[{"tool": "lookup", "args": {"k": "k"}, "response": 1}],
        matching={"unrecorded": "error"},
    )
    assert result.outcome == "failed"
    assert "the agent raised pytest_agent_replay.errors.UnrecordedCallError" in result.reasons[0]


def test_what_the_agent_changes_is_no_ground(project: Folder) -> None:
    """Neither for a figure, nor in the next run."""
    module = project.write(
        "mutating",
        """
        def answer(question, context):
            found = question.get("figure"), context.get("other")
            question["figure"] = context["other"] = 777
            return f"It is 777, {found}."
        """,
    )
    case = project.case(f"{module}:answer", input={"order": 1}, context={"a": 1}, overrides={})
    for _ in range(2):
        assert run_replay(case).turns[0].output == "It is 777, (None, None)."
    result = judged(project, f"{module}:answer", [{"type": "grounded_numbers"}], input={"order": 1}, context={"a": 1})
    assert result.outcome == "failed"


def test_contracts_know_the_arguments_that_a_signature_gives(project: Folder) -> None:
    """A call that leaves them out is a call with them."""
    module = project.write(
        "defaulted",
        """
        def refund(order="1", notify=True):
            raise RuntimeError("real")

        def answer(question):
            refund()
            return refund("1")
        """,
    )
    result = judged(
        project,
        f"{module}:answer",
        [
            {"type": "tool_not_called", "tool": "refund", "args": {"notify": True}},
            {"type": "no_repeated_calls", "tool": "refund"},
            {"type": "tool_called", "tool": "refund", "args": {"order": "1"}},
        ],
        tool_responses=[{"tool": "refund", "response": "R"}],
    )
    assert [invariant.outcome for invariant in result.invariants] == ["failed", "failed", "passed"]


def test_the_path_of_a_request_wins_over_its_body(project: Folder) -> None:
    """`PUT /users/18` is of user 18, whatever the body says."""
    pytest.importorskip("requests")
    module = project.write(
        "putting",
        """
        import requests

        def answer(question):
            return requests.put("https://api.example.com/users/18", json={"id": "17"}).text
        """,
    )
    result = project.run(
        f"{module}:answer",
        [
            {"tool": "user", "args": {"id": "17"}, "response": "of 17"},
            {"tool": "user", "args": {"id": "18"}, "response": "of 18"},
        ],
        tools={"user": "PUT https://api.example.com/users/{id}"},
    )
    assert result.turns[0].output == "of 18"


def test_a_recording_for_several_calls_is_unused_until_all_were_made(project: Folder) -> None:
    """`times: 3` counts as three recordings."""
    module = project.write("thrice", "def lookup(k):\n    return 1\ndef answer(q):\n    return lookup('k')\n")
    result = project.run(f"{module}:answer", [{"tool": "lookup", "response": 1, "times": 3}], golden=True)
    assert result.outcome == "failed"
    assert "never asked for" in result.reasons[0]


class Odd(BaseException):
    """Raised by an agent that does not know better."""


class Mute(Exception):
    """Has no text."""

    def __str__(self) -> str:
        raise RuntimeError("no text")


def raise_cancelled(question: str) -> str:
    import asyncio

    raise asyncio.CancelledError


async def raise_cancelled_too(question: str) -> str:
    import asyncio

    raise asyncio.CancelledError


def raise_odd(question: str) -> str:
    raise Odd


def raise_mute(question: str) -> str:
    raise Mute


@pytest.mark.parametrize("agent", [raise_cancelled, raise_cancelled_too, raise_odd, raise_mute])
def test_whatever_the_agent_raises_is_its_failure(project: Folder, agent: Any) -> None:
    """And the contract is judged all the same."""
    result = judged(project, agent, [{"type": "tool_not_called", "tool": "refund"}])
    assert result.outcome == "failed"
    assert result.reasons[0].startswith("the agent raised")
    assert [invariant.outcome for invariant in result.invariants] == ["passed"]


def test_a_cancelled_run_is_cancelled(project: Folder) -> None:
    """By whoever awaits it."""
    import asyncio

    async def agent(question: str) -> str:
        await asyncio.sleep(60)
        return "x"

    async def test() -> None:
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(run_replay_async(project.case(agent)), 0.05)  # type: ignore[arg-type]

    asyncio.run(test())


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/model/fraud-score/invoke", {"order": 5}),
        ("/surveys/5/responses", {"model": "m", "input": "good"}),
        ("/forms/completions", {"model": "m", "prompt": "x"}),
    ],
)
def test_what_only_looks_like_a_model_is_not_asked_for_real(project: Folder, path: str, body: Any) -> None:
    """On a host that is no provider's, and by no provider's SDK."""
    pytest.importorskip("requests")
    module = project.write(
        "lookalike",
        f"""
        import requests

        def answer(question):
            try:
                return requests.post("http://127.0.0.1:9{path}", json={body!r}).text
            except requests.ConnectionError as error:
                return "refused"
        """,
    )
    result = project.run(f"{module}:answer")
    assert result.outcome == "failed"
    assert result.unrecorded[0].tool == f"POST http://127.0.0.1:9{path}"


THREADS = """
    import threading
    from concurrent.futures import ThreadPoolExecutor

    def check(key):
        raise RuntimeError("real")

    def refund(key):
        raise RuntimeError("real")

    def one_executor_for_each_step(question):
        for tool in (refund, check):
            with ThreadPoolExecutor() as pool:
                list(pool.map(tool, ["k"]))
        return "done"

    def one_thread_after_the_other(question):
        for tool in (refund, check):
            thread = threading.Thread(target=tool, args=("k",))
            thread.start()
            thread.join()
        return "done"

    def side_by_side(question):
        threads = [threading.Thread(target=tool, args=("k",)) for tool in (refund, check)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return "done"
"""


@pytest.mark.parametrize(
    ("agent", "outcomes"),
    [
        ("one_executor_for_each_step", ["failed", "failed"]),
        ("one_thread_after_the_other", ["failed", "failed"]),
        ("side_by_side", ["passed", "passed"]),
    ],
)
def test_threads_that_were_waited_for_came_before(project: Folder, agent: str, outcomes: list[str]) -> None:
    """Only what really ran at the same time is in no order, and takes its time once."""
    module = project.write("threads", THREADS)
    result = judged(
        project,
        f"{module}:{agent}",
        [{"type": "trajectory", "tools": ["check", "refund"]}, {"type": "latency", "max_ms": 15000}],
        tool_responses=[{"tool": tool, "response": 1, "latency_ms": 9000} for tool in ("check", "refund")],
    )
    assert [invariant.outcome for invariant in result.invariants] == outcomes


def test_the_route_that_says_most_answers(project: Folder) -> None:
    """Whatever their order; one with `*` and without a host is a route as well."""
    pytest.importorskip("requests")
    module = project.write(
        "routed",
        """
        import requests

        def answer(question):
            get = lambda path: requests.get(f"https://api.example.com{path}").text
            return [get("/orders/8"), get("/orders/9"), get("/v1/quote/EUR")]
        """,
    )
    recordings = [
        {"tool": "GET https://api.example.com/orders/*", "response": "any"},
        {"tool": "GET https://api.example.com/orders/8", "response": "eight"},
        {"tool": "GET /v1/quote*", "response": "quote"},
    ]
    assert project.run(f"{module}:answer", recordings).turns[0].output == ["eight", "any", "quote"]
