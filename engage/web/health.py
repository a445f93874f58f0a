"""`/healthz`: this process answers. `/readyz`: so does the database behind it."""

import sqlalchemy as sa
from fastapi import APIRouter, Request

router = APIRouter()


@router.get("/healthz")
def healthz() -> dict[str, str]:
    return {"status": "ok"}


@router.get("/readyz")
def readyz(request: Request) -> dict[str, str]:
    with request.app.state.services.database.read() as db:
        db.execute(sa.select(1))
    return {"status": "ready"}
