"""Fixtures of the end-to-end stories."""
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from plugins import certs as certificates  # noqa: E402
from plugins.audit import KEYED  # noqa: E402
from plugins.nginx import Nginx, module_path  # noqa: E402
from plugins.redis import Redis  # noqa: E402
from plugins.site import Site  # noqa: E402

pytest_plugins = ["plugins.keycloak"]

_alive: list[Nginx] = []


def pytest_collection_modifyitems(items):
    for item in items:
        if item.path.name != "test_harness.py":
            item.add_marker("module")
    if module_path() is None and os.environ.get("AGW_REQUIRE_MODULE") != "1":
        skip = pytest.mark.skip(reason="the module is not built: make module")
        for item in items:
            if "module" in item.keywords:
                item.add_marker(skip)


def _new(stack, thing):
    stack.append(thing)
    return thing


def _close(stack):
    errors = []
    for thing in reversed(stack):
        try:
            (thing.close if hasattr(thing, "close") else thing.stop)()
        except AssertionError as error:
            errors.append(str(error))
        if isinstance(thing, Site) and thing.nginx in _alive:
            _alive.remove(thing.nginx)
    assert not errors, "\n".join(errors)


@pytest.fixture(scope="session")
def certs(tmp_path_factory):
    """A folder with ca/ and leaf/ of an authority made for this run."""
    return certificates.make_authority(tmp_path_factory.mktemp("certs"))


def _site_factory(folder):
    stack = []

    def make(start=True, **pieces) -> Site:
        path = folder / f"site{len(stack)}"
        path.mkdir()
        made = _new(stack, Site(path, **pieces))
        _alive.append(made.nginx)
        return made.start() if start else made

    return make, stack


@pytest.fixture
def make_site(tmp_path):
    """make_site(start=True, **pieces): a site of this test's own."""
    make, stack = _site_factory(tmp_path)
    yield make
    _close(stack)


@pytest.fixture(scope="module")
def site_of_module(request, tmp_path_factory):
    make, stack = _site_factory(tmp_path_factory.mktemp("shared"))
    yield make(**getattr(request.module, "SITE", {}))
    _close(stack)


@pytest.fixture
def site(site_of_module):
    """One site for all tests of a file (its SITE says how it differs); faults and records start anew each time."""
    site_of_module.issuer.fault = {}
    site_of_module.issuer.reset_exchange()
    site_of_module.backend.reset()
    return site_of_module


@pytest.fixture
def make_keyed(make_site):
    """make_keyed(audit="", **pieces): a site whose lines carry MACs."""
    def make(audit=KEYED, **pieces):
        site = make_site(start=False, audit=audit, **pieces)
        key = site.prefix / "audit.key"
        key.write_bytes(os.urandom(32))
        key.chmod(0o600)
        return site.start()

    return make


@pytest.fixture
def small_disk():
    folder = Path(tempfile.mkdtemp(prefix="agw-disk-"))
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=128k", "tmpfs", folder], capture_output=True, text=True)
    if done.returncode != 0:
        folder.rmdir()
        pytest.skip("this machine lets nobody mount a tmpfs")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)
    folder.rmdir()


class BreakableDisk:
    """A file system that turns read-only under those who have files open, as ext4 does when its disk fails (a plain
    remount is refused as long as somebody writes)."""

    def __init__(self, folder: Path):
        self.image, self.path = folder / "disk.img", folder / "disk"
        self.path.mkdir()
        with self.image.open("wb") as image:
            image.truncate(4 << 20)
        self._run("mkfs.ext4", "-q", "-F", self.image)
        self.mount()

    @staticmethod
    def _run(*command, good=(0,)):
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode not in good:
            raise OSError(done.stderr)

    def mount(self):
        self._run("mount", "-o", "loop", self.image, self.path)

    def fail(self):
        self._run("sync", "-f", self.path)
        self._run("mount", "-o", "remount,abort", self.path)

    def repair(self):
        """Another disk with what was on this one; who has a file open keeps the old one until it is reopened."""
        self._run("umount", "-l", self.path)
        self.image = shutil.copy(self.image, self.image.with_name("second.img"))
        self._run("e2fsck", "-f", "-y", self.image, good=(0, 1))
        self.mount()


@pytest.fixture
def breakable_disk(tmp_path):
    try:
        disk = BreakableDisk(tmp_path)
    except OSError as why:
        pytest.skip(f"this machine lets nobody mount a file system of one's own: {why}")
    yield disk
    subprocess.run(["umount", "-l", disk.path], check=True)


@pytest.fixture
def make_redis(tmp_path, certs):
    stack = []

    def make(kind="tcp") -> Redis:
        return _new(stack, Redis(tmp_path / f"redis{len(stack)}", kind, certs).start())

    yield make
    _close(stack)


@pytest.fixture
def serve():
    """serve(server): starts it, and stops it after the test."""
    stack = []

    def begin(server):
        return _new(stack, server).start()

    yield begin
    _close(stack)


@pytest.fixture(autouse=True)
def quiet_log():
    """What one test does to the log is that test's failure, also where the site is shared."""
    yield
    for nginx in _alive:
        nginx.check()
