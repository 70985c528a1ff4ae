"""A request in plain words, turned into the typed body of an API call.

$ python examples/api_payload.py
POST /tickets
{
  "title": "VPN drops every hour",
  "priority": "high",
  "requester": {
    "name": "Ines Calloway",
    "email": "ines.calloway@example.com"
  },
  "due_date": "2024-11-08",
  "assignee": null,
  "labels": [
    "network",
    "vpn",
    "remote"
  ],
  "notify": true
}
priority is <Priority.HIGH: 'high'>, due on a Friday
"""

import json
from pathlib import Path

from qwen_struct import extract

SCHEMAS = Path(__file__).parent.parent / "schemas"

mail = (SCHEMAS / "api_payload.txt").read_text(encoding="utf-8")
ticket = extract(mail, f"{SCHEMAS}/api_payload.py:CreateTicket")

print("POST /tickets")
print(json.dumps(ticket.model_dump(mode="json"), indent=2))
print(f"priority is {ticket.priority!r}, due on a {ticket.due_date:%A}")
