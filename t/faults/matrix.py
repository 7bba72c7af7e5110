"""Which fault can happen to which dependency, what may then be decided, and how long it may take."""
import itertools
import os
from dataclasses import dataclass, field

from world import CONNECT_TIMEOUT, ISSUER_TIMEOUT, KEYS_MAX_AGE, READ_TIMEOUT, STORE_TIMEOUT

FAULTS = {
    "refused": "refused",
    "reset": "reset mid-answer",
    "hung": "hung",
    "drip": "a byte a second",
    "wrong": "wrong content",
    "endless": "endless answer",
    "expired": "TLS: expired certificate",
    "foreign": "TLS: foreign certificate",
    "garbage": "TLS: garbage record",
    "skewed": "clock skewed",
    "emptied": "emptied",
    "older": "rolled back",
    "another": "another store in its place",
}
TLS = ("expired", "foreign", "garbage")

DEPENDENCIES = {
    "redis": "Redis",
    "repeats": "Redis, for calls with an idempotency key",
    "grace": "Redis, with a grace",
    "sentinel": "the Sentinel that names Redis",
    "seed": "the node that says where a Cluster's slots are",
    "file": "policy file",
    "metadata": "issuer metadata",
    "keys": "key set",
    "exchange": "token endpoint",
    "introspection": "introspection endpoint",
    "backend": "backend",
    "audit": "audit disk",
    "names": "DNS",
}

# Cells that make no sense, and why.
NO = {
    ("redis", "skewed"): "the gateway asks Redis for no time",
    ("grace", "skewed"): "the gateway asks Redis for no time",
    ("repeats", "skewed"): "leases of claims are Redis' own time",
    ("file", "reset"): "a file has no connection",
    ("file", "hung"): "a file has no connection",
    ("file", "endless"): "a file has no connection; larger ones are in t/e2e/test_policy_file.py",
    ("file", "skewed"): "the gateway takes no time from it",
    ("introspection", "older"): "an issuer that went back knows no newer token: as one that was emptied",
    ("backend", "older"): "what the backend remembers is its own",
    ("audit", "wrong"): "the gateway only appends",
    ("audit", "endless"): "the gateway only appends",
    ("audit", "skewed"): "it has no clock",
}
for _guide in ("sentinel", "seed"):
    for _fault in ("skewed", "emptied", "older", "another"):
        NO[_guide, _fault] = "it says where Redis is, and holds nothing"
    for _fault in TLS:
        NO[_guide, _fault] = "as Redis' own: t/e2e/test_sentinel.py and t/e2e/test_cluster.py go over TLS"
for _fault in TLS:
    NO["file", _fault] = "a file has no connection"
    NO["audit", _fault] = "a file has no connection"
    NO["names", _fault] = "the question isn't asked over TLS"
for _fault in ("expired", "foreign"):
    NO["keys", _fault] = "it lies on the metadata's host"

STORE = {"store_unavailable", "store_invalid", "store_uninitialised", "store_rolled_back"}
STORE_LEASE = 1.0            # agent_freshness push: how long copies count after the last heartbeat that was answered
CLAIM = {"idempotency_unavailable"}
KEYS = {"issuer_unavailable"}
ASKED = {"introspection_unavailable"}
ASKED_MAX_AGE = 1.0          # agent_introspect: how long an answer counts
EXCHANGE = {"exchange_unavailable", "exchange_refused", "exchange_invalid"}
# What a busy machine may add to a bound; with sanitizers everything takes several times as long.
MARGIN = 10.0 if os.environ.get("AGW_ASAN") == "1" else 3.0
RECOVERY = 3.0 + MARGIN      # back-offs of at most two seconds, a timeout, and the margin


@dataclass
class Cell:
    dependency: str
    fault: str
    warm: bool
    stream: bool         # a stream is open, or (cold) asked for; else a call waits for the dependency
    skipped: str = ""
    # What may be decided about a call that would be allowed, by whether its token is known; None: not asked.
    known: set = field(default_factory=set)
    fresh: set = field(default_factory=set)
    settled: float = 0.3     # from when on that holds, in seconds after the fault's beginning
    lasts: float = 3.0
    bound: float = 0.0       # for a call, margin included; 0: the client ends it
    patience: float = 15.0
    recovery: float = RECOVERY
    pause: float = 0.1       # between two calls of a kind

    @property
    def name(self):
        return f"{self.dependency}/{self.fault}/{'warm' if self.warm else 'cold'}/{'stream' if self.stream else 'waiting'}"

    @property
    def disk(self):
        """What the audit log lies on: a pipe can hang, a small file system can be full."""
        return {"hung": "pipe", "drip": "pipe", "refused": "small", "reset": "small"}.get(self.fault)

    @property
    def tls(self):
        return self.fault in TLS


def _expect_redis(cell):
    cell.known = cell.fresh = STORE
    cell.bound = STORE_TIMEOUT
    if cell.warm:
        cell.settled = STORE_LEASE + 0.3   # until then a worker may answer from its copy


def _expect_repeats(cell):
    """Nobody can claim a key, nor say what became of one: what isn't refused for the store is refused for that."""
    _expect_redis(cell)
    cell.known = cell.fresh = STORE | CLAIM
    cell.bound = 2 * STORE_TIMEOUT   # facts and claim


def _expect_grace(cell):
    """Where nobody answers, who was met passes; what answers wrongly may end that, and nobody else passes ever."""
    _expect_redis(cell)
    if not cell.warm or cell.fault in ("emptied", "older", "another"):
        return
    cell.known = {"allow"} if cell.fault in ("refused", "reset", "hung") else STORE | {"allow"}


def _expect_guide(cell):
    """Who is connected stays connected; who isn't has nowhere to go."""
    cell.known = cell.fresh = {"allow"} if cell.warm else STORE
    cell.bound = STORE_TIMEOUT


def _expect_file(cell):
    cell.known = cell.fresh = {"allow"}   # the last good policy, in which the former agent has no grant
    cell.bound = CONNECT_TIMEOUT


def _keys_are_known(cell):
    """What was fetched is believed until keys_max_age is over, and not a moment longer."""
    cell.lasts, cell.settled = KEYS_MAX_AGE + 4.5, KEYS_MAX_AGE + ISSUER_TIMEOUT + 1.5
    cell.known = cell.fresh = KEYS


def _expect_metadata(cell):
    cell.bound = ISSUER_TIMEOUT
    cell.known = cell.fresh = KEYS
    if cell.warm:
        _keys_are_known(cell)
        # Known key sets are refreshed where they were found: metadata need not be there.
        cell.known = cell.fresh = KEYS | {"allow"}
    if cell.fault == "skewed":   # the issuer's clock is an hour off: what it issues now is not valid now
        cell.known = {"allow"}   # made while the clock was right
        cell.fresh = {"token_not_yet_valid", "token_expired"}
        cell.settled = 0.3


def _expect_keys(cell):
    cell.bound = ISSUER_TIMEOUT
    cell.known = cell.fresh = KEYS
    if cell.warm:
        _keys_are_known(cell)
    if cell.fault == "skewed":   # dates of a web server decide nothing
        cell.known = cell.fresh = {"allow"}
        cell.settled = 0.3
    if cell.fault == "older":
        cell.known = cell.fresh = {"token_key_unknown"}
    if cell.fault == "emptied":
        cell.known = cell.fresh = KEYS | {"token_key_unknown"}


def _expect_exchange(cell):
    cell.known, cell.fresh = {"allow"} if cell.warm else EXCHANGE, EXCHANGE
    cell.bound = ISSUER_TIMEOUT


def _expect_introspection(cell):
    """What was said a moment ago counts until it is too old; then whoever can't be asked about is refused."""
    cell.bound = 2 * ISSUER_TIMEOUT   # a question that was under way for too long is asked once more
    cell.known = cell.fresh = ASKED
    if cell.warm:
        cell.settled = ASKED_MAX_AGE + 0.3
    if cell.fault == "emptied":   # the issuer knows no token any more
        cell.known = cell.fresh = {"token_inactive"}
    if cell.fault == "skewed":
        cell.known = cell.fresh = {"token_not_yet_valid", "token_expired"}


def _expect_backend(cell):
    cell.known = cell.fresh = {"allow"}
    cell.bound = READ_TIMEOUT
    if cell.fault in ("drip", "endless"):
        cell.bound, cell.patience = 0, 4.0   # a backend that always sends something is ended by the client


def _expect_audit(cell):
    # What isn't written yet waits in a journal (here the smallest); when that is full, calls are denied.
    cell.known = cell.fresh = {"allow", "audit_unavailable"}
    cell.pause = 0.02
    cell.bound = CONNECT_TIMEOUT


def _expect_names(cell):
    _expect_keys(cell)
    if cell.fault != "skewed":
        cell.known = cell.fresh = KEYS
    if cell.fault == "older" and cell.warm:   # a connection that was verified goes on, wherever the name leads now
        cell.known = cell.fresh = KEYS | {"allow"}


EXPECT = {"redis": _expect_redis, "repeats": _expect_repeats, "grace": _expect_grace, "sentinel": _expect_guide, "seed": _expect_guide,
          "file": _expect_file, "metadata": _expect_metadata, "keys": _expect_keys, "exchange": _expect_exchange,
          "introspection": _expect_introspection,
          "backend": _expect_backend, "audit": _expect_audit, "names": _expect_names}
WITH_REDIS = ("redis", "repeats", "grace")


def _why_not(cell):
    why = NO.get((cell.dependency, cell.fault))
    if why:
        return why
    if cell.dependency == "repeats" and cell.stream:
        return "a stream needs no key"
    if cell.dependency in WITH_REDIS and not cell.warm and cell.fault in ("older", "another"):
        return "a gateway that has just been started has seen no newer state"
    if cell.dependency == "file":
        if not cell.warm:
            return "nginx doesn't start without a good policy file: t/e2e/test_policy_file.py"
        if not cell.stream:
            return "no call waits for the file but while it is compiled: t/e2e/test_policy_file.py"
        if cell.fault == "older":
            return "an older file that is put in place is the policy"
    if cell.dependency == "audit" and not cell.warm and cell.fault in ("emptied", "older"):
        return "there is nothing yet"
    if cell.dependency == "backend" and cell.fault in ("skewed", "emptied") and cell.warm and cell.stream:
        return "nothing of it reaches a stream that is open"
    return ""


def cells():
    """All of them, the senseless ones with the word why."""
    for dependency, fault, warm, stream in itertools.product(DEPENDENCIES, FAULTS, (False, True), (False, True)):
        if fault == "another" and dependency not in WITH_REDIS:
            continue
        cell = Cell(dependency, fault, warm, stream)
        cell.skipped = _why_not(cell)
        EXPECT[dependency](cell)
        if cell.bound:
            cell.bound += MARGIN
        yield cell


# A share of the whole that touches each dependency, each fault and each state: what CI runs.
QUICK = {
    "redis/refused/warm/waiting", "redis/reset/warm/stream", "redis/hung/warm/waiting", "redis/wrong/warm/stream",
    "redis/drip/cold/waiting", "redis/endless/cold/stream", "redis/garbage/warm/waiting", "redis/emptied/warm/stream",
    "redis/older/warm/waiting", "redis/another/warm/stream",
    "repeats/reset/warm/waiting",
    "grace/refused/warm/waiting", "grace/hung/warm/stream", "grace/wrong/warm/waiting", "grace/older/warm/waiting",
    "sentinel/hung/warm/waiting", "seed/wrong/cold/waiting",
    "file/emptied/warm/stream",
    "metadata/refused/cold/waiting", "metadata/skewed/warm/stream", "metadata/wrong/cold/stream",
    "keys/hung/warm/stream", "metadata/expired/cold/waiting", "keys/older/warm/waiting", "keys/endless/cold/stream",
    "exchange/refused/warm/waiting", "exchange/drip/cold/stream", "exchange/foreign/warm/stream",
    "exchange/older/warm/stream",
    "introspection/hung/warm/stream", "introspection/wrong/cold/waiting", "introspection/emptied/warm/waiting",
    "backend/reset/warm/waiting", "backend/hung/warm/stream", "backend/garbage/cold/waiting",
    "audit/refused/warm/stream", "audit/reset/cold/waiting", "audit/older/warm/stream", "audit/hung/warm/waiting",
    "names/hung/cold/waiting", "names/emptied/warm/stream",
}
