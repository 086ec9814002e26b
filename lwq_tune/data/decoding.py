"""One encoded image to 8-bit pixels, gray or RGB, exactly or not at all. No torch.

Pillow's own ``convert("RGB")`` clips images of more than 8 bits and drops transparency, without a warning. So each mode
is read here by a rule of its own, and a mode without a rule is refused.
"""

from __future__ import annotations

import contextlib
import io
import struct
import warnings
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from PIL import Image, TiffImagePlugin, UnidentifiedImageError, WebPImagePlugin  # noqa: F401 (two register formats)

from lwq_tune.errors import DatasetError

# What is opened at all: other plugins of Pillow start programs (EPS) or read formats that no data set needs.
FORMATS = ("PNG", "JPEG", "TIFF", "WEBP", "GIF", "BMP", "PPM")
FORMATS_IN_WORDS = "PNG, JPEG, TIFF, WebP, GIF, BMP or PNM"
DAMAGE = (  # what Pillow raises on damaged files
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    IndexError,
    KeyError,
    TypeError,
    OverflowError,
    MemoryError,
    struct.error,
    zlib.error,
    Image.DecompressionBombError,
)
BACKGROUND = "white"
_GRAY_MODES = ("1", "L", "LA", "La", "I", "I;16", "I;16B", "I;16L", "I;16N")
_GRAY_PNG = (0, 4)  # colour types
_ORIENTATION_TAG = 0x0112
_BITS_TAG, _PHOTOMETRIC_TAG, _BLACK_IS_ZERO = 258, 262, 1
_SAMPLE_FORMAT_TAG, _UNSIGNED, _UNDEFINED = 339, 1, 4
_PLANES_TAG, _APART = 284, 2
_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_PNG_DEPTH_AT = 24  # offset of the bit depth in the header chunk, the colour type follows
_BMP_DEPTH_AT = 28


@dataclass(frozen=True)
class DecodedImage:
    """An image as pixels.

    Attributes:
        pixels: Shape (h, w, c), uint8; one channel for gray, three for colour.
        is_composited: Whether it had transparent pixels, which were put on a white background.
        is_read_otherwise: Whether earlier versions read other pixels: they clipped 16 bits, dropped transparency and
            left the EXIF orientation out.
    """

    pixels: np.ndarray[Any, Any]
    is_composited: bool = False
    is_read_otherwise: bool = False


def decode_image(value: object, where: str, size: int | None = None) -> DecodedImage:
    """Return one encoded image as 8-bit gray or RGB.

    Gray has one channel, palettes are resolved. 16 bits become 8 by round(v / 257). Transparency is composited on
    white, round((c * a + 255 * (255 - a)) / 255). The EXIF orientation is applied, colour profiles are not.

    Args:
        value: Encoded bytes, or a mapping with them under ``bytes``.
        where: Names the image in messages.
        size: Side in pixels that it is resized to at the end, see `resize`; None for its own size.

    Raises:
        DatasetError: It is no whole image, animated, or its pixels have no known range.
    """
    encoded = _encoded(value, where)
    with _errors_named(encoded, where):
        image = _open(encoded)
        n_frames = 1 if image.format == "MPO" else getattr(image, "n_frames", 1)
        if n_frames != 1:
            raise DatasetError(f"an image must be one picture, got {n_frames} frames in {where}; keep one of them")
        _check_layout(image, encoded, where)
        image.load()
        decoded = _decode(image, encoded, where)
    return decoded if size is None else replace(decoded, pixels=resize(decoded.pixels, size))


def is_gray(value: object, where: str) -> bool:
    """Return whether `decode_image` gives one channel, by the header of an image.

    Raises:
        DatasetError: It has no readable header.
    """
    encoded = _encoded(value, where)
    if encoded.startswith(_PNG_SIGNATURE) and len(encoded) > _PNG_DEPTH_AT + 1:
        return _png_header(encoded)[1] in _GRAY_PNG  # without Pillow, which takes ten times as long
    with _errors_named(encoded, where), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return _open(encoded).mode in _GRAY_MODES


def resize(pixels: np.ndarray[Any, Any], size: int) -> np.ndarray[Any, Any]:
    """Return an image of ``size`` x ``size`` pixels: bilinear, with a filter as wide as a pixel of the result.

    It is what torchvision's ``Resize`` does with images of Pillow. An image that has the size is returned as it is.

    Args:
        pixels: Shape (h, w, c), uint8; one channel or three.
        size: Width and height of the result.
    """
    if pixels.shape[:2] == (size, size):
        return pixels
    n_channels = pixels.shape[2]
    image = Image.fromarray(np.ascontiguousarray(pixels[:, :, 0] if n_channels == 1 else pixels))
    return np.asarray(image.resize((size, size), Image.Resampling.BILINEAR)).reshape(size, size, n_channels)


def _encoded(value: object, where: str) -> bytes:
    """Return the bytes of an image.

    Raises:
        DatasetError: There are none.
    """
    encoded = value.get("bytes") if isinstance(value, dict) else value
    if not isinstance(encoded, bytes):
        raise DatasetError(_without_bytes(value, where))
    return encoded


@contextlib.contextmanager
def _errors_named(encoded: bytes, where: str) -> Iterator[None]:
    """Raise what Pillow raises as a `DatasetError` that names the image."""
    try:
        yield
    except UnidentifiedImageError as error:
        raise DatasetError(
            f"an image must be a whole {FORMATS_IN_WORDS} file, got {_beginning(encoded)} in {where}; convert it, "
            "write it again, or leave it out"
        ) from error
    except DAMAGE as error:
        reason = str(error) or type(error).__name__
        raise DatasetError(
            f"an image must be a whole {FORMATS_IN_WORDS} file, got {reason} in {where}; write it again, or leave it "
            "out"
        ) from error


def _without_bytes(value: object, where: str) -> str:
    rule = "an image must hold its encoded bytes"
    if value is None:
        return f"{rule}, got an empty row, {where}; fill it, or leave it out"
    if isinstance(value, dict) and value.get("bytes") is not None:
        return f"{rule}, got {type(value['bytes']).__name__} under bytes in {where}; write the content of a file there"
    if isinstance(value, dict) and isinstance(value.get("path"), str):
        return f"{rule}, got none but the path {value['path']!r} in {where}; put the file's content into the table"
    got = ", ".join(map(str, value)) or "no fields" if isinstance(value, dict) else type(value).__name__
    return f"{rule}, got {got} in {where}; write the content of an image file there"


def _beginning(encoded: bytes) -> str:
    """Return what bytes look like that no decoder knows.

    >>> _beginning(b""), _beginning(b"<svg xmlns='http://www.w3.org/2000/svg'/>")
    ('0 bytes', "41 bytes that begin with b'<svg xmlns='")
    """
    return f"{len(encoded):,} bytes" + (f" that begin with {encoded[:11]!r}" if encoded else "")


def _open(encoded: bytes) -> Image.Image:
    return Image.open(io.BytesIO(encoded), formats=FORMATS)


def _check_layout(image: Image.Image, encoded: bytes, where: str) -> None:
    """Refuse what Pillow reads as other pixels than the file holds, as its header tells.

    Raises:
        DatasetError: A GIF's picture leaves a part of its screen open, or a BMP of black and white has more than one
            bit per pixel, which Pillow does not look at.
    """
    tile: Any = image.tile[0] if image.tile else None  # type: ignore[attr-defined]
    if image.format == "GIF" and "transparency" not in image.info and tuple(tile[1]) != (0, 0, *image.size):
        raise DatasetError(
            f"a GIF's picture must fill its screen, or name a transparent colour, got columns {tile[1][0]} to "
            f"{tile[1][2]} and rows {tile[1][1]} to {tile[1][3]} of {image.size[0]}x{image.size[1]} pixels in {where}; "
            "convert it to PNG"
        )
    if image.format == "BMP" and image.mode == "1" and tile[0] == "raw" and encoded[_BMP_DEPTH_AT] != 1:
        raise DatasetError(
            f"a BMP image of black and white must have 1 bit per pixel, got {encoded[_BMP_DEPTH_AT]} in {where}; "
            "convert it to PNG"
        )


def _check_palette(image: Image.Image, where: str) -> None:
    """Refuse a pixel that names a colour beyond the palette: Pillow makes it black.

    Raises:
        DatasetError: There is one.
    """
    n_colors, largest = len(image.getpalette() or ()) // 3, int(np.asarray(image).max())
    if largest >= n_colors:
        raise DatasetError(
            f"pixels must name colours of the palette, which has {n_colors}, got number {largest} in {where}; write "
            "that image again, or leave it out"
        )


def _orientation(image: Image.Image) -> int:
    """Return the EXIF orientation; 1, as the pixels are, where there is none or it is unreadable."""
    try:
        orientation = image.getexif().get(_ORIENTATION_TAG, 1)
    except DAMAGE:
        return 1
    return orientation if isinstance(orientation, int) else 1


def _decode(image: Image.Image, encoded: bytes, where: str) -> DecodedImage:
    """Return the pixels of a loaded image."""
    samples, top, alpha = _samples(image, encoded, where)
    orientation = _orientation(image)
    is_composited = alpha is not None and bool((alpha < top).any())
    if is_composited:
        opacity = alpha[:, :, None].astype(np.float64) / top  # type: ignore[index]
        pixels = np.floor((samples * opacity + top * (1 - opacity)) * (255 / top) + 0.5).astype(np.uint8)
    elif top != 255:
        pixels = np.floor(samples * (255 / top) + 0.5).astype(np.uint8)
    else:
        pixels = samples
    pixels = _oriented(pixels, orientation)
    is_odd = is_composited or top != 255 or orientation != 1
    return DecodedImage(pixels, is_composited, is_odd and not _is_as_read_before(image, pixels))


def _samples(
    image: Image.Image, encoded: bytes, where: str
) -> tuple[np.ndarray[Any, Any], int, np.ndarray[Any, Any] | None]:
    """Return samples, the one that is full intensity, and opacity.

    Samples have shape (h, w, 1) for gray and (h, w, 3) for colour; opacity has shape (h, w), None where full.
    """
    mode, key = image.mode, image.info.get("transparency")
    depth, color_type = _png_header(encoded)
    if depth == 16 and color_type in (2, 4, 6):
        wide = _sixteen_bit_png(encoded, color_type)
        color = wide[:, :, :1] if color_type == 4 else wide[:, :, :3]
        return color, 65535, wide[:, :, -1] if color_type != 2 else _opacity(color, key, 65535)
    if image.format == "TIFF":
        _check_tiff(image, where)
    if mode in ("1", "L"):
        # A PNG of 2 or 4 bits has its levels spread over 0 to 255, but not its transparent one.
        scale = 255 // (2**depth - 1) if depth in (2, 4) else 1
        gray = _gray(np.asarray(image.convert("L")))
        return gray, 255, _opacity(gray, key if key is None else key * scale, 255)
    if mode.startswith("I;16") or (mode == "I" and image.format == "PPM"):
        gray = _gray(np.asarray(image, dtype=np.int64))
        return gray, 65535, _opacity(gray, key, 65535)
    if mode == "RGB":
        color = np.asarray(image)
        return color, 255, _opacity(color, key, 255)
    if mode == "P":
        _check_palette(image, where)
    if mode in ("P", "PA", "RGBA", "RGBa", "LA", "La"):
        straight = np.asarray(image.convert("LA" if mode in ("LA", "La") else "RGBA"))
        return straight[:, :, :-1], 255, straight[:, :, -1]
    if mode in ("RGBX", "CMYK", "YCbCr"):
        return np.asarray(image.convert("RGB")), 255, None
    raise DatasetError(
        f"an image must have 8 bits per channel, or 16 in gray, so that its range is known, got mode {mode} of "
        f"{image.format} in {where}; convert it to 8-bit RGB or gray"
    )


def _gray(values: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    return values[:, :, None]


def _opacity(color: np.ndarray[Any, Any], key: Any, top: int) -> np.ndarray[Any, Any] | None:
    """Return the opacity that one transparent colour, or level, leaves; None without one."""
    if key is None or isinstance(key, bytes):
        return None
    return np.where((color == np.asarray(key)).all(axis=2), 0, top)


def _png_header(encoded: bytes) -> tuple[int, int]:
    """Return bit depth and colour type of a PNG, zeros for other files."""
    if not encoded.startswith(_PNG_SIGNATURE):
        return 0, 0
    return encoded[_PNG_DEPTH_AT], encoded[_PNG_DEPTH_AT + 1]


def _sixteen_bit_png(encoded: bytes, color_type: int) -> np.ndarray[Any, Any]:
    """Return the samples of a PNG with 16 bits per channel, shape (h, w, channels).

    Pillow keeps the upper byte of each sample. Read as little-endian, that is the lower one.
    """

    def read(raw_mode: str) -> np.ndarray[Any, Any]:
        image = _open(encoded)
        image.tile = [tile._replace(args=raw_mode) for tile in image.tile]  # type: ignore[attr-defined]
        return np.asarray(image, dtype=np.int64)

    if color_type == 4:  # gray and alpha, four bytes that pass for one pixel of four channels
        quads = read("RGBA")
        return np.stack([quads[:, :, 0] << 8 | quads[:, :, 1], quads[:, :, 2] << 8 | quads[:, :, 3]], axis=2)
    mode = {2: "RGB", 6: "RGBA"}[color_type]
    upper, lower = read(f"{mode};16B"), read(f"{mode};16L")
    return np.asarray(upper * 256 + lower)


def _check_tiff(image: Any, where: str) -> None:
    """Refuse a TIFF whose samples Pillow cuts down, or does not scale.

    Raises:
        DatasetError: It has more than 8 bits per channel in colour, 9 to 15 in gray, white at 0 with 16, 8 with a sign,
            or gray and alpha one behind the other.
    """
    if image.mode in ("LA", "La", "PA") and image.tag_v2.get(_PLANES_TAG) == _APART:  # Pillow reads one plane as both
        raise DatasetError(
            f"a TIFF image with alpha must have it beside each gray pixel, got two planes in {where}; convert it to PNG"
        )
    bits = image.tag_v2.get(_BITS_TAG, (1,))
    if max(bits) <= 8:
        if not {*image.tag_v2.get(_SAMPLE_FORMAT_TAG, (_UNSIGNED,))} <= {_UNSIGNED, _UNDEFINED}:
            raise DatasetError(
                f"a TIFF image of 8 bits must have unsigned samples, so that its range is known, got signed ones in "
                f"{where}; convert it to 8-bit RGB"
            )
        return
    is_plain = tuple(bits) == (16,) and image.tag_v2.get(_PHOTOMETRIC_TAG) == _BLACK_IS_ZERO
    if not is_plain and image.mode not in ("I", "F"):
        raise DatasetError(
            f"a TIFF image must have 8 bits per channel, or 16 in gray with black at 0, got mode {image.mode} from "
            f"{'+'.join(map(str, bits))} bits in {where}; convert it to 8-bit RGB"
        )


def _oriented(pixels: np.ndarray[Any, Any], orientation: int) -> np.ndarray[Any, Any]:
    """Return pixels, shape (h, w, c), as a viewer shows them; orientations as EXIF numbers them."""
    if orientation in (3, 4, 6, 7):
        pixels = pixels[::-1]
    if orientation in (2, 3, 7, 8):
        pixels = pixels[:, ::-1]
    return pixels.transpose(1, 0, 2) if orientation in (5, 6, 7, 8) else pixels


def _is_as_read_before(image: Image.Image, pixels: np.ndarray[Any, Any]) -> bool:
    """Return whether earlier versions read these pixels."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that transparency is lost
        try:
            before = np.asarray(image.convert("RGB"))
            return np.array_equal(np.broadcast_to(pixels, (*pixels.shape[:2], 3)), before)
        except ValueError:  # mode La, which they could not read
            return False
