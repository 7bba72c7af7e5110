"""Does the decision's time stay flat? CPU time of a call with many grants, tools or locations beside one with few."""
import copy
import itertools

import many
from drive import against_neighbours, quartiles
from matrix import Case, Lane, alternate
from stage import GROUP, POLICY, SCOPE, TOOL


FIRST_DATABASE = 2  # of Redis; before it: what the rows read, and memory.py's


def with_grants(count):
    """Half of them are the agent's own, half what users of the caller's group may do; one of each is for this call."""
    policy = copy.deepcopy(POLICY)
    tenant = policy["tenants"]["default"]
    half = count // 2
    tenant["bundles"]["support"]["grants"] = [
        {"id": f"b{i}", "operation": f"tickets/ticket.op{i}", "resource": f"ticket:T-{i}"} for i in range(1, half)
    ] + [{"id": "b0", "operation": "tickets/ticket.read", "resource": "ticket:*"}]
    tenant["entitlements"] = [
        {"id": f"e{i}", "to": f"group:company|{GROUP}", "operation": f"tickets/ticket.op{i}", "resource": f"ticket:T-{i}"}
        for i in range(1, half)
    ] + [{"id": "e0", "to": f"group:company|{GROUP}", "operation": "tickets/ticket.read", "resource": "ticket:*"}]
    return {"policy": policy}


def with_one_operation(count):
    """All grants name the operation that is called, each another resource: the agent's and the group's, half and half."""
    pieces = with_grants(count)
    tenant = pieces["policy"]["tenants"]["default"]
    for grant in tenant["bundles"]["support"]["grants"] + tenant["entitlements"]:
        grant["operation"] = "tickets/ticket.read"
        if grant["resource"] == "ticket:*":
            grant["resource"] = "ticket:T-391"
    return pieces


def with_tools(count):
    more = [f"agent_tool other.{i} {{ scope {SCOPE}; resource ticket:<id>; }}" for i in range(count - 1)]
    return {"tools": "\n".join([*more, TOOL])}


def with_locations(count):
    def one(i):
        return (f"location /mcp{i}/ {{ agent_gateway mcp tickets; agent_trust company; agent_challenge_scope {SCOPE}; "
                f"agent_protected_resource http://127.0.0.1:1/mcp{i}/; agent_forward none; {TOOL} "
                "proxy_pass http://backend; }")

    return {"locations": "\n".join(map(one, range(count - 1)))}


def in_redis(bench, count, database):
    """`count` grants of many agents; the caller has the ones that it always has."""
    url = bench.store(database, POLICY)
    many.add_agents(url, (f"a{i}" for i in range(count // many.GRANTS_EACH)), "tickets/ticket.read")
    return {"redis": url}


KINDS = {"grants": with_grants, "grants of one operation": with_one_operation, "grants in Redis": None, "tools": with_tools,
         "locations": with_locations}


def measure(bench, chosen, rows, tell):
    """Adds rows {kind, size, cpu_us, of_smallest, of_smallest_low, of_smallest_high}: 1 is flat, less is faster."""
    databases = itertools.count(FIRST_DATABASE)
    for kind, pieces in KINDS.items():
        name = "decision" if pieces else "copy"
        smallest, *larger = (chosen.grants_in_redis if not pieces else chosen.grants if kind.startswith("grants")
                             else chosen.routes)

        def made(size):
            given = pieces(size) if pieces else in_redis(bench, size, next(databases))
            return bench.gateway(name, label=f"{kind.replace(' ', '-')}-{size}", **given)

        case = Case(name)
        few = made(smallest)
        with Lane(bench, few, "/mcp", case) as few_lane:
            for size in larger:
                more = made(size)
                with Lane(bench, more, "/mcp", case) as many_lane:
                    base, row = alternate(few_lane, many_lane, chosen.pairs, chosen.seconds)
                more.stop()
                if len(rows) == 0 or rows[-1]["kind"] != kind:
                    rows.append({"kind": kind, "size": smallest, "of_smallest": 1.0, "of_smallest_low": 1.0,
                                 "of_smallest_high": 1.0, "cpu_us": round(quartiles([s.cpu_us for s in base])[1], 2)})
                    tell(rows[-1])
                low, middle, high = quartiles(against_neighbours(base, row, "cpu_us"))
                rows.append({"kind": kind, "size": size, "of_smallest": round(middle, 3), "of_smallest_low": round(low, 3),
                             "of_smallest_high": round(high, 3),
                             "cpu_us": round(quartiles([s.cpu_us for s in row])[1], 2)})
                tell(rows[-1])
        few.stop()
