"""Exchange over HTTP: one router a concern."""

from fastapi import APIRouter

from . import decisions, events, oauth, own_keys, partners, policies, register, stream, webhooks

ROUTERS: tuple[APIRouter, ...] = (
    oauth.router,
    partners.router,
    own_keys.router,
    register.router,
    events.router,
    stream.router,
    webhooks.router,
    decisions.router,
    policies.router,
)
