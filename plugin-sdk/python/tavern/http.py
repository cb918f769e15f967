"""Requests to the hosts that the owner has permitted. Only for extensions with a permission `http:…`."""

import json

from wit_world.imports import http as _http
from wit_world.imports.types import Pair


def request(url, method="GET", headers=None, body=None, auth=None, timeout_ms=0):
    """Sends a request and waits for the answer, which has `status`, `headers` and `body` (bytes).

    `auth` is the name of a secret that the host puts in; a `body` that is neither text nor bytes is sent as
    JSON. A request that gets no answer raises `componentize_py_types.Err`.
    """
    headers = dict(headers or {})
    if body is None:
        body = b""
    elif isinstance(body, str):
        body = body.encode()
    elif not isinstance(body, bytes):
        body = json.dumps(body, ensure_ascii=False).encode()
        headers.setdefault("content-type", "application/json")
    pairs = [Pair(key, str(value)) for key, value in headers.items()]
    return _http.send(_http.Request(method, url, pairs, body, auth, timeout_ms))
