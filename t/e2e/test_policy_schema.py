"""docs/policy.schema.json says what the reader says: every example is valid, and what one refuses by its form the other does."""
import copy
import itertools
import json
import os
import re
import subprocess
from concurrent.futures import ThreadPoolExecutor

import jsonschema
import pytest

from plugins import policy
from plugins.agwctl import BINARY
from plugins.nginx import ASAN, ROOT

pytestmark = pytest.mark.skipif(not os.path.exists(BINARY), reason="agwctl is not built: make build")
SCHEMA = json.loads((ROOT / "docs/policy.schema.json").read_text())
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)
# What a schema can't say: references, and what may not stand twice.
BEYOND = re.compile(r"which is not defined|stands twice|which the bundle has already|comes back to itself|names \"\w+\" twice|"
                    r"at character \d+|unknown time zone|begins and ends at")

# Every member that there is.
WHOLE = {"$schema": "policy.schema.json", "schema": 1, "tenants": {"default": {
    "status": "active", "not_before": "2026-01-01T00:00:00Z",
    "agents": {"company|docs": {"status": "quarantined", "name": "Docs", "owner": "ops", "tier": "developer",
                                "bundles": ["support"], "not_before": "2026-01-01T00:00:00.5+01:00"}},
    "users": {"company|mira%20x": {"status": "disabled", "name": "Mira", "groups": ["store|oncall"],
                                   "not_before": "2026-01-01T00:00:00Z"}},
    "tiers": {"*": "visitor", "map": [{"provider": "p", "model": "m", "tier": "developer"}, {"model": "m", "tier": "visitor"}],
              "visitor": {"status": "active", "ceiling": ["tickets/*", "a/b"], "bundles": ["support"],
                          "not_before": "2026-01-01T00:00:00Z"}, "developer": {}},
    "limits": ["tenant 1000000r/d warn=80,100", "agent+tool 10r/s burst=20 queue=5s name=even", "user 8c"],
    "bundles": {"company": {"limits": ["backend 5r/m window"]}, "support": {"version": 3, "parent": "company", "when": "auth_age < 1h",
        "members": ["group:company|support", "group:store|oncall"], "limits": ["agent 5mb/h"], "grants": [
        {"id": "b1", "operation": "tickets/*", "effect": "allow", "resource": "ticket:*", "for": ["user:company|mira"],
         "when": "<amount> <= 100", "since": "2026-01-01T00:00:00Z", "until": "2027-01-01T00:00:00Z", "by": "ada", "reason": "r",
         "ticket": "T"}]}},
    "grants": [{"id": "g1", "to": "agent:company|docs", "operation": "*", "for": ["group:store|oncall"]},
               {"id": "g2", "to": "tier:developer", "operation": "a/b", "effect": "deny"},
               {"id": "g3", "to": "bundle:support", "operation": "a/b"}],
    "entitlements": [{"id": "e1", "to": "group:company|support", "operation": "a/b", "resource": "x:*", "by": "ada"},
                     {"id": "e1", "to": "user:company|mira", "operation": "a.*"}],
    "delegations": [{"user": "company|mira", "agent": "company|docs", "status": "disconnected",
                     "since": "2026-01-01T00:00:00Z"}],
    "breakers": {"company|docs": {"state": "open", "since": "2026-01-01T00:00:00Z", "until": "2027-01-01T00:00:00Z"}},
    "operations": {"tickets/ticket.delete": {"owner": "ops", "class": "secret", "frozen": True,
                                             "windows": ["Mon-Fri 09:00-17:00 Europe/Berlin", "22:00-24:00 UTC"]}},
}}}

# In place of any value.
VALUES = [None, True, 0, 1, -1, 1.5, "", "x", "a b", "*", "a*", "a/*", "a/*/b", "c|a", "c|", "|a", "C|%41", "c|%2F", "c|%2f", "store|x",
          "user:c|a", "group:c|a", "agent:c|a", "tier:developer", "tier:a b", "tier:", "user:c", "agent:c|a|b",
          "agent 5r/h", "agent 5r/x", "agent 0r/h", "agent  5r/h", "agent+user 5u/d", "agent+ 5r/h", "me 5r/h", "agent 9c",
          "agent 9c burst=2", "agent 5r/m burst=3 queue=200ms", "agent 5r/d burst=3", "agent 5r/m warn=80",
          "agent 5r/d warn=80,90", "agent 5r/m window warn=80", "agent 5r/m name=", "agent 5r/m name=a b", "group:c|a b", "group:store|x",
          "2026-01-01T00:00:00Z", "2026-13-01T00:00:00Z", "2026-01-01", "2026-01-01T24:00:00Z", "2026-01-01t00:00:60z",
          "2026-01-01T00:00:00", "2026-01-01T00:00:00.1234567890Z", "active", "deny",
          "Mon 22:00-06:00 UTC", "09:00-25:00 UTC", "09:00-09:00 UTC", "true", [], ["x"], ["c|a"], [7], {}, {"x": 1}]
KEYS = ["x", "", "a b", "a/b", "a//b", "c|a", "c|%41", "c|a b", "*", "map", "status", "ä"]


def reader_says(text, folder, name):
    path = folder / f"{name}.json"
    path.write_text(text)
    done = subprocess.run([BINARY, "check", path], capture_output=True, text=True, timeout=60)
    assert done.returncode in (0, 1), done.stderr
    return None if done.returncode == 0 else done.stderr.strip()


def places(node, path=()):
    yield path
    items = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, value in items:
        yield from places(value, path + (key,))


def changed(path, change):
    document = copy.deepcopy(WHOLE)
    if not path:
        return change(document)
    parent = document
    for key in path[:-1]:
        parent = parent[key]
    value = change(parent[path[-1]])
    if value is REMOVED:
        del parent[path[-1]]
    else:
        parent[path[-1]] = value
    return document


REMOVED = object()
PARTS = 12
SHARE = 10 if ASAN else 1  # each document is a process, slow to start with sanitizers


def mutations():
    for path in places(WHOLE):
        for value in VALUES:
            yield f"{path} = {value!r}", changed(path, lambda _, v=value: copy.deepcopy(v))
        if path:
            yield f"{path} removed", changed(path, lambda _: REMOVED)
        node = WHOLE
        for key in path:
            node = node[key]
        if isinstance(node, dict):
            for key in KEYS:
                for value in ({}, "x"):
                    yield f"{path} + {key!r}: {value!r}", changed(path, lambda n, k=key, v=value: n | {k: copy.deepcopy(v)})


def documents():
    yield "whole", WHOLE
    for path in ("conf/examples/policy.json", "demo/policy.json", "t/fuzz/corpus/policy_file_fuzz/whole.json",
                 "t/fuzz/corpus/policy_file_fuzz/base.json", "t/fuzz/corpus/policy_file_fuzz/example.json"):
        yield path, json.loads((ROOT / path).read_text())
    yield "the stories' policy", policy.base()
    for page in sorted([*(ROOT / "docs").glob("*.md"), ROOT / "README.md"]):
        for number, block in enumerate(re.findall(r"```json\n(.*?)```", page.read_text(), re.S)):
            if '"tenants"' in block:
                yield f"{page.name} {number}", json.loads(block)


def test_the_schema_is_one():
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("name,document", list(documents()), ids=lambda value: value if isinstance(value, str) else "")
def test_every_example_is_valid(name, document, tmp_path):
    assert not list(VALIDATOR.iter_errors(document))
    assert reader_says(json.dumps(document), tmp_path, "example") is None


@pytest.mark.parametrize("part", range(PARTS))
def test_schema_and_reader_refuse_the_same(tmp_path, part):
    cases = list(itertools.islice(mutations(), part, None, PARTS * SHARE))
    assert len(cases) > 300 // SHARE

    def judge(numbered):
        number, (name, document) = numbered
        said = reader_says(json.dumps(document), tmp_path, str(number))
        valid = VALIDATOR.is_valid(document)
        if valid == (said is None) or (valid and said and BEYOND.search(said)):
            return None
        return f"{name}: the schema {'takes' if valid else 'refuses'} it, the reader says {said or 'good'}"

    with ThreadPoolExecutor(4) as pool:
        wrong = [each for each in pool.map(judge, enumerate(cases)) if each]
    assert not wrong, f"{len(wrong)} of {len(cases)}:\n" + "\n".join(wrong[:60])
