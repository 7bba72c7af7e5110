"""What real clients are shown on their tour (t/e2e/clients), and how they are started."""
import sys

from .fixture import app, node, packages
from .nginx import ROOT

sys.path.insert(0, str(ROOT / "t/suite"))
import work  # noqa: E402

# In the order in which the server lists them.
READ = ("test_simple_text", "test_tool_with_progress", "test_sampling", "test_elicitation", "test_headers",
        "test_input_required_result_list_roots")
PROMPTS = ("test_simple_prompt", "test_prompt_with_arguments")
DECLARED = "\n            ".join([
    *(f"agent_tool {name} {{ scope tickets:read; }}" for name in (*READ, "test_error_handling")),
    "agent_tool greet { scope tickets:write; }",
    *(f"agent_prompt {name} {{ scope tickets:read; }}" for name in (*PROMPTS, "test_prompt_with_image")),
    "agent_mcp_resource test://static-text { operation text; scope tickets:read; }",
    "agent_mcp_resource test://static-binary { operation binary; scope tickets:read; }",
])
# What the agent may do; test_error_handling, test_prompt_with_image and test://static-binary exist and aren't among it.
GRANTED = [*READ, "greet", *(f"prompts/{name}" for name in PROMPTS), "resources/text"]
LOCATION = """proxy_set_header Host 127.0.0.1:@BACKEND@;
            proxy_set_header Connection "";"""

SPOKEN = {"legacy": "2025-11-25", "auto": "2026-07-28", "2026-07-28": "2026-07-28"}


def node_clients():
    return app("t/e2e/clients", "demo")


def command(client):
    if client in ("v1", "v2"):
        return [node(), f"{node_clients()}/tour-{client}.mjs"]
    python = sys.executable if client == "mcp" else str(work.python("t/bench/peers/locks/fastmcp.txt", "peers-fastmcp"))
    return [python, str(ROOT / "t/e2e/clients/tour.py"), client]


def inspector():
    return str(packages(node_clients()) / "@modelcontextprotocol/inspector/clients/launcher/build/index.js")
