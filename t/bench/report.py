"""What a run says: lines while it measures, and the tables of the README as Markdown."""

LABELS = {"bare": "bare beside itself: the noise", "jwt": "the token is verified", "decision": "+ the decision (policy file)",
          "copy": "+ the decision (Redis, copied by the worker)",
          "exchange": "+ the backend's own token (exchange, remembered)", "full": "+ the audit log, with MACs",
          "redis": "the same, policy in Redis, copied by each worker",
          "strict": "the same, Redis asked on every call",
          "limits": "everything (policy file), with three limits in the zone",
          "limits-redis": "the policy in Redis, with three limits there",
          "dpop": "the decision, and each call's DPoP proof", "mtls": "the decision, and the client's certificate (TLS)",
          "opaque": "an opaque token and the decision, its issuer asked once in 5 s",
          "introspect": "the same, its issuer asked with every call"}


def size(count):
    for unit, name in ((1 << 30, " GB"), (1 << 20, " MB"), (1 << 10, " KB")):
        if count >= unit:
            return f"{count / unit:.3g}{name}"
    return f"{count} B"


def wide(count):
    return f"{count:,}".replace(",", " ")


def say(text=""):
    print(text, flush=True)


def speed_head():
    say(f"{'row':<14}{'proto':<10}{'c':>4}{'request':>9}{'answer':>9}{'req/s':>9}{'p50 µs':>9}{'p99 µs':>9}"
        f"{'of bare':>9}{'quartiles':>13}{'CPU µs':>9}{'of bare':>9}{'p99/bare':>10}")


def speed_line(row):
    say(f"{row['name']:<14}{row['proto']:<10}{row['connections']:>4}{size(row['request_bytes']):>9}"
        f"{size(row['response_bytes']):>9}{row['rps']:>9.0f}{row['p50_us']:>9.0f}{row['p99_us']:>9.0f}{row['ratio']:>9.2f}"
        f"{row['ratio_low']:>7.2f}–{row['ratio_high']:.2f}{row['cpu_us']:>10.1f}{row['cpu_ratio']:>9.2f}"
        f"{row['p99_ratio']:>10.2f}")


def latency_head():
    say(f"\n{'latency µs':<14}{'c':>4}{'calls/s':>9}" + "".join(
        f"{name:>10}{'bare':>9}{'added':>9}" for name in ("p50", "p99", "p99.9")) + f"{'p99/bare':>10}")


def latency_line(row):
    say(f"{row['name']:<14}{row['connections']:>4}{row['rate'] or 'most':>9}" + "".join(
        f"{row[p]['row']:>10.1f}{row[p]['bare']:>9.1f}{row[p]['added']:>9.1f}" for p in ("p50", "p99", "p999"))
        + f"{row['p99_ratio']:>10.2f}")


MCP_ROWS = {"list": "a list of 500 tools, half of them the caller's", "stream": "a stream of 1,000 events"}


def mcp_head():
    say(f"\n{'MCP, everything on':<48}{'conn':>6}{'rps/bare':>10}{'quartiles':>12}{'cpu/bare':>10}")


def mcp_line(row):
    say(f"{MCP_ROWS[row['name']]:<48}{row['connections']:>6}{row['ratio']:>10.2f}"
        f"{row['ratio_low']:>7.2f}–{row['ratio_high']:.2f}{row['cpu_ratio']:>10.2f}")


def trips_head():
    say(f"\n{'asked of Redis':<14}{'calls':>8}{'commands':>10}{'a call':>8}")


def trips_line(row):
    say(f"{row['name']:<14}{row['calls']:>8}{row['commands']:>10}{row['per_call']:>8.2f}")


def flat_head():
    say(f"\n{'decision with':<26}{'size':>8}{'CPU µs a call':>15}{'of the smallest':>17}{'quartiles':>13}")


def flat_line(row):
    say(f"{row['kind']:<26}{row['size']:>8}{row['cpu_us']:>15.2f}{row['of_smallest']:>17.2f}"
        f"{row['of_smallest_low']:>7.2f}–{row['of_smallest_high']:.2f}")


def memory(found):
    tokens, streams = found["remembered"], found["streams"]
    say(f"\nmemory of a worker: {size(tokens['worker_rss_before'])}; with {wide(tokens['tokens'])} remembered tokens of "
        f"{tokens['token_bytes']} bytes {size(tokens['worker_rss'])}, {tokens['bytes_per_token']} bytes each; "
        f"all of them in turn at {tokens['ratio_all_in_turn']:.2f} of bare")
    say(f"{wide(streams['streams'])} open streams: {streams['bare']['bytes_per_stream']} bytes each bare, "
        f"{streams['governed']['bytes_per_stream']} governed ({streams['row']})")
    copy_memory(found["copy"])


def copy_memory(copy):
    say(f"a worker whose copy holds {wide(copy['agents'])} agents with {copy['grants_each']} grants each: "
        f"{size(copy['worker_rss'])}; the copy {size(copy['copy_bytes'])} by its own account, {wide(copy['entries'])} entries; "
        f"{copy['bytes_per_agent']} bytes an agent, its remembered token with it")


def peer_head():
    say(f"\n{'what could be used instead':<32}{'c':>4}{'req/s':>9}{'of bare':>9}{'quartiles':>17}{'CPU µs':>9}")


def peer_line(row):
    say(f"{row['name']:<32}{row['connections']:>4}{row['rps']:>9.0f}{row['ratio']:>9.4f}"
        f"{row['ratio_low']:>9.4f}–{row['ratio_high']:.4f}{row['cpu_us']:>10.1f}")


def peers_skipped(reasons):
    for name, reason in reasons.items():
        say(f"{name}: skipped: {reason}")


def _find(rows, **wanted):
    return next((row for row in rows if all(row[key] == value for key, value in wanted.items())), None)


def _ratio(row, digits=2):
    if row is None:
        return "–"
    text = f"{row['ratio']:.{digits}f}"
    low, high = row.get("ratio_low"), row.get("ratio_high")
    return text if low is None or high is None else f"{text} ({low:.{digits}f}–{high:.{digits}f})"


def _speed_tables(rows):
    plain = [r for r in rows if r["proto"] == "http/1.1" and r["request_bytes"] < 1000 and r["response_bytes"] <= 1024]
    numbers = sorted({r["connections"] for r in plain})
    out = ["| requests per second of bare | " + " | ".join(f"{n} connection{'s' * (n > 1)}" for n in numbers)
           + " | CPU time of bare |", "|---" * (len(numbers) + 2) + "|"]
    for name, label in LABELS.items():
        cells = [_find(plain, name=name, connections=n) for n in numbers]
        if any(cells):
            cpu = f"{cells[-1]['cpu_ratio']:.2f}" if cells[-1] else "–"
            out.append(f"| {label} | " + " | ".join(map(_ratio, cells)) + f" | {cpu} |")
    others = [r for r in rows if r not in plain and r["name"] != "bare"]
    if others:
        out += ["", "| everything, with other | " + " | ".join(f"{n} connection{'s' * (n > 1)}" for n in numbers) + " |",
                "|---" * (len(numbers) + 1) + "|"]
    seen = []
    for row in others:
        key = {k: row[k] for k in ("name", "proto", "request_bytes", "response_bytes")}
        if key not in seen:
            seen.append(key)
            what = (f"{'' if row['name'] == 'full' else row['name'] + ', '}{row['proto']}, requests of "
                    f"{size(row['request_bytes'])}, answers of {size(row['response_bytes'])}")
            out.append(f"| {what} | " + " | ".join(_ratio(_find(others, **key, connections=n)) for n in numbers) + " |")
    return out


def _latency_table(rows):
    out = ["", "| added latency, µs | p50 | p99 | p99.9 | p99 of bare's |", "|---|---|---|---|---|"]
    for row in rows:
        how = "1 connection" if row["rate"] is None else f"{wide(row['rate'])} calls a second, half of the most"
        out.append(f"| {LABELS[row['name']]}, {how} | " + " | ".join(
            f"{row[p]['added']:+.0f} (bare {row[p]['bare']:.0f})" for p in ("p50", "p99", "p999"))
            + f" | {row['p99_ratio']:.2f} |")
    return out


def _flat_table(rows):
    out = ["", "| CPU time of a decision, of the smallest | |", "|---|---|"]
    for kind in dict.fromkeys(row["kind"] for row in rows):
        out.append(f"| {kind} | " + ", ".join(f"{wide(r['size'])}: {r['of_smallest']:.2f}"
                                              for r in rows if r["kind"] == kind) + " |")
    return out


def markdown(found):
    """The README's tables, of whatever was measured."""
    out = []
    if rows := found.get("rows"):
        out += _speed_tables(rows)
    if rows := found.get("mcp"):
        out += ["", "| everything, of MCP's answers | connections | requests per second of bare | CPU time of bare |",
                "|---|---|---|---|",
                *(f"| {MCP_ROWS[row['name']]} | {row['connections']} | {row['ratio']:.2f} "
                  f"({row['ratio_low']:.2f}–{row['ratio_high']:.2f}) | {row['cpu_ratio']:.2f} |" for row in rows)]
    if (rows := found.get("latency")):
        out += _latency_table(rows)
    if kept := found.get("memory"):
        tokens, streams = kept["remembered"], kept["streams"]
        out += ["", "| memory of a worker | |", "|---|---|",
                f"| {wide(tokens['tokens'])} remembered tokens of {tokens['token_bytes']} bytes | "
                f"{size(tokens['worker_rss'] - tokens['worker_rss_before'])}, {wide(tokens['bytes_per_token'])} bytes each; "
                f"all in turn at {tokens['ratio_all_in_turn']:.2f} of bare |",
                f"| {wide(streams['streams'])} open streams | {size(streams['governed']['bytes_per_stream'])} each, "
                f"bare {size(streams['bare']['bytes_per_stream'])} |"]
        if copy := kept.get("copy"):
            out.append(f"| the grants of {wide(copy['agents'])} agents in the copy, {copy['grants_each']} each | "
                       f"{size(copy['worker_rss'] - copy['worker_rss_before'])}, {wide(copy['bytes_per_agent'])} bytes an agent, "
                       "its remembered token with it |")
    if rows := found.get("trips"):
        out += ["", "| commands to Redis | a call |", "|---|---|",
                *(f"| {LABELS[row['name']]} | {row['per_call']:.3g} |" for row in rows)]
    if rows := found.get("flat"):
        out += _flat_table(rows)
    if rows := found.get("peers"):
        out += ["", "| instead of it, of bare | connections | requests per second |", "|---|---|---|"]
        out += [f"| {row['name']} | {row['connections']} | {_ratio(row, 2 if row['ratio'] >= 0.01 else 4)} |" for row in rows]
    return "\n".join(out) + "\n"
