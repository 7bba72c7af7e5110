"""The policy that the stories start from; each takes a copy and changes what it is about."""
import copy

TENANT = "default"

_BASE = {"schema": 1, "tenants": {TENANT: {
    "agents": {
        "company|docs-assistant": {"name": "Docs assistant", "owner": "platform@company.example",
                                   "tier": "developer", "bundles": ["support"]},
        "company|narrow-agent": {"name": "Narrow agent"},
        "company|bare-agent": {"name": "Bare agent"},
        "company|low-agent": {"name": "Low agent", "tier": "visitor", "bundles": ["support"]},
        "company|disabled-agent": {"status": "disabled", "bundles": ["support"]},
        "company|quarantined-agent": {"status": "quarantined", "bundles": ["support"]},
    },
    "tiers": {
        "*": "visitor",
        "map": [{"provider": "claude-code", "tier": "developer"},
                {"provider": "claude-code", "model": "old-model", "tier": "stopped"}],
        "visitor": {"ceiling": ["tickets/ticket.read"], "bundles": ["reader"]},
        "developer": {"bundles": ["support"]},
        "stopped": {"status": "disabled", "bundles": ["support"]},
    },
    "bundles": {
        "support": {"version": 3, "grants": [{"id": "b1", "operation": "tickets/*", "resource": "ticket:*"},
                                             {"id": "b2", "operation": "tickets/ticket.list"}]},
        "reader": {"version": 1, "grants": [{"id": "r1", "operation": "tickets/ticket.read", "resource": "ticket:*"}]},
    },
    "grants": [{"id": "g1", "to": "agent:company|narrow-agent", "operation": "tickets/ticket.read",
                "resource": "ticket:T-1", "by": "company|ada", "reason": "pilot", "ticket": "SEC-12"}],
    "entitlements": [{"id": "e1", "to": "group:company|support", "operation": "tickets/*", "resource": "ticket:*"},
                     {"id": "e2", "to": "group:company|support", "operation": "tickets/ticket.list"},
                     {"id": "e3", "to": "user:company|omar", "operation": "tickets/ticket.read",
                      "resource": "ticket:T-1"}],
    "users": {"company|mira": {"name": "Mira"}, "company|dora": {"status": "disabled"}},
    "delegations": [{"user": "company|otto", "agent": "company|docs-assistant", "status": "disconnected"},
                    {"user": "company|mira", "agent": "company|docs-assistant", "status": "active"}],
}}}


def base():
    return copy.deepcopy(_BASE)


def tenant(policy, name=TENANT):
    return policy["tenants"][name]


def grant(policy, to, operation, resource=None, id="extra", **more):
    """Adds a grant to `agent:…`, or an entitlement to `user:…` and `group:…`."""
    place = "grants" if to.startswith("agent:") else "entitlements"
    row = {"id": id, "to": to, "operation": operation} | ({"resource": resource} if resource else {}) | more
    tenant(policy).setdefault(place, []).append(row)
    return policy
