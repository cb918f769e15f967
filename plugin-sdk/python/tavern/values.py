"""Values that stay, as JSON. Only for extensions with a permission `kv:…`."""

import json

from wit_world.imports import key_value as _store


class _Values:
    def __init__(self, scope):
        self._scope = scope

    def get(self, key, otherwise=None):
        """The value, or `otherwise` if there is none."""
        entry = _store.get(self._scope, key)
        return otherwise if entry is None else json.loads(entry.value)

    def set(self, key, value, ttl_ms=None):
        """Keeps a value, for `ttl_ms` or for ever."""
        _store.set(self._scope, key, json.dumps(value, ensure_ascii=False).encode(), ttl_ms, None)

    def delete(self, key):
        """Whether there was one."""
        return _store.delete(self._scope, key)

    def keys(self, prefix="", after=None, limit=100):
        """Keys that begin so, after `after`."""
        return _store.list_keys(self._scope, prefix, after, limit)


#: `chat.get("key")`, `chat.set("key", value)`: each chat has its own.
chat = _Values(_store.Scope.CHAT)
#: Each user of the installation has their own.
user = _Values(_store.Scope.USER)
#: One for the whole installation.
installation = _Values(_store.Scope.INSTALLATION)
