"""Exchange over HTTP: one router a concern."""

from fastapi import APIRouter

from . import (
    decisions,
    events,
    exports,
    oauth,
    own_keys,
    partners,
    policies,
    register,
    stages,
    stream,
    webhooks,
)

ROUTERS: tuple[APIRouter, ...] = (
    oauth.router,
    partners.router,
    stages.router,
    own_keys.router,
    register.router,
    events.router,
    stream.router,
    webhooks.router,
    exports.router,
    decisions.router,
    policies.router,
)
