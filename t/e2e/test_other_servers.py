"""The stories of the store with Valkey and with a newer Redis, of a tree of Debian 13."""
import pytest

from plugins import debian, policy
from plugins.redis import Redis, key
from plugins.site import allowed
from test_copy import *  # noqa: F403
from test_copy import AGENT, hears, until
from test_linearizability import test_no_call_is_decided_by_an_older_state  # noqa: F401
from test_redis_store import *  # noqa: F403

SERVERS = {"valkey-server": ("valkey_version", "8."), "redis-server": ("redis_version", "8.")}

pytestmark = [pytest.mark.long, pytest.mark.timeout(600)]


@pytest.fixture(params=SERVERS)
def make_redis(request, tmp_path, certs):
    """The same as everywhere, of another server."""
    command, made = debian.command(request.param), []

    def make(kind="tcp", lines=()):
        made.append(Redis(tmp_path / f"redis{len(made)}", kind, certs, command, lines).start())
        field, version = SERVERS[request.param]
        assert made[-1].client.info("server")[field].startswith(version)
        return made[-1]

    yield make
    for server in made:
        server.stop()


def test_strict_where_writes_are_acknowledged_by_other_threads(make_site, make_redis):
    """Such a server may acknowledge a write before it tells of it: everything is asked, and right."""
    server = make_redis(lines=["io-threads 4"])
    server.load(policy.base())
    site = make_site(store=server.store, http="agent_freshness strict;")
    hears(site)
    token = site.token()
    allowed(site.call(token=token))
    if server.client.info("server")["io_threads_active"] != 0:
        with server.client.monitor() as monitor:
            allowed(site.call(token=token))
            server.client.echo("that was all")
            assert [c for c in until(monitor, "that was all") if AGENT in c]
    for i in range(100):
        state, expected = ("quarantined", 403) if i % 2 == 0 else ("active", 200)
        pipe = server.client.pipeline(transaction=True)
        pipe.hset(AGENT, "status", state)
        pipe.hincrby(key("meta"), "version", 1)
        pipe.execute()
        for _ in range(2):
            assert site.call(token=token).status == expected
