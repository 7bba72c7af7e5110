"""Conditions at random, each with the CEL that means the same, and calls that they are asked about."""
import datetime
import json
import time
import zoneinfo

TEXTS = ("a", "ticket.read", "T-1", "", "äö", "x\"y", "\\", "it's", "company|support", "line\nend")
NAMES = ("s1", "s2", "s3")
NUMBERS = ("n1", "n2")
FLAGS = ("b1", "b2")
FIELDS = ("tool", "tier", "class", "risk", "tenant", "method")
GROUPS = ("a|g1", "a|g2", "b|g1")
ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Sydney", "Pacific/Apia", "America/Sao_Paulo")
DAYS = ("Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat")
METHODS = ("startsWith", "endsWith", "contains")


def quoted(dice, text):
    quote = dice.choice("\"'")
    out = text.replace("\\", "\\\\").replace("\n", "\\n").replace(quote, "\\" + quote)
    return quote + out + quote


class Maker:
    """Each function returns (ours, CEL)."""

    def __init__(self, dice, now):
        self.dice, self.unix, self.now = dice, now, f'timestamp("{time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now))}")'

    def text(self):
        kind = self.dice.randrange(3)
        if kind == 0:
            word = quoted(self.dice, self.dice.choice(TEXTS))
            return word, word
        if kind == 1:
            name = self.dice.choice(FIELDS)
            return name, f"call['{name}']"
        name = self.dice.choice(NAMES)
        return (f"<{name}>", f"args.{name}") if self.dice.random() < 0.7 else (f"<o/{name}>", f"args.o.{name}")

    def of_call(self):
        """A text that isn't a literal."""
        while True:
            ours, cel = self.text()
            if ours[0] not in "\"'":
                return ours, cel

    def number(self):
        kind = self.dice.randrange(3)
        if kind == 0:
            value = str(self.dice.choice((0, 1, -1, 7, 100, 2**63 - 1, -2**63)))
            return value, value
        if kind == 1:
            ours, cel = self.of_call()
            return f"size({ours})", f"size({cel})"
        name = self.dice.choice(NUMBERS)
        return f"<{name}>", f"args.{name}"

    def listed(self, make, values):
        items = [make(value) for value in self.dice.choices(values, k=self.dice.randrange(1, 5))]
        return "[" + ", ".join(items) + "]"

    def leaf(self):
        kind = self.dice.randrange(11)
        if kind == 0:
            word = self.dice.choice(("true", "false"))
            return word, word
        if kind == 1:
            name = self.dice.choice(FLAGS)
            return f"<{name}>", f"args.{name}"
        if kind == 2:
            name = self.dice.choice(NAMES + NUMBERS + FLAGS)
            return f"has(<{name}>)", f"has(args.{name})"
        if kind in (3, 4):
            (one, cel), (other, cel_other), sign = self.text(), self.text(), self.dice.choice(("==", "!="))
            return f"{one} {sign} {other}", f"{cel} {sign} {cel_other}"
        if kind in (5, 6):
            (one, cel), (other, cel_other) = self.number(), self.number()
            sign = self.dice.choice(("==", "!=", "<", "<=", ">", ">="))
            # Two arguments are text unless one is put into an order; these hold numbers.
            if one.startswith("<") and other.startswith("<") and sign in ("==", "!="):
                sign = "<="
            return f"{one} {sign} {other}", f"{cel} {sign} {cel_other}"
        if kind == 7:
            if self.dice.random() < 0.5:
                ours, cel = self.of_call()
                items = self.listed(lambda value: quoted(self.dice, value), TEXTS)
            else:
                ours, cel = self.number()
                items = self.listed(str, (0, 1, 7, 100))
            return f"{ours} in {items}", f"{cel} in {items}"
        if kind == 8:
            word = quoted(self.dice, self.dice.choice(GROUPS))
            return f"{word} in groups", f"{word} in call.groups"
        if kind == 9:
            (ours, cel), method = self.of_call(), self.dice.choice(METHODS)
            part = quoted(self.dice, self.dice.choice(TEXTS))
            return f"{ours}.{method}({part})", f"{cel}.{method}({part})"
        return self.moment()

    def moment(self):
        zone, kind = self.dice.choice(ZONES), self.dice.randrange(3)
        # @bufbuild/cel 0.6.1 takes the first hour of a day for the next day's.
        if kind == 0 and datetime.datetime.fromtimestamp(self.unix, zoneinfo.ZoneInfo(zone)).hour != 0:
            day, sign = self.dice.choice(DAYS), self.dice.choice(("==", "!="))
            return (f'weekday("{zone}") {sign} "{day}"', f'{self.now}.getDayOfWeek("{zone}") {sign} {DAYS.index(day)}')
        sign = self.dice.choice(("<", "<=", ">", ">=", "==", "!="))
        if kind < 2:
            hour, minute = self.dice.randrange(24), self.dice.choice((0, 30))
            clock = " + ".join(f'{self.now}.get{part}("{zone}") * {unit}'
                               for part, unit in (("Hours", 3600), ("Minutes", 60), ("Seconds", 1)))
            return f'time("{zone}") {sign} "{hour:02}:{minute:02}"', f"({clock}) {sign} {hour * 3600 + minute * 60}"
        age = self.dice.choice((0, 59, 60, 900))
        return f"auth_age {sign} {age}s", f"call.auth_age {sign} {age}"

    def truth(self, depth):
        kind = self.dice.randrange(8) if depth else 0
        if kind < 2:
            return self.leaf()
        if kind == 2:
            ours, cel = self.truth(depth - 1)
            return f"!({ours})", f"!({cel})"
        (one, cel), (other, cel_other) = self.truth(depth - 1), self.truth(depth - 1)
        if kind == 3 and not (one[0] == "<" and other[0] == "<"):  # two arguments would be two texts
            sign = self.dice.choice(("==", "!="))
            return f"({one}) {sign} ({other})", f"({cel}) {sign} ({cel_other})"
        sign = self.dice.choice((" && ", " || "))
        if self.dice.random() < 0.5:  # as precedence has it
            return f"{one}{sign}{other}", f"{cel}{sign}{cel_other}"
        return f"({one}){sign}({other})", f"({cel}){sign}({cel_other})"


def some(dice, names, values):
    return {name: dice.choice(values) for name in names if dice.random() < 0.7}


def case(dice):
    now = dice.randrange(1_000_000_000, 2_100_000_000)
    args = some(dice, NAMES, TEXTS) | some(dice, NUMBERS, (0, 1, -1, 7, 100)) | some(dice, FLAGS, (True, False))
    args["o"] = some(dice, NAMES, TEXTS)
    groups = [group for group in GROUPS if dice.random() < 0.5]
    call = some(dice, FIELDS, TEXTS[:3] + TEXTS[4:]) | {"groups": groups, "now": now, "args": args}
    if dice.random() < 0.7:
        call["auth_age"] = dice.choice((0, 59, 60, 61, 900, 100000))
    ours, cel = Maker(dice, now).truth(dice.randrange(5))
    return {"text": ours, "cel": cel, "call": call}


def line(one):
    return json.dumps(one, ensure_ascii=False)
