"""What shells complete, and the manual page, as bash, zsh and man take them."""
import os
import shutil
import subprocess

import pytest

from plugins.agwctl import BINARY, run

pytestmark = pytest.mark.skipif(not os.path.exists(BINARY), reason="agwctl is not built: make build")


def complete(tmp_path, *words):
    """What bash offers for the last word."""
    script = run("completion", "bash").stdout + """
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _agwctl; printf '%s\\n' "${COMPREPLY[@]}"
"""
    done = subprocess.run(["bash", "-uc", script, "bash", "agwctl", *words], capture_output=True, text=True, timeout=20,
                          cwd=tmp_path)
    assert done.returncode == 0 and not done.stderr, done.stderr
    return set(done.stdout.split())


def test_bash_completes_commands_options_and_files(tmp_path):
    (tmp_path / "policy.yaml").write_text("")
    assert complete(tmp_path, "e") == {"export", "explain", "elevate"}
    assert complete(tmp_path, "store", "") == {"confirm"}
    assert complete(tmp_path, "grant", "agent:c", "a/b", "--re") == {"--reason", "--redis", "--replicas"}
    assert complete(tmp_path, "apply", "pol") == {"policy.yaml"}
    assert complete(tmp_path, "apply", "policy.yaml", "--password-file", "pol") == {"policy.yaml"}
    assert complete(tmp_path, "grant", "--reason", "pol") == set()
    assert complete(tmp_path, "audit", "verify", "--w") == {"--whole"}
    assert complete(tmp_path, "grant", "x", "gr") == set()


@pytest.mark.skipif(not shutil.which("zsh"), reason="zsh is not installed")
def test_zsh_takes_its_completion(tmp_path):
    (tmp_path / "_agwctl").write_text(run("completion", "zsh").stdout)
    script = f"fpath=({tmp_path} $fpath); autoload -Uz compinit && compinit -D -u && print $_comps[agwctl]"
    done = subprocess.run(["zsh", "-fc", script], capture_output=True, text=True, timeout=20)
    assert done.stdout == "_agwctl\n" and not done.stderr, done.stderr
    done = subprocess.run(["zsh", "-n", tmp_path / "_agwctl"], capture_output=True, text=True, timeout=20)
    assert done.returncode == 0 and not done.stderr


@pytest.mark.skipif(not shutil.which("man"), reason="man is not installed")
def test_man_shows_the_page(tmp_path):
    (tmp_path / "agwctl.1").write_text(run("man").stdout)
    done = subprocess.run(["man", "-l", "--warnings", "-E", "UTF-8", tmp_path / "agwctl.1"], capture_output=True, text=True,
                          timeout=20, env=os.environ | {"MANWIDTH": "100", "LC_ALL": "C.UTF-8", "MANPAGER": "cat"})
    assert done.returncode == 0 and not done.stderr, done.stderr
    for words in ("agwctl elevate HOLDER OPERATION [RESOURCE]", "--if-version", "EXIT STATUS", "who-can: nobody"):
        assert words in done.stdout
