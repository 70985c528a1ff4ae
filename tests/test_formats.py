"""Formats: cases as data, the official suite's optional files, and Python's parsers on random words."""

from __future__ import annotations

import datetime
import gzip
import ipaddress
import json
import re
import shutil
import subprocess
import uuid
import warnings
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import pydantic
import pytest
from conftest import SHARED

from qwen_struct.language import dates, punycode, u_labels
from qwen_struct.language.decide import is_empty, sample
from qwen_struct.language.formats import format_term, python_term
from qwen_struct.language.terms import accepts, derivative

DATA = Path(__file__).parent / "data" / "formats"
CASES = [json.loads(path.read_text()) for path in sorted(DATA.glob("*.json")) if path.name != "python_profile.json"]
PROFILE = json.loads((DATA / "python_profile.json").read_text())
SUITE = SHARED / "json-schema-test-suite"

# Groups of the official suite that are not wholly right, and why.
KNOWN_GAPS = {
    "optional.format.idn-hostname#1": "whether the Punycode of a long label fits into 63 characters is not regular",
}

PYTHON_TYPES: dict[str, Any] = {
    "date": datetime.date,
    "time": datetime.time,
    "date-time": datetime.datetime,
    "duration": datetime.timedelta,
    "email": pydantic.EmailStr,
    "name-email": pydantic.NameEmail,
    "uri": pydantic.AnyUrl,
    "ipv4": ipaddress.IPv4Address,
    "ipv6": ipaddress.IPv6Address,
    "ipv4network": ipaddress.IPv4Network,
    "ipv6network": ipaddress.IPv6Network,
    "ipv4interface": ipaddress.IPv4Interface,
    "ipv6interface": ipaddress.IPv6Interface,
    "ipvanyaddress": pydantic.IPvAnyAddress,
    "ipvanynetwork": pydantic.IPvAnyNetwork,
    "ipvanyinterface": pydantic.IPvAnyInterface,
    "base64": pydantic.Base64Bytes,
    "base64url": pydantic.Base64UrlBytes,
    "uuid": uuid.UUID,
    "uuid1": pydantic.UUID1,
    "uuid4": pydantic.UUID4,
    "uuid7": pydantic.UUID7,
    "regex": re.Pattern,
}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["format"])
def test_cases(case: dict[str, Any]) -> None:
    term = format_term(case["format"])
    assert term is not None
    assert [text for text in case["accept"] if not accepts(term, text)] == []
    assert [text for text in case["reject"] if accepts(term, text)] == []


@pytest.mark.parametrize("name", PROFILE)
def test_cases_of_the_python_profile(name: str) -> None:
    term = python_term(name)
    assert term is not None
    assert [text for text in PROFILE[name]["accept"] if not accepts(term, text)] == []
    assert [text for text in PROFILE[name]["reject"] if accepts(term, text)] == []


def test_unknown_names_are_annotations() -> None:
    assert format_term("shoe-size") is None and python_term("path") is None and format_term("ipv4network") is None


def test_the_calendar_is_that_of_python() -> None:
    term, day = dates.date(), datetime.date(1, 1, 1)
    rng = Random(4)
    years = {4, 100, 400, 1900, 1999, 2000, 2024, *(rng.randrange(1, 10_000) for _ in range(20))}
    for year in years:
        for month in range(14):
            for number in range(33):
                try:
                    day.replace(year, month, number)
                    exists = True
                except ValueError:
                    exists = False
                assert accepts(term, f"{year:04}-{month:02}-{number:02}") is exists


def test_leap_seconds_are_at_the_end_of_a_utc_day() -> None:
    term, rng = dates.time(), Random(5)
    for _ in range(2000):
        hour, minute, ahead = rng.randrange(24), rng.randrange(60), rng.randrange(1440)
        sign = rng.choice((1, -1))
        utc = (hour * 60 + minute - sign * ahead) % 1440
        text = f"{hour:02}:{minute:02}:60{'+' if sign > 0 else '-'}{ahead // 60:02}:{ahead % 60:02}"
        assert accepts(term, text) is (utc == 1439)
    for hour in range(24):  # every minute of some clock can be the last of a UTC day
        state = term
        for character in f"{hour:02}:{rng.randrange(60):02}:60":
            state = derivative(state, ord(character))
        assert not is_empty(state)


def _suite() -> Iterator[Any]:
    for draft in ("draft2020-12", "draft7"):
        path = SUITE / f"{draft}-format.jsonl.gz"
        if not path.exists():
            yield pytest.param(None, id=draft, marks=pytest.mark.skip(reason=f"the official suite is not at {path}"))
            continue
        with gzip.open(path) as lines:
            for line in lines:
                group = json.loads(line)
                yield pytest.param(group, id=group["id"])


@pytest.mark.parametrize("group", list(_suite()))
def test_official_suite(group: dict[str, Any]) -> None:
    term = format_term(group["schema"]["format"])
    wrong = []
    for test in group["tests"]:
        if isinstance(test["data"], str) and (term is None or accepts(term, test["data"])) != test["valid"]:
            wrong.append((test["data"], test["valid"]))
    reason = KNOWN_GAPS.get(group["id"].split(".", 1)[1])
    assert bool(wrong) is (reason is not None), wrong
    assert all(valid for _, valid in wrong), "a gap may leave words out; it may not let any in"


@pytest.mark.parametrize("name", PYTHON_TYPES)
def test_pydantic_takes_every_word(name: str) -> None:
    term, standard, rng = python_term(name), format_term(name), Random(6)
    assert term is not None
    adapter = pydantic.TypeAdapter(PYTHON_TYPES[name])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # re warns of what looks like set operations to come
        for _ in range(200):
            word = sample(term, rng, rng.choice([0.02, 0.1, 0.4]))
            adapter.validate_json(json.dumps(word))
            assert standard is None or accepts(standard, word)


@pytest.mark.skipif(shutil.which("node") is None, reason="Node.js is not installed")
def test_node_takes_every_pattern_of_the_regex_format() -> None:
    term, rng = format_term("regex"), Random(8)
    assert term is not None
    patterns = [sample(term, rng, rng.choice([0.02, 0.1, 0.3])) for _ in range(150)]
    script = """
      const patterns = JSON.parse(require('fs').readFileSync(0));
      const fails = p => { try { new RegExp(p, 'u'); return false } catch { return true } };
      console.log(JSON.stringify(patterns.filter(fails)));
    """
    done = subprocess.run(
        ["node", "-e", script], input=json.dumps(patterns), capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout) == []


def test_idna_takes_the_labels_offered() -> None:
    idna = pytest.importorskip("idna")
    rng = Random(9)
    for _ in range(5):
        word = sample(punycode.a_label(), rng, 0.9)
        assert idna.encode(idna.decode(word)).decode() == word


def test_punycode_has_labels_of_every_length() -> None:
    """The attributes of the first state say so; they spare a search for each state of a host name."""
    start = punycode.a_label()
    assert start.contiguous and (start.min_len, start.max_len) == (7, 63)
    labels = ["\xfc", "\xfc\xfc"] + [a for n in range(1, 60) for x in "\xfc\u4e2d" for a in (n * "a" + x, x + n * "a")]
    words = {len(word): word for label in labels if len(word := label.encode("punycode").decode()) < 60}
    assert sorted(words) == list(range(3, 60))
    assert all(punycode.is_punycode(word, None) for word in words.values())


def test_any_letters_may_follow_a_start_of_punycode_while_there_is_room() -> None:
    rng = Random(10)
    for _ in range(300):
        term: Any = punycode.Punycode("", rng.choice([None, False, True]))
        while (run := term.free_run()) is not None:
            text = "".join(rng.choices("abz019-", weights=[1, 1, 1, 1, 1, 1, 4], k=rng.randint(1, run.longest)))
            for character in text:
                term = derivative(term, ord(character))
                assert term.inhabited, text
        assert not is_empty(term)


def test_labels_are_those_of_idna() -> None:
    idna = pytest.importorskip("idna")
    term, rng = format_term("idn-hostname"), Random(11)
    assert term is not None
    sets = [characters for _, characters in u_labels.kinds()]
    special = "l\xb7\u0375\u03b1\u05d0\u05f3\u30fb\u30a2\u4e00\u0660\u06f0\u0628\u094d\u200d\u200c\u0301\u0327a0-"
    for _ in range(20_000):
        ranges = [rng.choice(rng.choice(sets).ranges) for _ in range(2)]
        drawn = [chr(rng.randint(low, high)) for low, high in ranges]
        label = "".join(rng.sample([*drawn, *rng.choices(special, k=3)], rng.randint(1, 5))).lower()
        try:
            idna.check_label(label)
            valid = True
        except UnicodeError:
            valid = False
        if not label.isascii():
            assert accepts(term, label) is valid, ascii(label)
