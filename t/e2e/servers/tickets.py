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


if __name__ == "__main__":
    server.run(transport="streamable-http", host="127.0.0.1", port=int(sys.argv[1]))
