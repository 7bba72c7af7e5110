"""agwctl, run as people and scripts do."""
import json
import os
import subprocess

from plugins.nginx import ROOT, module_path

BINARY = os.environ.get("AGW_CTL") or str((module_path() or ROOT / "build/release/x").parent / "agwctl")
CHANGES = ("apply", "grant", "elevate", "revoke", "disconnect", "connect", "freeze", "unfreeze", "window", "kill")


def run(*arguments, status=0):
    """Changes have a reason, unless the test gives one or wants none (`--reason ""`)."""
    command = [str(a) for a in arguments]
    if command and command[0] in CHANGES and not any(a.startswith("--reason") for a in command):
        command += ["--reason", "a test"]
    done = subprocess.run([BINARY, *command], capture_output=True, text=True, timeout=60)
    assert done.returncode == status, f"{arguments}: {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done


def run_json(*arguments, status=0):
    return json.loads(run(*arguments, "--json", status=status).stdout)


def where(server):
    """The store's address as agent_store writes it."""
    url, _, options = server.store.partition(" ")
    found = ["--store", url]
    for option in options.split():
        name, _, value = option.partition("=")
        found += [f"--{name.replace('_', '-')}", value]
    return found
