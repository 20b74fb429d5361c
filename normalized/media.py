"""Files: what they are, where they are, and how they are shown."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from normalized.base import Model, Timestamp


class Thumbnail(Model):
    """A small picture of something. The bytes of one that came along stay in the gateway's receipt."""

    sha256: str | None = Field(None, description="Of the bytes that came along, hex.")
    size: int | None = Field(None, description="How many bytes came along.")
    path: str | None = Field(None, description="Path of a better one, below the provider's media host.")
    url: str | None = None
    file_sha256: str | None = Field(None, description="Hash of that better one, as the provider wrote it.")
    file_encrypted_sha256: str | None = Field(None, description="Hash of that better one while it is encrypted.")
    width: int | None = Field(None, description="Pixels.")
    height: int | None = Field(None, description="Pixels.")
    key_created_at: Timestamp | None = Field(None, description="When the key that decrypts it was made.")
    key_domain: str | None = Field(None, description="What kind of key decrypts it.")


class Streaming(Model):
    """Checksums by which an app plays or shows an encrypted file before it has all of it. Base64."""

    sidecar: str | None = Field(None, description="Of the whole file.")
    lengths: list[int] | None = Field(None, description="Bytes of each scan of a progressive picture.")
    first_sidecar: str | None = Field(None, description="Of the first scan or frame.")
    first_length: int | None = Field(None, description="Bytes of the first scan or frame.")
    preview_sha256: str | None = Field(None, description="Hash of the file as far as its middle quality.")
    preview_encrypted_sha256: str | None = Field(None, description="The same of the encrypted file.")


class Rendition(Model):
    """The same video in another quality."""

    path: str | None = Field(None, description="Path below the provider's media host.")
    sha256: str | None = Field(None, description="Hash of the file, as the provider wrote it.")
    size: int | None = Field(None, description="Bytes.")
    width: int | None = Field(None, description="Pixels.")
    height: int | None = Field(None, description="Pixels.")
    bitrate: int | None = Field(None, description="Bits a second.")
    quality: str | None = Field(None, description="The provider's word for it.", examples=["low", "mid", "high"])
    capabilities: list[str] | None = Field(None, description="What a player must be able to do.")


class Media(Model):
    """A file at the provider. How to fetch it is the provider's business: by `id`, or by `url` while it lives."""

    id: str | None = Field(None, description="The provider's media id.", examples=["1003383421387256"])
    mime_type: str | None = Field(None, examples=["image/jpeg", "audio/ogg; codecs=opus"])
    sha256: str | None = Field(None, description="Hash of the file, as the provider wrote it (hex or base64).")
    encrypted_sha256: str | None = Field(
        None, description="Hash of the encrypted file, where the provider stores it so."
    )
    size: int | None = Field(None, description="Bytes.", examples=[84213])
    filename: str | None = Field(None, examples=["invoice.pdf"])
    width: int | None = Field(None, description="Pixels.")
    height: int | None = Field(None, description="Pixels.")
    duration_s: int | None = Field(None, description="Seconds.")
    pages: int | None = Field(None, description="Pages of a document.")
    url: str | None = Field(None, description="Where the provider serves the file. It expires.")
    encrypted_url: str | None = Field(None, description="Where WhatsApp serves it, encrypted, beside the provider.")
    path: str | None = Field(None, description="Path at the provider: on its disk, or below its media host.")
    status: str | None = Field(None, description="The provider's word on the file.", examples=["undownloaded"])
    error: str | None = Field(None, description="Why the provider could not fetch the file.")
    inline: InlineFile | None = Field(None, description="The file came along with the webhook.")
    thumbnail: Thumbnail | None = None
    waveform: str | None = Field(None, description="Loudness of a voice note over its time: base64, a byte a step.")
    streaming: Streaming | None = None
    renditions: list[Rendition] | None = None
    alt_text: str | None = Field(None, description="Description for those who cannot see it.")
    source: str | None = Field(None, description="How it was made.", examples=["user_image", "ai_generated"])
    key_created_at: Timestamp | None = Field(None, description="When the key that decrypts the file was made.")
    key_domain: str | None = Field(None, description="What kind of key it is.", examples=["e2ee_chat"])
    static_url: str | None = Field(None, description="Where it can be fetched unencrypted.")
    metadata_url: str | None = Field(None, description="What else is known of the file.")
    qr_url: str | None = Field(None, description="What a QR code in the picture says.")
    annotations: list[dict[str, Any]] | None = Field(
        None, description="Places in the picture that can be tapped, as the provider gives them."
    )


class InlineFile(Model):
    """A file that came along in base64. Its bytes stay in the gateway's receipt; they are not sent on."""

    sha256: str = Field(description="Of the decoded bytes, hex.")
    size: int = Field(description="Decoded bytes.")


class MediaContent(Model):
    caption: str | None = None
    media: Media = Field(default_factory=Media, description="Left out only by an edit that brings a new caption alone.")


class ImageContent(MediaContent):
    type: Literal["image"]


class VideoContent(MediaContent):
    type: Literal["video"]
    gif: bool | None = Field(None, description="Played as a GIF.")
    gif_source: str | None = Field(
        None, description="The collection that the GIF is from.", examples=["giphy", "tenor"]
    )
    video_note: bool | None = Field(None, description="A round video message.")
    full_duration_s: int | None = Field(None, description="Seconds of the whole video, where a part was shared.")
    motion_photo_offset_ms: int | None = Field(None, description="Where in a motion photo the still picture is.")


class AudioContent(MediaContent):
    type: Literal["audio"]
    voice: bool | None = Field(None, description="True for a voice note, false for an audio file, absent if unknown.")
    background_argb: int | None = Field(None, description="Colour behind a voice story.")
    transcript: str | None = Field(None, description="What was said, where the provider recognizes speech.")


class DocumentContent(MediaContent):
    type: Literal["document"]
    title: str | None = Field(None, description="Where it is not the file's name.")
    contact_card: bool | None = Field(None, description="The file is a contact card.")


class StickerContent(MediaContent):
    type: Literal["sticker"]
    animated: bool | None = None
    lottie: bool | None = Field(None, description="A vector animation.")
    avatar: bool | None = Field(None, description="Shows the sender's avatar.")
    ai: bool | None = Field(None, description="Made by an AI.")
    sent_at: Timestamp | None = None
    pack: dict[str, Any] | None = Field(None, description="Sticker pack metadata, as the provider gives it.")


class AlbumContent(Model):
    """Announces pictures and videos that follow as messages of their own."""

    type: Literal["album"]
    images: int | None = Field(None, description="How many pictures follow.")
    videos: int | None = Field(None, description="How many videos follow.")


class PackedSticker(Model):
    filename: str | None = None
    mime_type: str | None = None
    emojis: list[str] | None = Field(None, description="What it stands for.")
    alt_text: str | None = Field(None, description="Description for those who cannot see it.")
    animated: bool | None = None
    lottie: bool | None = Field(None, description="A vector animation.")


class StickerPackContent(Model):
    type: Literal["sticker_pack"]
    id: str | None = Field(None, description="The provider's id of the pack.")
    name: str | None = None
    publisher: str | None = Field(None, description="Who made it.")
    description: str | None = None
    caption: str | None = None
    stickers: int | None = Field(None, description="How many.")
    items: list[PackedSticker] | None = None
    origin: str | None = Field(None, description="first_party | third_party | user_created")
    size: int | None = Field(None, description="Bytes of the whole pack.")
    tray_icon: str | None = Field(None, description="File in the pack that stands for it.")
    image_hash: str | None = Field(None, description="Hash of the pack's picture.")
    media: Media | None = None
