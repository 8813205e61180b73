"""``make sabotage``: each patch breaks one promise in a copy of the tree; the table shows which test noticed.

python -m tests.sabotage [NAME ...]    all patches, or those named
"""

from __future__ import annotations

import argparse
import sys

from tests.sabotage.patches import SabotageError, copied_tree, judge, patches, problem, run


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME")
    arguments = parser.parse_args()
    chosen = [patch for patch in patches() if not arguments.names or patch.name in arguments.names]
    if not chosen:
        sys.exit("there is no such patch")
    if stale := [text for patch in chosen if (text := problem(patch))]:
        print(*stale, sep="\n")
        return 2
    caught = 0
    with copied_tree() as tree:
        suites = tuple(sorted({part for patch in chosen for part in patch.suite}))
        code, output = run(suites, tree)
        if code:
            print(output[-3000:], "the suite is red without any patch", sep="\n")
            return 2
        print(f"{'patch':42}{'seconds':>8}  caught by")
        for patch in chosen:
            try:
                found = judge(patch, tree)
            except SabotageError as error:
                print(error)
                return 2
            caught += bool(found.caught_by)
            print(f"{patch.name:42}{found.seconds:8.1f}  {found.caught_by or 'NOBODY'}", flush=True)
    print(f"{caught} of {len(chosen)} caught")
    return 0 if caught == len(chosen) else 1


if __name__ == "__main__":
    sys.exit(main())
