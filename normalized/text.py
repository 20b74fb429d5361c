"""Texts, and the preview of a link in one."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from normalized.base import Model
from normalized.media import Thumbnail


class LinkPreview(Model):
    url: str | None = Field(None, description="As it stands in the text.")
    canonical_url: str | None = Field(None, description="Where the link leads in the end.")
    title: str | None = None
    description: str | None = None
    kind: str | None = Field(
        None, description="What kind of thing the link leads to.", examples=["video", "image", "profile"]
    )
    thumbnail: Thumbnail | None = None
    favicon: Thumbnail | None = None
    inline_play: bool | None = Field(None, description="False where a video must not play in the chat.")
    group_kind: str | None = Field(None, description="Of the group that the link invites to.", examples=["parent"])
    parent_group: str | None = Field(None, description="Name of that group's community.")
    parent_group_thumbnail: Thumbnail | None = None
    video_width: int | None = Field(None, description="Pixels.")
    video_height: int | None = Field(None, description="Pixels.")
    video_url: str | None = Field(None, description="The video behind the link.")
    video_caption: str | None = Field(None, description="Words under that video.")
    video_muted: bool | None = Field(None, description="It plays without sound.")
    duration_s: int | None = Field(None, description="Seconds of the medium behind the link.")
    post_kind: str | None = Field(None, description="What kind of post the link names.", examples=["reel", "carousel"])
    details: dict[str, Any] | None = Field(None, description="Further objects, under the provider's names.")


class TextStyle(Model):
    """How a text story looks. Colours are 0xAARRGGBB."""

    text_argb: int | None = Field(None, description="Colour of the letters.")
    background_argb: int | None = Field(None, description="Colour behind them.")
    font: str | None = Field(None, description="WhatsApp's name of the font.")


class TextContent(Model):
    type: Literal["text"]
    text: str
    preview: LinkPreview | None = Field(None, description="The link preview that was sent along.")
    style: TextStyle | None = None
