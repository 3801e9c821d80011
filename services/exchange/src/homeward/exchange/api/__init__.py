"""Exchange over HTTP: one router a concern."""

from fastapi import APIRouter

from . import decisions, events, oauth, partners, register

ROUTERS: tuple[APIRouter, ...] = (
    oauth.router,
    partners.router,
    register.router,
    events.router,
    decisions.router,
)
