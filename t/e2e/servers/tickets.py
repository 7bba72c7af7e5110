"""A tickets MCP server on the official SDK, in both eras: python tickets.py PORT."""
import sys

import anyio
from mcp.server import MCPServer
from mcp.server.mcpserver import Context

server = MCPServer("tickets")


@server.tool(name="ticket.read")
async def read(id: str, ctx: Context) -> str:
    for step in range(3):
        await ctx.report_progress(step, 3)
        await anyio.sleep(0.01)
    return f"ticket {id}"


@server.tool(name="ticket.list")
async def list_tickets() -> str:
    return "T-1 T-2"


@server.tool(name="delete_ticket")
async def delete(ticketId: str) -> str:
    return f"deleted {ticketId}"


# Two that list tools, as "search tools" do: the SDK gives each element a text of its own.
@server.tool()
async def search_tools(query: str) -> list[dict]:
    return [{"name": name, "description": f'what "{name}" does'} for name in ("ticket.read", "admin.reset", "ticket.list")]


@server.tool()
async def search_names(query: str) -> list[str]:
    return ["admin.reset", "ticket.read"]


if __name__ == "__main__":
    server.run(transport="streamable-http", host="127.0.0.1", port=int(sys.argv[1]))
