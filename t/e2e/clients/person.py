"""Somebody at a browser, without one: signs in and consents on the pages of the demo's authorization server and of Keycloak.

person.py URL is for programs that open a browser ($BROWSER, xdg-open): it also follows the last redirect, to the listener of
the program that waits for it. PERSON_USER and PERSON_PASSWORD say who it is; what was asked for goes to the file PERSON_LOG, a
JSON object a line.
"""
import json
import os
import re
import sys
import time
from html import unescape
from http.cookiejar import CookieJar, DefaultCookiePolicy
from urllib.parse import parse_qs, urljoin, urlsplit

import httpx2

MAX_STEPS = 15
LISTENS_WITHIN = 20.0  # seconds: some programs open the browser first and listen then


class Person:
    def __init__(self, user, password):
        self._user, self._password = user, password
        # Like a browser: cookies marked Secure go over plain http where the host is loopback.
        self.http = httpx2.Client(cookies=CookieJar(DefaultCookiePolicy(secure_protocols=("http", "https"))), timeout=20)

    def sign_in(self, url, redirect_uri):
        """The URL that the last page leads to: the program's own."""
        response = self.http.get(url)
        for _ in range(MAX_STEPS):
            if response.is_redirect:
                url = urljoin(url, response.headers["location"])
                if url.startswith(redirect_uri):
                    return url
                response = self.http.get(url)
                continue
            form = re.search(r"<form\b([^>]*)>(.*?)</form>", response.text, re.S | re.I)
            if response.is_error or not form:
                raise RuntimeError(f"a page without a way on: HTTP {response.status_code} {response.text[:300]}")
            url = urljoin(url, _attribute(form[1], "action") or url)
            response = self.http.post(url, data=self._fill(form[2]))
        raise RuntimeError(f"more than {MAX_STEPS} pages")

    def _fill(self, form):
        known = {"user": self._user, "username": self._user, "password": self._password, "allow": "yes"}
        filled = {}
        for tag in re.findall(r"<(?:input|button)\b[^>]*>", form, re.I):
            name = _attribute(tag, "name")
            if name and name != "cancel":
                filled.setdefault(name, known.get(name, _attribute(tag, "value") or ""))
        return filled


def query(url):
    return {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}


def asked_for(url):
    """What an authorization request asks for."""
    asked = query(url)
    return {name: asked.get(name) for name in ("client_id", "scope", "resource")}


def _attribute(tag, name):
    match = re.search(rf"\b{name}\s*=\s*(?:\"([^\"]*)\"|'([^']*)'|([^\s\"'>]+))", tag, re.I)
    return unescape(next(group for group in match.groups() if group is not None)) if match else None


def main():
    url = sys.argv[1]
    with open(os.environ["PERSON_LOG"], "a") as log:
        log.write(json.dumps(asked_for(url)) + "\n")
    person = Person(os.environ["PERSON_USER"], os.environ["PERSON_PASSWORD"])
    back = person.sign_in(url, query(url)["redirect_uri"])
    end = time.monotonic() + LISTENS_WITHIN
    while True:
        try:
            return person.http.get(back)
        except httpx2.ConnectError:
            if time.monotonic() > end:
                raise
            time.sleep(0.05)


if __name__ == "__main__":
    main()
