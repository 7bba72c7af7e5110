"""The chart: requests per second of bare nginx, a bar for each row with its quartiles, as SVG for light and dark pages."""
from xml.sax.saxutils import escape

LABELS = {"jwt": "token", "decision": "+ decision", "copy": "+ decision, in Redis", "exchange": "+ exchange",
          "full": "+ audit log", "redis": "+ policy in Redis", "strict": "+ Redis on every call",
          "limits": "limits in the zone", "limits-redis": "limits in Redis",
          "dpop": "+ DPoP proof", "mtls": "+ certificate",
          "opaque": "opaque, 5 s", "introspect": "opaque, always"}
WIDTH, LEFT, RIGHT, BAR, GAP, GROUP_GAP, TOP = 800, 220, 70, 13, 3, 13, 84
PLOT = WIDTH - LEFT - RIGHT

# Colours with enough contrast on white and on GitHub's dark page; a viewer that knows no media query shows the light ones.
_STYLE = """
text { font: 13px system-ui, -apple-system, 'Segoe UI', Helvetica, Arial, sans-serif; fill: #1f2328 }
.title { font-size: 16px; font-weight: 600 } .small { font-size: 11px; fill: #59636e } .value { font-size: 11px }
.head { font-weight: 600 }
.grid { stroke: #d1d9e0; stroke-width: 1 } .bare { stroke: #59636e; stroke-width: 1.5; stroke-dasharray: 5 3 }
.whisker { stroke: #1f2328; stroke-width: 1.2; fill: none }
.one { fill: #7cb4f0 } .many { fill: #0969da } .peer-one { fill: #c9b7a0 } .peer-many { fill: #9a6700 }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3 } .small { fill: #9198a1 } .grid { stroke: #3d444d } .bare { stroke: #9198a1 }
  .whisker { stroke: #e6edf3 }
  .one { fill: #1f4f87 } .many { fill: #4493f8 } .peer-one { fill: #5c4a2c } .peer-many { fill: #d29922 }
}
"""


def _plain(rows):
    return [row for row in rows if row["name"] != "bare" and row["proto"] == "http/1.1" and row["request_bytes"] < 1000
            and row["response_bytes"] <= 1024]


def _groups(found):
    """[(label, is it a peer, [rows, fewest connections first])]; ours as they build on each other, peers fastest first."""
    ours, peers = {}, {}
    for row in _plain(found.get("rows") or []):
        ours.setdefault(LABELS.get(row["name"], row["name"]), []).append(row)
    for row in found.get("peers") or []:
        peers.setdefault(row["name"], []).append(row)
    for rows in [*ours.values(), *peers.values()]:
        rows.sort(key=lambda row: row["connections"])
    ordered = sorted(peers.items(), key=lambda item: -item[1][-1]["ratio"])
    return ([(name, False, rows) for name, rows in ours.items()] + [(name, True, rows) for name, rows in ordered])


def _text(x, y, text, kind="", anchor="start"):
    return f'<text x="{x:.1f}" y="{y:.1f}" class="{kind}" text-anchor="{anchor}">{escape(text)}</text>'


def _bar(y, row, kind, scale):
    low, high = row.get("ratio_low"), row.get("ratio_high")
    out = [f'<rect x="{LEFT}" y="{y:.1f}" width="{max(row["ratio"] * scale, 1):.1f}" height="{BAR}" rx="2" class="{kind}"/>']
    if low is not None and high is not None and (high - low) * scale >= 1:
        a, b, middle = LEFT + low * scale, LEFT + min(high, PLOT / scale) * scale, y + BAR / 2
        out.append(f'<path d="M{a:.1f} {middle - 3:.1f}v6M{a:.1f} {middle:.1f}H{b:.1f}M{b:.1f} {middle - 3:.1f}v6" '
                   'class="whisker"/>')
    digits = 2 if row["ratio"] >= 0.01 else 4
    out.append(_text(WIDTH - 16, y + BAR - 2.5, f"{row['ratio']:.{digits}f}", "value", "end"))
    return out


def _legend(groups):
    numbers = sorted({row["connections"] for _, _, rows in groups for row in rows})
    out, x = [], LEFT
    for peer in (False, True):
        for number in numbers:
            if not any(is_peer == peer and row["connections"] == number for _, is_peer, rows in groups for row in rows):
                continue
            kind = ("peer-" if peer else "") + ("many" if number == numbers[-1] else "one")
            label = f"{'instead: ' if peer else ''}{number} connection{'s' * (number > 1)}"
            out += [f'<rect x="{x}" y="55" width="12" height="12" rx="2" class="{kind}"/>', _text(x + 17, 65, label, "small")]
            x += 36 + 6.2 * len(label)
    return out, numbers


def svg(found):
    groups = _groups(found)
    most = max([1.0] + [row.get("ratio_high") or row["ratio"] for _, _, rows in groups for row in rows])
    top = min(max(1.0, round(most * 10 + 0.5) / 10), 1.3)
    scale = PLOT / top
    body, y, was_peer = [], TOP + 8, False
    legend, numbers = _legend(groups)
    for label, is_peer, rows in groups:
        if is_peer and not was_peer:
            body.append(_text(16, y + 14, "what could be used instead", "head"))
            y, was_peer = y + 28, True
        height = len(rows) * (BAR + GAP) - GAP
        body.append(_text(LEFT - 10, y + height / 2 + 4.5, label, "", "end"))
        for row in rows:
            kind = ("peer-" if is_peer else "") + ("many" if row["connections"] == numbers[-1] else "one")
            body += _bar(y, row, kind, scale)
            y += BAR + GAP
        y += GROUP_GAP - GAP
    bottom = y
    grid = []
    for step in range(0, int(top * 10) + 1, 2):
        x = LEFT + step / 10 * scale
        grid += [f'<path d="M{x:.1f} {TOP}V{bottom}" class="{"bare" if step == 10 else "grid"}"/>',
                 _text(x, bottom + 17, f"{step / 10:.1f}", "small", "middle")]
    grid.append(_text(LEFT + scale, TOP - 5, "bare nginx", "small", "middle"))
    axis = _text(LEFT + PLOT / 2, bottom + 36, "requests per second of bare proxy_pass (median and quartiles)", "small", "middle")
    height = bottom + 50
    title = "One tools/call through the gateway, beside bare nginx"
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:.0f}" width="{WIDTH}" height="{height:.0f}" '
        f'role="img" aria-label="{escape(title)}">', f"<style>{_STYLE}</style>", f"<title>{escape(title)}</title>",
        _text(16, 26, title, "title"), _text(16, 44, "one nginx worker on one core; each row adds to the one above it", "small"),
        *legend, *grid, *body, axis, "</svg>"]) + "\n"
