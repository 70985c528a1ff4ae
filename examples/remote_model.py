"""A model behind an OpenAI-compatible server, such as vLLM's. Needs the client library: qwen-struct[openai].

What a server writes is checked, not constrained here: an answer that does not fit is asked for again, with the faults
named. The server below stands in for a real one; it forgets the total the first time.

$ python examples/remote_model.py
asked: Document:
asked: - #: 'total' is a required property
Bill(customer='Ada Lovelace', total=12.5)
"""

import json
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

from pydantic import BaseModel

from qwen_struct import OpenAIModel, extract


class Bill(BaseModel):
    customer: str
    total: float


class Server(BaseHTTPRequestHandler):
    answers = ['{"customer": "Ada Lovelace"}', '{"customer": "Ada Lovelace", "total": 12.5}']

    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        print("asked:", asked["messages"][-1]["content"].splitlines()[-2])
        message = {"role": "assistant", "content": self.answers.pop(0)}
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps({"choices": [{"message": message, "finish_reason": "stop"}]}).encode())

    def log_message(self, *_):
        pass


server = HTTPServer(("127.0.0.1", 0), Server)
Thread(target=server.serve_forever, daemon=True).start()

model = OpenAIModel(base_url=f"http://127.0.0.1:{server.server_port}/v1", model="Qwen/Qwen2.5-7B-Instruct")
print(repr(extract("Ada Lovelace owes us 12.50.", Bill, model=model)))
