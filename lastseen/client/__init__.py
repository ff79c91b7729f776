"""Asking a lastseen server over HTTP: `Remote` is one server, `lastseen.client.verbs` are what can be asked of it."""

from lastseen.client.remote import Remote

__all__ = ["Remote"]
