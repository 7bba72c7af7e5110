"""Who wrote what when, and what calls were told: was each answer true at some moment that it may be of?"""


class History:
    def __init__(self):
        self.writes = [(0.0, 0.0, True)]  # begun, acknowledged, allowed
        self.calls = []

    def wrong(self, bound):
        """Calls that were decided by a state which a write, acknowledged `bound` before they began, had ended."""
        intervals = list(self.intervals())
        found, first = [], 0
        for begun, ended, answer in sorted(self.calls):
            while intervals[first][1] < begun - bound:
                first += 1
            if not any(answer == state and start <= ended for start, _, state in intervals[first:]):
                found.append((begun, ended, answer))
        return found

    def intervals(self):
        """When each state may have been in force: from the begin of its write to the acknowledgement of the next."""
        rows = self.writes
        for i, (begun, _, state) in enumerate(rows):
            yield begun, rows[i + 1][1] if i + 1 < len(rows) else float("inf"), state
