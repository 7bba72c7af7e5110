"""The rule of access, written to be obvious, not fast: docs/store.md and docs/architecture.md in Python."""

CHECKS = ("token", "user", "agent", "delegation", "scope", "route", "approval", "limit")


def matches(pattern, value):
    return value.startswith(pattern[:-1]) if pattern.endswith("*") else value == pattern


def tier_of(tenant, question):
    """The record's own, else the most specific rule of the map, else the one for everybody, else none."""
    own = tenant["agents"].get(question["agent"], {}).get("tier")
    if own:
        return own
    fitting = [rule for rule in tenant["tiers"].get("map", [])
               if rule.get("provider") in (None, question["provider"]) and rule.get("model") in (None, question["model"])]
    fitting.sort(key=lambda rule: ("provider" in rule and "model" in rule, "provider" in rule), reverse=True)
    return fitting[0]["tier"] if fitting else tenant["tiers"].get("*")


def package(tenant, bundle):
    """The bundle and those that it comes from."""
    return [bundle] + package(tenant, tenant["bundles"][bundle]["parent"]) if "parent" in tenant["bundles"][bundle] else [bundle]


def content(tenant, bundle):
    return tenant["bundles"][bundle]["grants"] + [g for g in tenant["grants"] if g["to"] == "bundle:" + bundle]


def packages_of(tenant, question, tier):
    """An agent's with a record are its own and those that its user is a member of; one's without are its tier's."""
    agent = tenant["agents"].get(question["agent"])
    if agent is None:
        names = tenant["tiers"].get(tier, {}).get("bundles", []) if tier else []
    else:
        mine = {"group:" + group for group in groups_of(tenant, question)}
        names = agent.get("bundles", []) + [b for b, row in tenant["bundles"].items() if mine & set(row.get("members", []))]
    return [package(tenant, name) for name in names]


def grants_of(tenant, question, tier):
    holders = {"agent:" + question["agent"]} | ({"tier:" + tier} if tier else set())
    found = [grant for grant in tenant["grants"] if grant["to"] in holders]
    for bundle in {bundle for bundles in packages_of(tenant, question, tier) for bundle in bundles}:
        needs = [tenant["bundles"][b]["when"] for b in package(tenant, bundle) if "when" in tenant["bundles"][b]]
        found += [grant | {"needs": needs} for grant in content(tenant, bundle)]
    return found


def limits_of(tenant, question, tier):
    """What a call would have to meet: the tenant's limits, and those of each package that names the operation."""
    def names(bundle):
        return any(matches(g["operation"], question["operation"]) and g.get("effect", "allow") == "allow"
                   for g in content(tenant, bundle))
    met = {bundle for bundles in packages_of(tenant, question, tier) if any(map(names, bundles)) for bundle in bundles}
    return sorted(["policy " + limit for limit in tenant.get("limits", [])] +
                  [f"bundle|{b} {limit}" for b in met for limit in tenant["bundles"][b].get("limits", [])])


def groups_of(tenant, question):
    return question["groups"] + tenant["users"].get(question["user"], {}).get("groups", [])


def entitlements_of(tenant, question):
    holders = {"user:" + question["user"]} | {"group:" + group for group in groups_of(tenant, question)}
    return [grant for grant in tenant["entitlements"] if grant["to"] in holders]


def for_this_user(grant, tenant, question):
    whom = grant.get("for")
    if question["machine"]:
        return "machine" in whom if whom else grant.get("effect") == "deny"
    mine = {"user:" + question["user"]} if question["user"] else set()
    return whom is None or bool(set(whom) & (mine | {"group:" + group for group in groups_of(tenant, question)}))


def holds(when, tenant, question):
    """True, False, or None: it hangs on something absent. The model knows just the forms that t/property/run writes."""
    if when is None:
        return True
    if when in ("true", "false"):
        return when == "true"
    if when.startswith("!("):
        inner = holds(when[2:-1], tenant, question)
        return None if inner is None else not inner
    if when.endswith(" in groups"):
        return when.split('"')[1] in groups_of(tenant, question)
    if when.startswith("within("):
        return open_now(when.split('"')[1], question)
    name, wanted = when.split(" == ")
    value = question["user"] if name == "user" else tier_of(tenant, question) if name == "tier" else None
    return value == wanted.strip('"') if value else None


def open_now(window, question):
    """`HH:MM-HH:MM UTC`: the model has no other zones, and no days."""
    begin, end = (int(t[:2]) * 3600 + int(t[3:]) * 60 for t in window.split()[0].split("-"))
    second = question["now"] % 86400
    return begin <= second < end if begin < end else second >= begin or second < end


def weigh(grants, tenant, question):
    """(some allow names the operation, some allow holds, some deny holds)"""
    mine = [g for g in grants if matches(g["operation"], question["operation"]) and for_this_user(g, tenant, question)]
    named = any(g.get("effect", "allow") == "allow" for g in mine)
    now = question["now"]
    holding = [g for g in mine if g.get("since_unix", now) <= now and now < g.get("until_unix", now + 1)]

    def covers(grant):
        pattern = grant.get("resource")
        return pattern in (None, "*") or (question["resource"] != "" and matches(pattern, question["resource"]))

    unclear = bool(question["failure"])
    allowed = any(g.get("effect", "allow") == "allow" and (unclear or covers(g))
                  and all(holds(when, tenant, question) is True for when in [g.get("when")] + g.get("needs", [])) for g in holding)
    denied = any(g.get("effect") == "deny" and (unclear or question["resource"] == "" or covers(g))
                 and holds(g.get("when"), tenant, question) is not False for g in holding)
    return named, allowed, denied


def first(*findings):
    """Of (condition, reason) pairs the first that is true."""
    return next((reason for condition, reason in findings if condition), None)


def is_open(breaker, now):
    return breaker is not None and breaker["state"] == "open" and now < breaker.get("until_unix", now + 1)


def made_by(question, agent):
    """The same call as another agent of its chain would make it: what a token says of a model isn't of that one."""
    return question | {"agent": agent, "client": agent, "provider": "", "model": ""}


def findings_of(tenant, question):
    """What hangs on one agent: ({check: reason or None}, visible, whether a grant allows)."""
    agent, user = tenant["agents"].get(question["agent"]), tenant["users"].get(question["user"], {})
    tier = tier_of(tenant, question)
    tier_record = tenant["tiers"].get(tier) if tier and tier not in ("map", "*") else None
    client, issuer = tenant["clients"].get(question["client"], {}), tenant["issuers"].get("a", {})
    records = (tenant, agent or {}, user, tier_record or {}, client, issuer)
    starts = [r["not_before_unix"] for r in records if "not_before_unix" in r]
    revoked = any(question[kind] and f"a|{question[kind]}" in tenant["revoked"].get(kind, []) for kind in ("jti", "sid"))
    bond = next((d for d in tenant["delegations"]
                 if (d["user"], d["agent"]) == (question["user"], question["agent"])), None)
    standing = first((client.get("status") == "disabled", "client_disabled"), (agent is None and not tier, "agent_unknown"),
                     ((agent or {}).get("status") == "disabled", "agent_disabled"),
                     ((agent or {}).get("status") == "quarantined", "agent_quarantined"),
                     (is_open(tenant["breakers"].get(question["agent"]), question["now"]), "agent_breaker_open"),
                     (bool(tier) and tier_record is None, "tier_unknown"),
                     ((tier_record or {}).get("status") == "disabled", "tier_disabled"))
    failed = {"token": first((revoked, "token_revoked"), (question["key"] in issuer.get("revoked_keys", []), "token_key_revoked"),
                             (any(question["issued"] < start for start in starts), "token_issued_before")),
              "delegation": None if question["machine"] else first(
                  (bond is not None and bond.get("status") == "disconnected", "delegation_disconnected"),
                  (bond is None and question["delegation"] == "required", "delegation_missing"))}
    if question["handshake"]:
        return failed | {"agent": standing}, False, False
    named, allows, denies = weigh(grants_of(tenant, question, tier), tenant, question)
    ceiling = (tier_record or {}).get("ceiling")
    below = ceiling is None or any(matches(pattern, question["operation"]) for pattern in ceiling)
    failed["agent"] = standing or first((not below, "tier_ceiling"), (denies, "agent_grant_denied"),
                                        (not allows, "agent_grant_missing"))
    return failed, named and below, allows


def evaluate(tenant, question):
    if not question["handshake"] and not question["named"]:
        return None
    # Nobody stands behind a machine, and none of the groups that its token may name is its own.
    user, tier = tenant["users"].get(question["user"], {}), tier_of(tenant, question)
    failed, visible, allows = findings_of(tenant, question)
    for agent in question["chain"]:
        others, shown, _ = findings_of(tenant, made_by(question, agent))
        failed = {check: failed[check] or others[check] for check in failed}
        visible = visible and shown
    user_standing = first((tenant.get("stop", False) and not question["glass"], "stopped"),
                          (tenant.get("status") == "disabled", "tenant_refused"),
                          (not question["machine"] and not question["user"], "user_missing"),
                          (not question["machine"] and user.get("status") == "disabled", "user_disabled"),
                          (question["machine"] and not any("machine" in g.get("for", []) and g.get("effect", "allow") == "allow"
                                                           for g in grants_of(tenant, question, tier)), "machine_refused"))
    needed = []
    if question["handshake"]:
        failed["user"] = user_standing
        judged = ("token", "user", "agent", "delegation")
    else:
        user_named, user_allows, user_denies = weigh(entitlements_of(tenant, question), tenant, question)
        if question["machine"]:
            failed["user"] = user_standing or first((not allows, "machine_grant_missing"))
        else:
            failed["user"] = user_standing or first((user_denies, "user_entitlement_denied"),
                                                    (not user_allows, "user_entitlement_missing"))
        wanted = set(question["route_scopes"]) | set(question["exchange_scopes"])
        failed["scope"] = first((not wanted <= set(question["scopes"]), "scope_missing"))
        record = tenant["operations"].get(question["operation"], {})
        windows = record.get("windows")
        shut = windows is not None and not any(open_now(window, question) for window in windows)
        unmet = any(holds(when, tenant, question) is not True for when in question["require"])
        failed["route"] = first((record.get("frozen", False), "operation_frozen"), (shut, "outside_window")) \
            or question["failure"] or first((unmet, "condition_failed")) or None
        visible = visible and (question["machine"] or user_named)
        needed = sorted(wanted) if failed["scope"] else []
        judged = ("token", "user", "agent", "delegation", "scope", "route")
    reason = next((failed[check] for check in judged if failed[check]), "allowed")
    verdicts = ["skip" if check not in judged else "fail" if failed[check] else "pass" for check in CHECKS]
    line = [("allow" if reason == "allowed" else "deny"), reason, "visible" if visible else "hidden", ",".join(verdicts)]
    limits = "; ".join(limits_of(tenant, question, tier)) if question["named"] else ""
    return " ".join(line + ([",".join(needed)] if needed else [])) + (" [" + limits + "]" if limits else "")
