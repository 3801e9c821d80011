"""How large and how deeply nested policies may be.

Cedar's parser is recursive and has no bound of its own: on a text nested some thousand levels deep it
runs out of stack, which ends the process and not only the request.
"""

import re

LONGEST = 10_000
DEEPEST = 50
_SILENT = re.compile(r'"(?:\\.|[^"\\])*"|//[^\n]*', re.DOTALL)
"""Strings and comments: nothing in them nests."""
_STEPS = {**dict.fromkeys("([{", 1), **dict.fromkeys(")]}", -1)}


def excess(text: str) -> str | None:
    """What is too much about a text of policies, in words; None if nothing is."""
    bare = _SILENT.sub('""', text)
    if max(map(len, bare.split(";"))) > LONGEST:
        return f"a policy has more than {LONGEST} characters"
    depth = 0
    for character in bare:
        depth += _STEPS.get(character, 0)
        if depth > DEEPEST:
            return f"a policy is nested more than {DEEPEST} levels deep"
    return None
