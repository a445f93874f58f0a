"""The front page: what runs here and where to look."""

from fastapi import APIRouter, Request, Response

from engage.web.rendering import page

router = APIRouter()


@router.get("/")
def home(request: Request) -> Response:
    settings = request.app.state.services.settings
    return page(
        request,
        "home.html",
        mailbox=request.app.state.mailbox is not None,
        campaigns=settings.campaigns_dir,
        templates=settings.templates_dir,
    )
