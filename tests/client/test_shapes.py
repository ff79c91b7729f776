"""The client's functions are called as the verbs are, and its shapes are those of the API's document."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from typing import NotRequired, get_origin, get_type_hints, is_typeddict

import pytest

from lastseen.client import Remote, shapes, shapes_people, shapes_public, verbs
from lastseen.web.api import (
    channel_models,
    event_models,
    machine_models,
    models,
    other_models,
    public_models,
    system_models,
)

MODULES = [module.name for module in pkgutil.iter_modules(verbs.__path__)]
OTHERWISE = {"Counted": "Uptime", "Uptime": "WholeUptime", "RemovedNamed": "RemovedChannel"}
"""Shapes that are called otherwise there."""

STREAMED = {"Change"}
"""What the document shows as an example alone: the stream is no JSON."""

OPTIONAL = {"flapping_since"}
"""Has a default there, and is always said."""


@pytest.mark.parametrize("name", MODULES)
def test_each_is_called_as_the_verb_that_it_stands_for(name: str) -> None:
    module = importlib.import_module(f"lastseen.client.verbs.{name}")
    verb_of = vars(importlib.import_module(f"lastseen.manage.{name}"))
    found = {
        one.__name__: one
        for one in vars(module).values()
        if inspect.isfunction(one) and one.__module__ == module.__name__ and not one.__name__.startswith("_")
    }
    assert found
    for called, function in found.items():
        theirs, ours = (list(inspect.signature(one).parameters.values()) for one in (verb_of[called], function))
        if called == "put":
            continue  # what is not said is left out
        assert [(p.name, p.default) for p in ours[1:]] == [(p.name, p.default) for p in theirs[1:]], called


WHERE = (shapes, shapes_people, shapes_public)
SHAPES = {name: one for module in WHERE for name, one in vars(module).items() if is_typeddict(one)}


@pytest.mark.parametrize("name", sorted(SHAPES.keys() - STREAMED))
def test_each_shape_holds_what_the_document_promises(name: str) -> None:
    there = OTHERWISE.get(name, name)
    places = (machine_models, event_models, channel_models, other_models, public_models, system_models, models)
    (model, *_) = (vars(place)[there] for place in places if there in vars(place))
    shape = SHAPES[name]
    hints = get_type_hints(shape, include_extras=True)
    required = {field for field, hint in hints.items() if get_origin(hint) is not NotRequired}
    assert set(hints) <= set(model.model_fields)
    assert required <= {field for field, one in model.model_fields.items() if one.is_required()} | OPTIONAL


def test_nobody_sees_the_key_by_looking_at_the_client() -> None:
    remote = Remote("https://status.example.org/api/v1/", "lsa_secret")
    assert repr(remote) == "Remote('https://status.example.org')"
    assert "lsa_secret" not in str(vars(remote))
