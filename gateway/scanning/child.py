"""The process that opens a foreign file: one file in on its standard input, what was seen out, then it ends.

Order and answer: a JSON line with the limits and then the octets in; out four octets of length (big-endian), a JSON
object, and the grey pixels of its pages one after another, or the files it was cut into. Whatever goes wrong in here
ends this process only.
"""

from __future__ import annotations

import io
import json
import struct
import sys
from contextlib import suppress
from itertools import pairwise
from typing import Any, Final

from gateway.scanning import confine

_WORDS: Final = 20_000
_CODES: Final = 20
_OBJECTS: Final = 60_000
_XML: Final = 5_000_000
"""Octets of all embedded invoices together."""
_ATTACHED: Final = 3
"""Embedded invoices that are told of."""
_INVOICES: Final = (b"CrossIndustryInvoice", b"<Invoice", b":Invoice", b"<CreditNote", b":CreditNote")
_ACTIVE: Final = {"/JavaScript", "/JS", "/Launch", "/XFA", "/SubmitForm", "/ImportData", "/RichMedia", "/Rendition"}
_PROGRAMS: Final = (b"MZ", b"\x7fELF", b"PK\x03\x04", b"#!")
_POINTS: Final = 72.0
_SMALLEST, _LARGEST = 38 / 25.4 * _POINTS, 450 / 25.4 * _POINTS
"""Points: pages between 38 mm and a little more than A3 are taken."""


class NotTaken(Exception):
    """The file is not taken; the name of the reason."""


def look(octets: bytes, kind: str, limits: dict[str, int]) -> tuple[dict[str, Any], list[bytes]]:
    """Everything that is seen of the file, and the pixels of the pages that were drawn."""
    try:
        return _pdf(octets, limits) if kind == "pdf" else _picture(octets, kind, limits)
    except NotTaken as reason:
        return {"refused": str(reason)}, []


def _pdf(octets: bytes, limits: dict[str, int]) -> tuple[dict[str, Any], list[bytes]]:
    import pypdfium2
    from PIL import Image

    attachments = structure(octets)
    try:
        document = pypdfium2.PdfDocument(octets)
    except pypdfium2.PdfiumError as error:
        raise NotTaken("encrypted" if "password" in str(error).lower() else "damaged") from None
    if not 0 < len(document) <= limits["pages"]:
        raise NotTaken("pages")
    seen: dict[str, Any] = {"pages": len(document), "words": [], "codes": [], "drawn": [], "xml": attachments}
    pixels: list[bytes] = []
    first = limits.get("first", 1) - 1
    for number in range(len(document)):
        page = document[number]
        width, height = page.get_size()
        if not (min(width, height) >= _SMALLEST and max(width, height) <= _LARGEST):
            raise NotTaken("page-size")
        if len(seen["words"]) < _WORDS:
            seen["words"] += _words(page, number + 1, width, height)
        if first <= number < first + limits["drawn"]:
            scale = limits["dpi"] / _POINTS
            drawn = page.render(scale=scale, grayscale=True, may_draw_forms=False).to_pil()
            image = Image.frombytes("L", drawn.size, drawn.convert("L").tobytes())
            seen["codes"] += _codes(image, number + 1)
            if not seen["words"]:
                image = _straight(image)
            _note(seen, pixels, image, number + 1)
    return seen, pixels


def structure(octets: bytes) -> list[str]:
    """Refuse what acts, and give embedded XML; walks every object that the file reaches."""
    import logging

    from pypdf import PdfReader
    from pypdf.generic import ArrayObject, DictionaryObject, IndirectObject, StreamObject

    logging.disable(logging.CRITICAL)
    try:
        reader = PdfReader(io.BytesIO(octets), strict=False)
        if reader.is_encrypted and not reader.decrypt(""):
            raise NotTaken("encrypted")
        todo: list[Any] = [reader.trailer]
        known: set[tuple[int, int]] = set()
        found: list[bytes] = []
        steps = 0
        while todo:
            one = todo.pop()
            steps += 1
            if steps > _OBJECTS * 10 or len(known) > _OBJECTS:
                raise NotTaken("too-complex")
            if isinstance(one, IndirectObject):
                if (one.idnum, one.generation) in known:
                    continue
                known.add((one.idnum, one.generation))
                one = one.get_object()
            if isinstance(one, DictionaryObject):
                if any(str(name) in _ACTIVE for name in one) or str(one.get("/S", "")) in _ACTIVE:
                    raise NotTaken("active")
                if isinstance(one, StreamObject) and str(one.get("/Type", "")) == "/EmbeddedFile":
                    _embedded(one, found)
                todo.extend(dict.values(one))
            elif isinstance(one, ArrayObject):
                todo.extend(list.__iter__(one))
        return [content.decode("utf-8", "replace") for content in found]
    except NotTaken:
        raise
    except MemoryError:
        raise
    except Exception as error:
        raise NotTaken("damaged") from error


def _embedded(stream: Any, found: list[bytes]) -> None:
    content: bytes = stream.get_data()
    if content.startswith(_PROGRAMS):
        raise NotTaken("active")
    start = content[:4_000].lstrip(b"\xef\xbb\xbf \r\n\t")
    room = len(found) < _ATTACHED and len(content) <= _XML - sum(map(len, found))
    if room and start.startswith(b"<") and any(mark in start for mark in _INVOICES):
        found.append(content)


def _words(page: Any, number: int, width: float, height: float) -> list[list[Any]]:
    """Words with their boxes, as shares of the page: characters are joined while they touch on one line."""
    text = page.get_textpage()
    count = min(text.count_chars(), 60_000)
    whole = text.get_text_range(0, count) if count > 0 else ""
    if len(whole) != count:
        whole = "".join(text.get_text_range(place, 1) or " " for place in range(count))
    words: list[list[Any]] = []
    box: list[float] = []
    letters = ""

    def close() -> None:
        nonlocal box, letters
        if letters and box and len(letters) <= 200:
            left, bottom, right, top = box
            shares = (left / width, 1 - top / height, right / width, 1 - bottom / height)
            words.append([letters, number, *(round(share, 5) for share in shares), 1.0])
        box, letters = [], ""

    for place, letter in enumerate(whole):
        if letter.isspace() or not letter.isprintable():
            close()
            continue
        left, bottom, right, top = text.get_charbox(place, loose=True)
        high = max(top - bottom, 1.0)
        if box and (left - box[2] > high * 0.6 or abs(bottom - box[1]) > high or left < box[0] - high):
            close()
        box = [min(box[0], left), min(box[1], bottom), max(box[2], right), max(box[3], top)] if box else []
        box = box or [left, bottom, right, top]
        letters += letter
    close()
    return words


def _picture(octets: bytes, kind: str, limits: dict[str, int]) -> tuple[dict[str, Any], list[bytes]]:
    from PIL import Image, ImageSequence

    Image.MAX_IMAGE_PIXELS = limits["pixels"]
    try:
        picture = Image.open(io.BytesIO(octets), formats=(kind.upper(),))
        if picture.size[0] * picture.size[1] > limits["pixels"] or max(picture.size) > 20_000:
            raise NotTaken("pixels")
        frames = getattr(picture, "n_frames", 1)
        if frames > limits["pages"]:
            raise NotTaken("pages")
        seen: dict[str, Any] = {"pages": frames, "words": [], "codes": [], "drawn": [], "xml": []}
        pixels: list[bytes] = []
        first = limits.get("first", 1)
        for number, frame in enumerate(ImageSequence.Iterator(picture), start=1):
            if number < first:
                continue
            if number >= first + limits["drawn"]:
                break
            if frame.size[0] * frame.size[1] > limits["pixels"]:
                raise NotTaken("pixels")
            image = _upright(frame).convert("L")
            if max(image.size) > 2 * limits["width"]:
                image.thumbnail((2 * limits["width"], 2 * limits["width"]))
            seen["codes"] += _codes(image, number)
            _note(seen, pixels, _straight(image), number)
    except (NotTaken, MemoryError):
        raise
    except Image.DecompressionBombError:
        raise NotTaken("pixels") from None
    except Exception as error:
        raise NotTaken("damaged") from error
    return seen, pixels


def _upright(image: Any) -> Any:
    from PIL import ImageOps

    with suppress(Exception):  # a broken EXIF block is no reason
        image = ImageOps.exif_transpose(image)
    return image.rotate(90, expand=True) if image.size[0] > image.size[1] * 1.15 else image


def _straight(image: Any) -> Any:
    """Turned so that the lines of text lie level: the angle at which the rows differ most."""
    from PIL import Image

    small = image.copy()
    small.thumbnail((900, 900))
    small = small.point([255 - value for value in range(256)])

    def unevenness(angle: float) -> float:
        turned = small.rotate(angle, resample=Image.Resampling.BILINEAR)
        rows = turned.resize((1, turned.size[1]), Image.Resampling.BOX).tobytes()
        return float(sum((first - second) ** 2 for first, second in pairwise(rows)))

    best = max((step * 0.5 for step in range(-8, 9)), key=unevenness)
    best = max((best + step * 0.1 for step in range(-4, 5)), key=unevenness)
    if abs(best) < 0.08:
        return image
    return image.rotate(best, resample=Image.Resampling.BICUBIC, fillcolor=255)


def _codes(image: Any, number: int) -> list[list[Any]]:
    import zxingcpp

    wanted = zxingcpp.BarcodeFormats([zxingcpp.BarcodeFormat.QRCode, zxingcpp.BarcodeFormat.Code128])
    found = zxingcpp.read_barcodes(image, formats=wanted)
    return [[str(one.format), one.text, number] for one in found[:_CODES] if one.valid and one.text]


def _note(seen: dict[str, Any], pixels: list[bytes], image: Any, number: int) -> None:
    seen["drawn"].append([number, *image.size])
    pixels.append(image.tobytes())


def main() -> None:
    """Confine this process, look at one file, answer, end."""
    import PIL.Image
    import PIL.ImageOps
    import PIL.ImageSequence
    import PIL.JpegImagePlugin
    import PIL.PngImagePlugin
    import PIL.TiffImagePlugin  # noqa: F401  imported before nothing can be opened any more

    from gateway.scanning.cutting import cut

    order = json.loads(sys.stdin.buffer.readline(4_096))
    confine.limit(memory=order["memory"], seconds=order["seconds"])
    held = confine.confine(confine.readable())
    try:
        octets, kind, limits = sys.stdin.buffer.read(), order["kind"], order["limits"]
        seen, pixels = cut(octets, kind, limits, order["cut"]) if "cut" in order else look(octets, kind, limits)
    except MemoryError:
        seen, pixels = {"refused": "too-large-inside"}, []
    seen["held"] = held
    head = json.dumps(seen).encode()
    out = sys.stdout.buffer
    out.write(struct.pack(">I", len(head)) + head)
    for piece in pixels:
        out.write(piece)
    out.flush()


if __name__ == "__main__":
    main()
