"""One mistake that somebody could make, as replacements of exact text."""
from dataclasses import dataclass, field


@dataclass
class Mutation:
    """Text that isn't there exactly once fails the run: whoever rewrites the place moves the mutation along."""

    name: str
    edits: list                                   # (file, text, what stands there instead)
    stories: list = field(default_factory=list)   # files of t/e2e that must notice if no unit test does
    property: bool = False                        # whether t/property asks it, too
