"""A file with several invoices, cut into files of some pages each. Runs in the confined process of ``child.py``."""

from __future__ import annotations

import io
from typing import Any

from gateway.scanning.child import NotTaken, structure

Cut = tuple[dict[str, Any], list[bytes]]


def cut(octets: bytes, kind: str, limits: dict[str, int], parts: list[list[int]]) -> Cut:
    """The file in pieces: of each the first and last page, from 1. Nothing but pages is in a piece of a PDF."""
    try:
        if kind == "pdf":
            structure(octets)
            return _pdf(octets, limits, parts)
        return _picture(octets, kind, limits, parts)
    except NotTaken as reason:
        return {"refused": str(reason)}, []
    except MemoryError:
        raise
    except Exception:
        return {"refused": "damaged"}, []


def _pdf(octets: bytes, limits: dict[str, int], parts: list[list[int]]) -> Cut:
    from pypdf import PdfReader, PdfWriter

    reader = PdfReader(io.BytesIO(octets), strict=False)
    if reader.is_encrypted:
        reader.decrypt("")
    if not 0 < len(reader.pages) <= limits["pages"]:
        raise NotTaken("pages")
    pieces = []
    for first, last in parts:
        writer, out = PdfWriter(), io.BytesIO()
        for number in range(first - 1, last):
            writer.add_page(reader.pages[number])
        writer.write(out)
        pieces.append(out.getvalue())
    return {"pages": len(reader.pages), "parts": [len(piece) for piece in pieces]}, pieces


def _picture(octets: bytes, kind: str, limits: dict[str, int], parts: list[list[int]]) -> Cut:
    from PIL import Image, ImageSequence

    Image.MAX_IMAGE_PIXELS = limits["pixels"]
    picture = Image.open(io.BytesIO(octets), formats=(kind.upper(),))
    if getattr(picture, "n_frames", 1) > limits["pages"]:
        raise NotTaken("pages")
    frames = []
    for frame in ImageSequence.Iterator(picture):
        if frame.size[0] * frame.size[1] > limits["pixels"]:
            raise NotTaken("pixels")
        frames.append(frame.copy())
    pieces = []
    for first, last in parts:
        out = io.BytesIO()
        frames[first - 1].save(out, "TIFF", save_all=True, append_images=frames[first:last], compression="tiff_lzw")
        pieces.append(out.getvalue())
    return {"pages": len(frames), "parts": [len(piece) for piece in pieces]}, pieces
