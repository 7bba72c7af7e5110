"""Real clients through the gateway, each in every era it speaks: the official SDKs (TypeScript 1 and 2, Python), FastMCP, and
the MCP Inspector's command line. What each can do is the table of docs/conformance.md, which this file holds to."""
import json
import os
import subprocess
from pathlib import Path

import pytest

from plugins import policy
from plugins.fixture import Fixture, node
from plugins.site import Site
from plugins.tour import DECLARED, GRANTED, LOCATION, PROMPTS, READ, SPOKEN, command, inspector
from plugins.wait import eventually

AGENT = "tourist"
ERAS = {"v1": ["legacy"], "v2": ["legacy", "auto", "2026-07-28"], "mcp": ["legacy", "auto", "2026-07-28"],
        "fastmcp": ["legacy", "auto", "2026-07-28"]}


@pytest.fixture(scope="module")
def server():
    made = Fixture().start()
    yield made
    made.stop()


@pytest.fixture(scope="module")
def place(server, tmp_path_factory):
    site = Site(tmp_path_factory.mktemp("clients"), backend=server, tools=DECLARED, mcp=LOCATION)
    tenant = policy.tenant(site.policy)
    tenant["agents"][f"company|{AGENT}"] = {"tier": "unbounded"}
    tenant["tiers"]["unbounded"] = {}
    for to in (f"agent:company|{AGENT}", "group:company|support"):
        for number, operation in enumerate(GRANTED):
            policy.grant(site.policy, to, f"tickets/{operation}", id=f"c{number}{to[0]}")
    site.write_policy(site.policy)
    site.start()
    yield site
    site.close()


def tour(client, era, site, **claims):
    done = subprocess.run([*command(client), "--url", site.resource, "--token", site.token(agent=AGENT, **claims), "--era", era],
                          capture_output=True, text=True, timeout=180)
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def refused(step, *words):
    assert isinstance(step, dict) and "error" in step, step
    assert any(word in step["error"] for word in words), step


@pytest.mark.timeout(400)   # where packages have to be installed first
@pytest.mark.parametrize("client,era", [(client, era) for client, eras in ERAS.items() for era in eras])
def test_a_tour(place, client, era):
    told = tour(client, era, place, scope="tickets:read")
    assert told["version"] == SPOKEN[era]
    assert told["tools"] == [*READ, "greet"]
    assert told["prompts"] == list(PROMPTS)
    assert told["resources"] == ["test://static-text"]
    assert told["call"] == "This is a simple text response for testing."
    assert told["resource"] == "This is the content of the static text resource."
    assert told["prompt"] == "This is a simple prompt for testing."
    assert told["complete"] == ["paris", "park", "party"]
    assert told["progress"] == [0, 50, 100], "progress comes while the call runs"
    assert told["mirrored"] == "region ä", "the client mirrors the argument in a header of its own"
    # The server asks, the client answers: a request on the stream in the old era, a call made again in the new one.
    assert told["elicited"].startswith("User response: action=accept") and "mira@company.example" in told["elicited"]
    assert told["sampled"] == "LLM response: Paris"
    assert told["rooted"].startswith("file:///home/mira")
    # What isn't granted is what doesn't exist.
    refused(told["hidden"], "Unknown tool: test_error_handling")
    refused(told["hidden_prompt"], "prompt")
    refused(told["hidden_resource"], "not found", "Not found")
    # A client with a fixed token can't step up; it tells its user what the gateway said, or at least that it was refused.
    refused(told["step_up"], "insufficient_scope", "403", "scope", "Forbidden")


@pytest.mark.timeout(400)
@pytest.mark.parametrize("client,era", [("v1", "legacy"), ("v2", "2026-07-28"), ("mcp", "auto"), ("fastmcp", "2026-07-28")])
def test_with_the_scope_the_same_call_is_answered(place, client, era):
    assert tour(client, era, place, scope="tickets:read tickets:write")["step_up"] == "Hello, Mira!"


# --- the Inspector's command line ---------------------------------------------------------------------------------------


def inspect(site, era, method, *arguments, **claims):
    """(exit status, its JSON or None, what it printed)."""
    done = subprocess.run(
        [node(), inspector(), "--cli", site.resource, "--transport", "http", "--protocol-era", era, "--method", method,
         "--header", f"Authorization: Bearer {site.token(agent=AGENT, **claims)}", "--stored-auth-only", "--format", "json",
         *arguments],
        capture_output=True, text=True, timeout=120, stdin=subprocess.DEVNULL,
        env=os.environ | {"HOME": str(site.prefix), "PATH": f"{Path(node()).parent}:{os.environ['PATH']}"})
    printed = done.stdout + done.stderr
    try:
        return done.returncode, json.loads(done.stdout.splitlines()[0]), printed
    except (IndexError, ValueError):
        return done.returncode, None, printed


@pytest.mark.timeout(400)
@pytest.mark.parametrize("era", ["legacy", "modern", "auto"])
def test_the_inspector(place, era):
    def result(method, *arguments, **claims):
        status, found, printed = inspect(place, era, method, *arguments, **claims)
        assert status == 0, printed
        return found["result"]

    assert [tool["name"] for tool in result("tools/list")["tools"]] == [*READ, "greet"]
    assert [prompt["name"] for prompt in result("prompts/list")["prompts"]] == list(PROMPTS)
    assert [resource["uri"] for resource in result("resources/list")["resources"]] == ["test://static-text"]
    called = result("tools/call", "--tool-name", "test_headers", "--tool-arg", "region=west")
    assert called["content"][0]["text"] == "region west"
    assert "static text" in result("resources/read", "--uri", "test://static-text")["contents"][0]["text"]
    assert "simple prompt" in result("prompts/get", "--prompt-name", "test_simple_prompt")["messages"][0]["content"]["text"]
    status, _, printed = inspect(place, era, "tools/call", "--tool-name", "test_error_handling")
    assert status != 0 and ("tool_not_found" in printed or "Unknown tool" in printed), printed
    step_up = ("tools/call", "--tool-name", "greet", "--tool-arg", "name=Mira")
    status, _, printed = inspect(place, era, *step_up, scope="tickets:read")
    assert status != 0 and 'Insufficient scope: required \\"tickets:read tickets:write\\"' in printed, printed
    assert "Hello, Mira!" in json.dumps(result(*step_up, scope="tickets:read tickets:write"))


def test_every_answer_of_a_client_is_audited(place):
    """A client's answer to what the server asked of it (legacy) is a message of its own, judged and recorded."""
    tour("v2", "legacy", place, scope="tickets:read")
    answers = eventually(lambda: [e for e in place.nginx.audit() if e["type"] == "mcp.response"])
    assert all(e["decision"] == "allow" and e["user"]["id"] == "company|mira" for e in answers)
