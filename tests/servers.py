"""Chat servers on loopback: one that says what a test tells it, one that honours a JSON Schema, transformers' own."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Response:
    """What a server answers: a status, headers, a body, after a delay in seconds."""

    body: str
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    delay: float = 0.0


def said(content: str | None, finish_reason: str = "stop", **message: Any) -> Response:
    """A chat completion that says ``content``."""
    choice = {
        "index": 0,
        "message": {"role": "assistant", "content": content, **message},
        "finish_reason": finish_reason,
    }
    usage = {"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110}
    return Response(json.dumps({"id": "x", "object": "chat.completion", "choices": [choice], "usage": usage}))


@dataclass
class Asked:
    """One request that came in; the names of headers in lower case."""

    path: str
    headers: dict[str, str]
    body: dict[str, Any]
    time: float


@contextmanager
def serving(answer: Callable[[dict[str, Any]], Response]) -> Iterator[tuple[str, list[Asked]]]:
    """A server whose responses ``answer`` makes from request bodies; its base URL, and the requests as they come."""
    asked: list[Asked] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            asked.append(
                Asked(self.path, {name.lower(): value for name, value in self.headers.items()}, body, time.monotonic())
            )
            response = answer(body)
            time.sleep(response.delay)
            content = response.body.encode()
            try:
                self.send_response(response.status)
                for name, value in {"Content-Type": "application/json", **response.headers}.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)
            except OSError:
                pass  # the client has hung up

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1", asked
    finally:
        server.shutdown()
        server.server_close()


def in_turn(*responses: Response) -> Callable[[dict[str, Any]], Response]:
    """The responses one after the other, the last of them for ever."""
    left = list(responses)
    return lambda body: left.pop(0) if len(left) > 1 else left[0]


def honouring(model: Any, tokenizer: Any) -> Callable[[dict[str, Any]], Response]:
    """Answers by a model of transformers that keep to the JSON Schema of the request's response format."""
    import torch

    from qwen_struct.decode.chat import encode_chat
    from qwen_struct.integrations.transformers import SchemaLogitsProcessor

    def answer(body: dict[str, Any]) -> Response:
        prompt = torch.tensor([encode_chat(tokenizer, body["messages"])])
        schema = body["response_format"]["json_schema"]["schema"]
        processor = SchemaLogitsProcessor(schema, tokenizer, model)
        limit = body.get("max_tokens", 500)
        output = model.generate(prompt, logits_processor=[processor], max_new_tokens=limit, do_sample=False)
        answered = output[0, prompt.shape[1] :]
        ended = answered[-1].item() in processor.vocabulary.eos_token_ids
        return said(tokenizer.decode(answered, skip_special_tokens=True), "stop" if ended else "length")

    return answer


@contextmanager
def transformers_serve(checkpoint: Path, log: Path) -> Iterator[str]:
    """``transformers serve``, as a process of its own; its base URL once it is healthy."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "transformers.cli.transformers", "serve", str(checkpoint)]
    command += ["--device", "cpu", "--port", str(port)]
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    with log.open("w") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, env=environment)
        try:
            _wait_until_healthy(f"http://127.0.0.1:{port}/health", process)
            yield f"http://127.0.0.1:{port}/v1"
        finally:
            process.terminate()
            process.wait(timeout=30)


def _wait_until_healthy(url: str, process: subprocess.Popen[bytes], seconds: float = 120.0) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if process.poll() is not None:
            raise RuntimeError(f"the server ended with status {process.returncode}")
        try:
            with urllib.request.urlopen(url, timeout=2):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
    raise TimeoutError(f"{url} was not healthy within {seconds:g} s")
