"""A part store that notes what is asked of the one it stands before."""

from __future__ import annotations

import contextlib
import weakref


class Recording:
    """roles: parts that were used, in order; alive_before: how many of those used before were still
    in memory when each was asked for."""

    def __init__(self, store):
        self.store, self.device, self.weights = store, store.device, store.weights
        self.roles, self.alive_before = [], []
        self._modules = weakref.WeakSet()

    @contextlib.contextmanager
    def using(self, role):
        self.roles.append(role)
        self.alive_before.append(len(self._modules))
        with self.store.using(role) as module:
            self._modules.add(module)
            yield module
            del module
