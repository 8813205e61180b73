"""Files that nobody should open without care, made small."""

from __future__ import annotations

import io
import struct
import zlib

from PIL import Image

from tests.scanning import generator


def png_bomb(width: int = 50_000, height: int = 50_000) -> bytes:
    """A PNG that says it has so many pixels; its rows are zeros, packed."""

    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    packer = zlib.compressobj(9)
    rows = b"".join(packer.compress(b"\0" * (width + 1)) for _ in range(min(height, 500))) + packer.flush()
    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def tiff_of_many(pages: int) -> bytes:
    """A TIFF of so many small pages."""
    out = io.BytesIO()
    first = Image.new("1", (200, 280), 1)
    first.save(out, "TIFF", save_all=True, append_images=[first] * (pages - 1), compression="group4")
    return out.getvalue()


def pdf_with(catalogue: bytes = b"", page: bytes = b"", more: tuple[bytes, ...] = ()) -> bytes:
    """A PDF of one empty page with something more in it; further objects count from 4."""
    return generator.written(
        [
            b"<< /Type /Catalog /Pages 2 0 R %s >>" % catalogue,
            b"<< /Type /Pages /Count 1 /Kids [3 0 R] >>",
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] %s >>" % page,
            *more,
        ]
    )


def flate_bomb(layers: int = 2, size: int = 150_000_000) -> bytes:
    """A page whose content unpacks to so many octets."""
    packer = zlib.compressobj(9)
    piece = b"\0" * 1_000_000
    packed = b"".join(packer.compress(piece) for _ in range(size // len(piece))) + packer.flush()
    for _ in range(layers - 1):
        packed = zlib.compress(packed, 9)
    filters = b" ".join([b"/FlateDecode"] * layers)
    stream = b"<< /Length %d /Filter [%s] >>\nstream\n%s\nendstream" % (len(packed), filters, packed)
    return pdf_with(page=b"/Contents 4 0 R", more=(stream,))


def picture_bomb() -> bytes:
    """A PDF with a picture of 60,000 by 60,000 pixels."""
    packer = zlib.compressobj(9)
    packed = b"".join(packer.compress(b"\0" * 1_000_000) for _ in range(100)) + packer.flush()
    picture = (
        b"<< /Type /XObject /Subtype /Image /Width 60000 /Height 60000 /ColorSpace /DeviceGray /BitsPerComponent 8"
        b" /Filter /FlateDecode /Length %d >>\nstream\n%s\nendstream" % (len(packed), packed)
    )
    draw = b"q 595 0 0 842 0 0 cm /Im0 Do Q"
    content = b"<< /Length %d >>\nstream\n%s\nendstream" % (len(draw), draw)
    return pdf_with(page=b"/Contents 4 0 R /Resources << /XObject << /Im0 5 0 R >> >>", more=(content, picture))


def many_pages(number: int) -> bytes:
    """A PDF that says it has so many pages, all of them the same."""
    kids = b"3 0 R " * number
    return generator.written(
        [
            b"<< /Type /Catalog /Pages 2 0 R >>",
            b"<< /Type /Pages /Count %d /Kids [%s] >>" % (number, kids),
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] >>",
        ]
    )


def looping_pages() -> bytes:
    """A tree of pages that contains itself."""
    return generator.written(
        [b"<< /Type /Catalog /Pages 2 0 R >>", b"<< /Type /Pages /Count 5 /Kids [2 0 R 2 0 R] /Parent 2 0 R >>"]
    )


def locked() -> bytes:
    """A PDF that needs a password."""
    from pypdf import PdfReader, PdfWriter

    writer = PdfWriter()
    for page in PdfReader(io.BytesIO(pdf_with())).pages:
        writer.add_page(page)
    writer.encrypt("secret", algorithm="RC4-128")
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()
