#!/usr/bin/env python3
"""Writes fold_table.inc: which characters lax readers take for one another in a key.

Two characters belong together if simple lower- or upper-casing (Java's equalsIgnoreCase, Go's EqualFold) leads from one
to the other, or if a compatibility form (NFKC) of one is a Latin letter. Each points to one of its class: the ASCII
letter if there is one, else the smallest lower-case character.
"""
import sys
import unicodedata
from pathlib import Path

parent = {}


def find(c):
    while parent.setdefault(c, c) != c:
        parent[c] = parent[parent[c]]
        c = parent[c]
    return c


def join(a, b):
    parent[find(a)] = find(b)


everything = [c for c in range(sys.maxunicode + 1) if not 0xD800 <= c <= 0xDFFF]
for c in everything:
    text = chr(c)
    for other in (text.lower(), text.upper(), text.casefold()):
        if len(other) == 1:
            join(c, ord(other))
    plain = unicodedata.normalize("NFKC", text)
    if len(plain) == 1 and plain.isascii() and plain.isalpha():
        join(c, ord(plain))
join(0x130, ord("i"))  # Java folds both Turkish letters with i
join(0x131, ord("i"))

classes = {}
for c in everything:
    classes.setdefault(find(c), []).append(c)
target = {}
for members in classes.values():
    if len(members) == 1:
        continue
    ascii_letters = [c for c in members if c < 0x80 and chr(c).islower()]
    lower = [c for c in members if chr(c).islower()]
    best = (ascii_letters or lower or members)[0]
    target.update((c, best) for c in members if c != best and c >= 0x80)

rows = []  # first, last, step, difference
for c in sorted(target):
    difference = target[c] - c
    if rows:
        first, last, step, same = rows[-1]
        gap = c - last
        if same == difference and gap <= 2 and (step in (0, gap)):
            rows[-1] = (first, c, gap, same)
            continue
    rows.append((c, c, 0, difference))

with open(Path(__file__).with_name("fold_table.inc"), "w") as out:
    out.write(f"// Written by fold_table.py from Unicode {unicodedata.unidata_version}: first, last, step, difference.\n")
    out.write("// clang-format off\n")
    for i in range(0, len(rows), 4):
        out.write(" ".join(f"{{0x{a:04X}, 0x{b:04X}, {max(s, 1)}, {d}}}," for a, b, s, d in rows[i:i + 4]) + "\n")
    out.write("// clang-format on\n")
