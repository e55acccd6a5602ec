# mypy: ignore-errors
"""Both agents, traced by OpenInference's own instrumentations into a Phoenix server: `URL PROJECT`.

The model is scripted, on loopback. The first turn's refund fails, and the model says that it worked.
"""

import json
import os
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

TURNS = ("I want a refund for order ORD-1001, my customer id is C-77.", "I still do not see the refund on my card.")
REFUND = {"order_id": "ORD-1001", "amount_cents": 4599}
SCRIPT = [
    ("", [("get_order", {"order_id": "ORD-1001"}), ("get_customer", {"customer_id": "C-77"})]),
    ("", [("issue_refund", REFUND)]),
    ("Good news, your refund of $45.99 has been issued.", []),
    ("", [("issue_refund", {**REFUND, "retry": True})]),
    ("I am sorry about that. The refund went through now, reference RF-9.", []),
]


class Model(BaseHTTPRequestHandler):
    """Says what the script has after so many answers."""

    def do_POST(self):
        request = json.loads(self.rfile.read(int(self.headers["content-length"])))
        said = sum(message["role"] == "assistant" for message in request["messages"])
        text, calls = SCRIPT[said]
        message = {"role": "assistant", "content": text or None}
        if calls:
            message["tool_calls"] = [
                {
                    "id": f"call_{said}_{n}",
                    "type": "function",
                    "function": {"name": name, "arguments": json.dumps(args)},
                }
                for n, (name, args) in enumerate(calls)
            ]
        choice = {"index": 0, "message": message, "finish_reason": "tool_calls" if calls else "stop"}
        usage = {"prompt_tokens": 100 + said, "completion_tokens": 20, "total_tokens": 120 + said}
        answer = {"id": f"chatcmpl-{said}", "object": "chat.completion", "created": 1795250000}
        body = json.dumps({**answer, "model": request["model"], "choices": [choice], "usage": usage}).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        """Silence."""


def main(url: str, project: str) -> None:
    """Runs the agents."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Model)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    os.environ |= {"OPENAI_BASE_URL": f"http://127.0.0.1:{server.server_port}/v1", "OPENAI_API_KEY": "none"}

    import graph
    import loop
    from openinference.instrumentation import using_session
    from openinference.instrumentation.langchain import LangChainInstrumentor
    from openinference.instrumentation.openai import OpenAIInstrumentor
    from phoenix.otel import register

    provider = register(
        endpoint=f"{url}/v1/traces", protocol="http/protobuf", project_name=project, batch=False, verbose=False,
        set_global_tracer_provider=False,
    )  # fmt: skip
    LangChainInstrumentor().instrument(tracer_provider=provider)
    for text in TURNS:
        graph.answer(text, "graph-1")
    LangChainInstrumentor().uninstrument()

    tracer = provider.get_tracer("loop")
    loop.FUNCTIONS.update({name: tracer.tool(function) for name, function in loop.FUNCTIONS.items()})
    OpenAIInstrumentor().instrument(tracer_provider=provider)
    with using_session("loop-1"):
        for text in TURNS:
            with tracer.start_as_current_span("refund_agent", openinference_span_kind="agent"):
                loop.answer(text, "loop-1")
    provider.force_flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
