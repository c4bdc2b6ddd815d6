"""Install the peers of an extra one at a time: one without a build for this machine is left out."""

import subprocess
import sys
import tomllib
from pathlib import Path

__all__ = ["main"]

PROJECT = Path(__file__).parent.parent


def main(extra: str) -> None:
    """Install the project, then each requirement of the extra."""
    extras = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", "--editable", str(PROJECT)], check=True)
    for requirement in extras[extra]:
        requirement = requirement.replace("sklearn-mle[", f"{PROJECT}[")
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--prefer-binary", requirement]
        if subprocess.run(command, check=False).returncode:
            print(f"left out of the benchmark: {requirement} could not be installed")


if __name__ == "__main__":
    main(sys.argv[1])
