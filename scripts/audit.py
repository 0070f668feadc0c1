"""`make audit`: pip-audit over the locked requirements, each package counted.

pip-audit skips what its service does not know with a word at the end, and succeeds. Here that is no
success: where nothing could be looked up, the audit says that it was left out, with exit code 3.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

CLEAN, VULNERABLE, LEFT_OUT = 0, 1, 3


def main(files: list[str]) -> int:
    """Audit the files; the worst of what was found is the exit code."""
    return max((audited(file) for file in files), default=LEFT_OUT)


def audited(file: str) -> int:
    """Run pip-audit over one file, which locks every package, and tell what came of it."""
    program = str(Path(sys.executable).with_name("pip-audit"))
    asked = [program, "-r", file, "--disable-pip", "--no-deps", "--format", "json"]
    try:
        ran = subprocess.run(asked, capture_output=True, text=True, check=False)  # noqa: S603
    except OSError as error:
        print(f"{file}: LEFT OUT, pip-audit cannot be run; `make audit` installs it: {error}")
        return LEFT_OUT
    try:
        report = json.loads(ran.stdout)
    except ValueError:
        print(f"{file}: LEFT OUT, pip-audit failed:\n{ran.stderr.strip()[-2000:]}")
        return LEFT_OUT
    code, told = judged(report)
    print(f"{file}: {told}")
    return code


def judged(report: dict[str, Any]) -> tuple[int, str]:
    """What a report of pip-audit says, and the exit code that goes with it."""
    packages = report["dependencies"]
    known = [one for one in packages if "vulns" in one]
    found = [
        f"  {one['name']} {one['version']}: {vuln['id']}, mended in {vuln['fix_versions'] or '-'}"
        for one in known
        for vuln in one["vulns"]
    ]
    skipped = [one["name"] for one in packages if "vulns" not in one]
    if found:
        return VULNERABLE, "\n".join([f"{len(found)} known vulnerabilities", *found])
    if not known:
        return LEFT_OUT, f"LEFT OUT, the service knew none of the {len(packages)} packages"
    if skipped:
        return LEFT_OUT, f"{len(known)} are clean; LEFT OUT: {', '.join(skipped)}"
    return CLEAN, f"no known vulnerability in {len(known)} packages"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
