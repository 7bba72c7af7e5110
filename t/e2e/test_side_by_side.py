"""Many callers at once in one worker, all with the same JSON-RPC id: nobody gets what is another's."""
import json
import random
import time
from concurrent.futures import ThreadPoolExecutor

from plugins import jose
from plugins.backend import json_answer
from plugins.site import EXCHANGE, allowed
from plugins.wait import eventually

CALLERS, ROUNDS = 12, 12


def echo(received):
    """Whom the backend takes the caller for, and what was asked; some answers overtake others."""
    message = json.loads(received.body)
    time.sleep(random.uniform(0, 0.03))
    return json_answer({"jsonrpc": "2.0", "id": message["id"], "result": {
        "named": received.header("X-Agent-User"), "asked": message["params"]["arguments"]["id"],
        "subject": jose.claims_of(received.header("Authorization").removeprefix("Bearer "))["sub"]}})


def test_nobody_gets_anothers_answer(make_site):
    site = make_site(workers="1", forward=EXCHANGE, server="agent_identity_headers on;")
    site.backend.answer = echo

    def caller(number):
        user = f"user{number}"
        good, poor = site.token(user=user), site.token(user=user, scope="none")
        for turn in range(ROUNDS):
            asked = f"T-{number}-{turn}"
            value = allowed(site.call(arguments={"id": asked}, token=good, id=7))
            assert value["id"] == 7
            assert value["result"] == {"named": f"company|{user}", "subject": user, "asked": asked}
            refused = site.call(arguments={"id": asked}, token=poor, id=7)
            assert refused.status == 403 and refused.event()["user"]["id"] == f"company|{user}"

    with ThreadPoolExecutor(CALLERS) as pool:
        list(pool.map(caller, range(CALLERS)))
    wanted = {(f"company|user{n}", f"ticket:T-{n}-{turn}") for n in range(CALLERS) for turn in range(ROUNDS)}

    def recorded():
        events = [event for event in site.nginx.audit() if event["decision"] == "allow"]
        return len(events) == len(wanted) and {(e["user"]["id"], e["resource"]) for e in events} == wanted

    eventually(recorded)
