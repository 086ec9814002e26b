"""Every mode that Pillow can deliver: the right 8-bit gray or RGB values, or a refusal that names image and mode."""

from __future__ import annotations

import contextlib
import io
import struct
import zlib
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from lwq_tune.data.decoding import DecodedImage, decode_image, is_gray
from lwq_tune.errors import DatasetError

RNG = np.random.default_rng(0)
RGB = RNG.integers(0, 256, (32, 32, 3), dtype=np.uint8)
GRAY = RNG.integers(0, 256, (32, 32), dtype=np.uint8)
ALPHA = np.where(RNG.random((32, 32)) < 0.3, 255, RNG.integers(0, 256, (32, 32))).astype(np.uint8)
WIDE = RNG.integers(0, 65536, (32, 32, 4), dtype=np.uint16)
WIDE[0, :, :] = (np.arange(32, dtype=np.uint16) * 257 + 128)[:, None]  # the last level before the next, and the first
WIDE[1, :, :] = (np.arange(32, dtype=np.uint16) * 257 + 129)[:, None]


def encode(image: Image.Image, file_format: str, **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, file_format, **options)
    return stream.getvalue()


def png(rows: list[bytes], depth: int, color_type: int, *, size: int = 32, **chunks: bytes) -> bytes:
    """Return a PNG written by hand, without Pillow; each row is its packed samples."""

    def chunk(name: str, content: bytes) -> bytes:
        body = name.encode() + content
        return struct.pack(">I", len(content)) + body + struct.pack(">I", zlib.crc32(body))

    header = struct.pack(">IIBBBBB", size, size, depth, color_type, 0, 0, 0)
    data = zlib.compress(b"".join(b"\0" + row for row in rows))
    before = b"".join(chunk(name, content) for name, content in chunks.items())
    return b"\x89PNG\r\n\x1a\n" + chunk("IHDR", header) + before + chunk("IDAT", data) + chunk("IEND", b"")


def wide_rows(samples: np.ndarray) -> list[bytes]:
    return [row.astype(">u2").tobytes() for row in samples]


def packed_rows(levels: np.ndarray, depth: int) -> list[bytes]:
    bits = np.unpackbits(levels.astype(np.uint8)[:, :, None], axis=2)[:, :, 8 - depth :]
    return [np.packbits(row.reshape(-1)).tobytes() for row in bits]


def gray(values: np.ndarray) -> np.ndarray:
    return values[:, :, None]


def exactly(numerator: int, denominator: int) -> int:
    """Round half up, in integers."""
    return int((Fraction(numerator, denominator) + Fraction(1, 2)).__floor__())


def to_eight_bits(values: np.ndarray) -> np.ndarray:
    return np.vectorize(lambda v: exactly(int(v), 257))(values).astype(np.uint8)


def on_white(color: np.ndarray, alpha: np.ndarray, top: int = 255) -> np.ndarray:
    """Return color * alpha + white * (1 - alpha) at 8 bits, in exact arithmetic."""
    both = np.broadcast_arrays(color.astype(object), alpha[:, :, None].astype(object))
    mixed = np.vectorize(lambda c, a: exactly((c * a + top * (top - a)) * 255, top * top))
    return mixed(*both).astype(np.uint8)


def decode(encoded: bytes) -> DecodedImage:
    return decode_image({"bytes": encoded, "path": None}, "row 3 of shard.parquet")


def palette_image(mode: str = "P") -> Image.Image:
    image = Image.fromarray(GRAY % 16, "L").convert("L")
    image = Image.frombytes("P", (32, 32), (GRAY % 16).tobytes())
    image.putpalette(PALETTE.tobytes())
    return image if mode == "P" else image.convert(mode)


PALETTE = RNG.integers(0, 256, (256, 3), dtype=np.uint8)
COLORS = PALETTE[GRAY % 16]
BITS = GRAY % 2
PALETTE_ALPHA = np.array([0, 100, 200, *[255] * 13], dtype=np.uint8)

OPAQUE = {
    "PNG 1": (encode(Image.fromarray(BITS * 255).convert("1"), "PNG"), gray(BITS * 255)),
    "PNG L": (encode(Image.fromarray(GRAY), "PNG"), gray(GRAY)),
    "PNG L of 2 bits": (png(packed_rows(GRAY % 4, 2), 2, 0), gray(GRAY % 4 * 85)),
    "PNG L of 4 bits": (png(packed_rows(GRAY % 16, 4), 4, 0), gray(GRAY % 16 * 17)),
    "PNG P": (encode(palette_image(), "PNG"), COLORS),
    "PNG RGB": (encode(Image.fromarray(RGB), "PNG"), RGB),
    "PNG I;16": (encode(Image.fromarray(WIDE[:, :, 0]), "PNG"), gray(to_eight_bits(WIDE[:, :, 0]))),
    "PNG I;16 by hand": (png(wide_rows(WIDE[:, :, 0]), 16, 0), gray(to_eight_bits(WIDE[:, :, 0]))),
    "PNG RGB of 16 bits": (png(wide_rows(WIDE[:, :, :3]), 16, 2), to_eight_bits(WIDE[:, :, :3])),
    "TIFF 1": (encode(Image.fromarray(BITS * 255).convert("1"), "TIFF"), gray(BITS * 255)),
    "TIFF L": (encode(Image.fromarray(GRAY), "TIFF"), gray(GRAY)),
    "TIFF P": (encode(palette_image(), "TIFF"), COLORS),
    "TIFF RGB": (encode(Image.fromarray(RGB), "TIFF", compression="tiff_lzw"), RGB),
    "TIFF I;16": (encode(Image.fromarray(WIDE[:, :, 0]), "TIFF"), gray(to_eight_bits(WIDE[:, :, 0]))),
    "TIFF I;16B": (
        encode(Image.frombytes("I;16B", (32, 32), WIDE[:, :, 0].astype(">u2").tobytes()), "TIFF"),
        gray(to_eight_bits(WIDE[:, :, 0])),
    ),
    "WebP RGB": (encode(Image.fromarray(RGB), "WEBP", lossless=True), RGB),
    "GIF P": (encode(palette_image(), "GIF"), COLORS),
    "GIF L": (encode(Image.fromarray(GRAY), "GIF"), np.dstack([GRAY] * 3)),  # written with a palette
    "BMP 1": (encode(Image.fromarray(BITS * 255).convert("1"), "BMP"), gray(BITS * 255)),
    "BMP L": (encode(Image.fromarray(GRAY), "BMP"), gray(GRAY)),
    "BMP P": (encode(palette_image(), "BMP"), COLORS),
    "BMP RGB": (encode(Image.fromarray(RGB), "BMP"), RGB),
    "PPM RGB": (encode(Image.fromarray(RGB), "PPM"), RGB),
    "PGM of 16 bits": (
        b"P5 32 32 65535\n" + WIDE[:, :, 0].astype(">u2").tobytes(),
        gray(to_eight_bits(WIDE[:, :, 0])),
    ),
}


@pytest.mark.parametrize("kind", OPAQUE)
def test_lossless_pixels_come_back_as_they_went_in(kind: str) -> None:
    encoded, expected = OPAQUE[kind]
    decoded = decode(encoded)
    assert decoded.pixels.dtype == np.uint8
    assert np.array_equal(decoded.pixels, expected)
    assert not decoded.is_composited


@pytest.mark.parametrize("kind", [*OPAQUE])
def test_an_image_is_gray_by_its_header_where_it_has_one_channel(kind: str) -> None:
    encoded, expected = OPAQUE[kind]
    assert is_gray({"bytes": encoded}, "row 3") == (expected.shape[2] == 1)


@pytest.mark.parametrize("size", [16, 48])
@pytest.mark.parametrize("pixels", [RGB, GRAY[:, :, None], RGB[:20, :29]])
def test_a_resized_image_is_the_bilinear_mean_of_its_pixels(pixels: np.ndarray, size: int) -> None:
    image = Image.fromarray(pixels if pixels.shape[2] == 3 else pixels[:, :, 0])
    resized = decode_image(encode(image, "PNG"), "row 3", size).pixels
    assert (resized.shape, resized.dtype) == ((size, size, pixels.shape[2]), np.uint8)

    def weights(n_from: int) -> np.ndarray:
        """Return what each pixel of a side gives to each of the result: a triangle, as wide as the coarser of both."""
        scale = n_from / size
        places = (np.arange(n_from)[None] + 0.5 - (np.arange(size)[:, None] + 0.5) * scale) / max(scale, 1)
        found = np.maximum(1 - np.abs(places), 0)
        return found / found.sum(axis=1, keepdims=True)

    height, width, _ = pixels.shape
    expected = np.einsum("ih,hwc,jw->ijc", weights(height), pixels.astype(float), weights(width))
    assert np.abs(resized - expected).max() <= 1.1, "Pillow rounds twice"


def test_an_image_that_has_the_size_is_left_as_it_is() -> None:
    assert np.array_equal(decode_image(encode(Image.fromarray(RGB), "PNG"), "row 3", 32).pixels, RGB)


def test_color_key_of_16_bits() -> None:
    key = b"".join(int(v).to_bytes(2) for v in WIDE[5, 5, :3])
    pixels = decode(png(wide_rows(WIDE[:, :, :3]), 16, 2, tRNS=key)).pixels
    expected = to_eight_bits(WIDE[:, :, :3])
    expected[5, 5] = 255
    assert np.array_equal(pixels, expected)


TRANSPARENT = {
    "PNG LA": (
        encode(Image.fromarray(np.stack([GRAY, ALPHA], axis=2), "LA"), "PNG"),
        on_white(gray(GRAY), ALPHA),
    ),
    "PNG RGBA": (encode(Image.fromarray(np.dstack([RGB, ALPHA])), "PNG"), on_white(RGB, ALPHA)),
    "PNG P with alphas": (
        encode(palette_image(), "PNG", transparency=PALETTE_ALPHA.tobytes()),
        on_white(COLORS, PALETTE_ALPHA[GRAY % 16]),
    ),
    "PNG P with one clear entry": (
        encode(palette_image(), "PNG", transparency=3),
        on_white(COLORS, np.where(GRAY % 16 == 3, 0, 255)),
    ),
    "PNG L with a clear level": (
        encode(Image.fromarray(GRAY), "PNG", transparency=int(GRAY[0, 0])),
        on_white(gray(GRAY), np.where(GRAY[0, 0] == GRAY, 0, 255)),
    ),
    "PNG L of 4 bits with a clear level": (
        png(packed_rows(GRAY % 16, 4), 4, 0, tRNS=b"\0\x05"),
        on_white(gray(GRAY % 16 * 17), np.where(GRAY % 16 == 5, 0, 255)),
    ),
    "PNG 1 with black clear": (
        png(packed_rows(BITS, 1), 1, 0, tRNS=b"\0\0"),
        np.full((32, 32, 1), 255, dtype=np.uint8),
    ),
    "PNG RGB with a clear colour": (
        encode(Image.fromarray(RGB), "PNG", transparency=tuple(int(v) for v in RGB[4, 7])),
        on_white(RGB, np.where((RGB[4, 7] == RGB).all(axis=2), 0, 255)),
    ),
    "PNG I;16 with a clear level": (
        png(wide_rows(WIDE[:, :, 0]), 16, 0, tRNS=int(WIDE[9, 9, 0]).to_bytes(2)),
        on_white(gray(WIDE[:, :, 0]), np.where(WIDE[:, :, 0] == WIDE[9, 9, 0], 0, 65535), 65535),
    ),
    "PNG LA of 16 bits": (
        png(wide_rows(WIDE[:, :, :2]), 16, 4),
        on_white(gray(WIDE[:, :, 0]), WIDE[:, :, 1], 65535),
    ),
    "PNG RGBA of 16 bits": (
        png(wide_rows(WIDE), 16, 6),
        on_white(WIDE[:, :, :3], WIDE[:, :, 3], 65535),
    ),
    "TIFF RGBA": (encode(Image.fromarray(np.dstack([RGB, ALPHA])), "TIFF"), on_white(RGB, ALPHA)),
    "TIFF LA": (encode(Image.fromarray(np.dstack([GRAY, ALPHA]), "LA"), "TIFF"), on_white(gray(GRAY), ALPHA)),
    "TIFF PA": (
        encode(palette_image("PA"), "TIFF"),
        COLORS,
    ),
    "WebP RGBA": (
        encode(Image.fromarray(np.dstack([RGB, ALPHA])), "WEBP", lossless=True, exact=True),
        on_white(RGB, ALPHA),
    ),
    "GIF P with one clear entry": (
        encode(palette_image(), "GIF", transparency=3),
        on_white(COLORS, np.where(GRAY % 16 == 3, 0, 255)),
    ),
}


@pytest.mark.parametrize("kind", TRANSPARENT)
def test_transparent_pixels_are_put_on_white(kind: str) -> None:
    encoded, expected = TRANSPARENT[kind]
    decoded = decode(encoded)
    assert is_gray(encoded, "row 3") == (expected.shape[2] == 1)
    assert np.array_equal(decoded.pixels, expected)
    assert decoded.is_composited == (kind != "TIFF PA")


def test_cmyk_becomes_rgb_by_the_plain_formula() -> None:
    cmyk = RNG.integers(0, 256, (32, 32, 4), dtype=np.uint8)
    pixels = decode(encode(Image.fromarray(cmyk, "CMYK"), "TIFF")).pixels
    rounded = (255 - cmyk[..., :3].astype(float)) * (255 - cmyk[..., 3:].astype(float)) / 255
    assert np.abs(pixels - rounded).max() <= 1


def test_ycbcr_becomes_rgb_by_the_formula_of_jfif() -> None:
    ycc = RNG.integers(90, 160, (32, 32, 3), dtype=np.uint8)
    pixels = decode(encode(Image.fromarray(ycc, "YCbCr"), "TIFF")).pixels
    y, cb, cr = (ycc[..., i].astype(float) for i in range(3))
    expected = [y + 1.402 * (cr - 128), y - 0.344136 * (cb - 128) - 0.714136 * (cr - 128), y + 1.772 * (cb - 128)]
    assert np.abs(pixels - np.stack(expected, axis=2)).max() <= 1.5


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
def test_a_jpeg_is_read_as_its_own_decoder_reads_it(mode: str) -> None:
    smooth = np.add.outer(np.arange(32), np.arange(32)) * 4
    image = Image.fromarray(smooth.astype(np.uint8)).convert(mode)
    encoded = encode(image, "JPEG", quality=100, subsampling=0) if mode != "L" else encode(image, "JPEG", quality=100)
    assert np.abs(decode(encoded).pixels.astype(int) - smooth[:, :, None]).max() <= 2


# What a viewer does, by the words of the EXIF standard: where row 0 and column 0 of the file lie in the scene.
ORIENTATIONS = {
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: np.rot90(a, 2),
    4: lambda a: a[::-1],
    5: lambda a: np.swapaxes(a, 0, 1),
    6: lambda a: np.rot90(a, -1),
    7: lambda a: np.swapaxes(np.rot90(a, 2), 0, 1),
    8: lambda a: np.rot90(a, 1),
}


@pytest.mark.parametrize("orientation", ORIENTATIONS)
@pytest.mark.parametrize("file_format", ["PNG", "WEBP", "TIFF", "JPEG"])
def test_the_exif_orientation_is_applied_once(orientation: int, file_format: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"WEBP": {"lossless": True}, "JPEG": {"quality": 100, "subsampling": 0}}.get(file_format, {})
    image = Image.fromarray(RGB)
    plain = decode(encode(image, file_format, **options)).pixels
    decoded = decode(encode(image, file_format, exif=exif, **options))
    assert np.array_equal(decoded.pixels, ORIENTATIONS[orientation](plain))


def test_images_that_earlier_versions_read_otherwise_are_known() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    for encoded in (OPAQUE["PNG I;16"][0], TRANSPARENT["PNG RGBA"][0], encode(Image.fromarray(RGB), "PNG", exif=exif)):
        assert decode(encoded).is_read_otherwise
    for kind in ("PNG L", "PNG P", "PNG 1", "TIFF RGB", "GIF P"):
        assert not decode(OPAQUE[kind][0]).is_read_otherwise, kind
    opaque = np.full((32, 32), 255, dtype=np.uint8)
    assert not decode(encode(Image.fromarray(np.dstack([RGB, opaque])), "PNG")).is_read_otherwise


def tiff(samples: np.ndarray, bits: int, photometric: int, sample_format: int = 1) -> bytes:
    """Return a little-endian TIFF of one strip, written by hand."""
    n_channels = 1 if samples.ndim == 2 else samples.shape[2]
    data = samples.tobytes()
    extra = struct.pack(f"<{n_channels}H", *[bits] * n_channels)
    entries = [
        (256, 4, 1, 32),
        (257, 4, 1, 32),
        (258, 3, n_channels, bits if n_channels == 1 else 8 + 2 + 10 * 12 + 4),
        (259, 3, 1, 1),
        (262, 3, 1, photometric),
        (273, 4, 1, 8 + 2 + 10 * 12 + 4 + len(extra)),
        (277, 3, 1, n_channels),
        (278, 4, 1, 32),
        (279, 4, 1, len(data)),
        (339, 3, 1, sample_format),
    ]
    table = b"".join(struct.pack("<HHII", *entry) for entry in entries)
    return b"II*\0" + struct.pack("<IH", 8, len(entries)) + table + b"\0\0\0\0" + extra + data


def tiff_with_alpha(parts: list[bytes], planes: int, kind_of_alpha: int) -> bytes:
    """Return a little-endian TIFF of gray and alpha, deflated, in one strip (planes 1) or one for each (2), by hand."""
    strips = [zlib.compress(part) for part in parts]
    tables = 8 + 2 + 11 * 12 + 4
    begins = [tables + 16 + sum(map(len, strips[:index])) for index in range(len(strips))]
    lengths = [len(strip) for strip in strips]
    n, is_one = len(strips), len(strips) == 1
    entries = [
        (256, 4, 1, 32),
        (257, 4, 1, 32),
        (258, 3, 2, 8 | 8 << 16),
        (259, 3, 1, 8),
        (262, 3, 1, 1),
        (273, 4, n, begins[0] if is_one else tables),
        (277, 3, 1, 2),
        (278, 4, 1, 32),
        (279, 4, n, lengths[0] if is_one else tables + 8),
        (284, 3, 1, planes),
        (338, 3, 1, kind_of_alpha),
    ]
    head = b"II*\0" + struct.pack("<IH", 8, len(entries)) + b"".join(struct.pack("<HHII", *entry) for entry in entries)
    return head + bytes(4) + struct.pack("<4I", *(begins * 2)[:2], *(lengths * 2)[:2]) + b"".join(strips)


def test_gray_that_is_multiplied_with_its_alpha_already_is_put_on_white() -> None:
    dark = np.minimum(GRAY, ALPHA)
    decoded = decode(tiff_with_alpha([np.dstack([dark, ALPHA]).tobytes()], 1, kind_of_alpha=1))
    expected = gray(dark).astype(int) + 255 - ALPHA[:, :, None]
    assert np.abs(decoded.pixels - expected).max() <= 1, "Pillow divides by alpha at 8 bits"
    assert decoded.is_read_otherwise


def gif(levels: np.ndarray, palette: np.ndarray, *, left: int = 0, clear: int | None = None) -> bytes:
    """Return a GIF of 32x32 pixels whose picture begins at a column, written by hand: levels of 7 bits."""
    codes = [code for index, level in enumerate(levels.reshape(-1)) for code in ([128] * (index % 100 == 0) + [level])]
    bits = np.unpackbits(np.array([*codes, 129], dtype=np.uint8)[:, None], axis=1, bitorder="little")
    data = np.packbits(bits.reshape(-1), bitorder="little").tobytes()
    blocks = b"".join(bytes([len(data[i : i + 255])]) + data[i : i + 255] for i in range(0, len(data), 255))
    control = b"" if clear is None else b"\x21\xf9\x04\x01\0\0" + bytes([clear]) + b"\0"
    place = struct.pack("<HHHHB", left, 0, levels.shape[1], levels.shape[0], 0)
    screen = struct.pack("<HHBBB", 32, 32, 0xF0 + len(palette).bit_length() - 2, 5, 0)
    return b"GIF89a" + screen + palette.tobytes() + control + b"," + place + b"\x07" + blocks + b"\0;"


def bmp(pixels: bytes, bits: int, palette: np.ndarray) -> bytes:
    """Return a BMP of 32x32 pixels with a palette of blue, green, red and nothing, written by hand."""
    begin = 14 + 40 + palette.nbytes
    header = struct.pack("<IiiHHIIiiII", 40, 32, 32, 1, bits, 0, len(pixels), 0, 0, len(palette), 0)
    return b"BM" + struct.pack("<IHHI", begin + len(pixels), 0, 0, begin) + header + palette.tobytes() + pixels


LEVELS = GRAY % 64
GIF_PALETTE = PALETTE[:64]
BLACK_AND_WHITE = np.array([[0] * 4, [255, 255, 255, 0]], dtype=np.uint8)


def test_a_gif_is_read_by_its_own_palette_and_what_it_leaves_open_is_clear() -> None:
    assert np.array_equal(decode(gif(LEVELS, GIF_PALETTE)).pixels, GIF_PALETTE[LEVELS])
    part = decode(gif(LEVELS[:, 4:], GIF_PALETTE, left=4, clear=63)).pixels
    alpha = np.where((np.arange(32) < 4) | (LEVELS == 63), 0, 255)
    assert np.array_equal(part, on_white(GIF_PALETTE[LEVELS], alpha))


def test_a_bmp_of_black_and_white_is_read_at_one_bit() -> None:
    encoded = bmp(np.packbits(BITS, axis=1)[::-1].tobytes(), 1, BLACK_AND_WHITE)
    assert np.array_equal(decode(encoded).pixels, gray(BITS * 255))


@pytest.mark.parametrize("file_format", ["PNG", "WEBP", "JPEG"])
def test_broken_metadata_leave_the_pixels_as_they_are(file_format: str) -> None:
    options = {"lossless": True} if file_format == "WEBP" else {}
    plain, broken = (encode(Image.fromarray(RGB), file_format, exif=b"Exif\0\0" + e, **options) for e in (b"", b"junk"))
    assert np.array_equal(decode(broken).pixels, decode(plain).pixels)


REFUSED = {
    "PNG P whose palette is short": (
        png(packed_rows(GRAY % 16, 4), 4, 3, PLTE=PALETTE[:15].tobytes()),
        "which has 15, got number 15 in",
    ),
    "BMP P whose palette is short": (
        bmp((GRAY % 8).tobytes(), 8, np.pad(PALETTE[:5], ((0, 0), (0, 1)))),
        "which has 5, got number 7 in",
    ),
    "GIF P whose palette is short": (gif(LEVELS, GIF_PALETTE[:32]), "which has 32, got number 63 in"),
    "GIF that leaves a part of its screen open": (
        gif(LEVELS[:, 4:], GIF_PALETTE, left=4),
        "got columns 4 to 32 and rows 0 to 32 of 32x32 pixels",
    ),
    "BMP of black and white at 8 bits, which Pillow reads at 1": (
        bmp(BITS.tobytes(), 8, BLACK_AND_WHITE),
        "must have 1 bit per pixel, got 8",
    ),
    "BMP of black and white at 4 bits": (
        bmp((BITS[:, ::2] << 4 | BITS[:, 1::2]).tobytes(), 4, BLACK_AND_WHITE),
        "must have 1 bit per pixel, got 4",
    ),
    "TIFF of gray and alpha in two planes": (
        tiff_with_alpha([GRAY.tobytes(), ALPHA.tobytes()], 2, kind_of_alpha=2),
        "each gray pixel, got two planes",
    ),
    "TIFF L with a sign": (tiff(GRAY, 8, 1, sample_format=2), "unsigned samples, .* got signed ones"),
    "TIFF F": (encode(Image.fromarray(GRAY.astype(np.float32)), "TIFF"), "mode F of TIFF"),
    "TIFF I": (encode(Image.fromarray(GRAY.astype(np.int32)), "TIFF"), "mode I of TIFF"),
    "TIFF I;16S": (tiff(WIDE[:, :, 0], 16, 1, sample_format=2), "mode I of TIFF"),
    "TIFF RGB of 16 bits": (tiff(WIDE[:, :, :3], 16, 2), "mode RGB from 16\\+16\\+16 bits"),
    "TIFF I;16 with white at 0": (tiff(WIDE[:, :, 0], 16, 0), "mode I;16 from 16 bits"),
    "TIFF LAB": (encode(Image.fromarray(RGB, "LAB"), "TIFF"), "mode LAB of TIFF"),
    "PFM F": (b"Pf\n32 32\n-1.0\n" + GRAY.astype("<f4").tobytes(), "mode F of PPM"),
    "animated GIF": (
        encode(Image.fromarray(RGB), "GIF", save_all=True, append_images=[Image.fromarray(RGB[::-1])]),
        "got 2 frames",
    ),
    "animated PNG": (
        encode(Image.fromarray(RGB), "PNG", save_all=True, append_images=[Image.fromarray(RGB[::-1])]),
        "got 2 frames",
    ),
    "animated WebP": (
        encode(Image.fromarray(RGB), "WEBP", save_all=True, append_images=[Image.fromarray(RGB[::-1])]),
        "got 2 frames",
    ),
    "TIFF of two pages": (
        encode(Image.fromarray(RGB), "TIFF", save_all=True, append_images=[Image.fromarray(RGB)]),
        "got 2 frames",
    ),
    "no image": (b"no image at all", "whole PNG.* got 15 bytes that begin with b'no image at'"),
    "empty": (b"", "whole PNG.* got 0 bytes"),
    "half a JPEG": (encode(Image.fromarray(RGB), "JPEG")[:700], "whole PNG"),
    "a program for a printer": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 32 32\n", "whole PNG"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_has_no_known_range_or_is_no_single_picture_is_refused_with_its_place(kind: str) -> None:
    encoded, message = REFUSED[kind]
    with pytest.raises(DatasetError, match=f"{message}.*row 3 of shard.parquet"):
        decode(encoded)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (None, "got an empty row, row 3"),
        (
            {"bytes": None, "path": "cat.png"},
            "got none but the path 'cat.png' in row 3 of shard.parquet; put the file's content",
        ),
        ({"bytes": None, "path": None}, "got bytes, path in row 3"),
        ({"bytes": "aGVsbG8=", "path": "cat.png"}, "got str under bytes in row 3"),
        ("cat.png", "got str in row 3"),
        ([[0, 1]], "got list in row 3"),
    ],
)
def test_missing_bytes_are_named_with_the_way_out(value: object, message: str) -> None:
    with pytest.raises(DatasetError, match=f"an image must hold its encoded bytes, {message}"):
        decode_image(value, "row 3 of shard.parquet")


@pytest.mark.filterwarnings("ignore")  # Pillow's remarks on damage
@given(st.sampled_from([*OPAQUE, *TRANSPARENT]), st.data())
def test_damaged_bytes_give_pixels_or_one_error_and_never_another(kind: str, data: st.DataObject) -> None:
    content = bytearray((OPAQUE | TRANSPARENT)[kind][0])
    if data.draw(st.booleans()):
        del content[data.draw(st.integers(0, len(content))) :]
    for _ in range(data.draw(st.integers(0, 3)) if content else 0):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(DatasetError):
        pixels = decode(bytes(content)).pixels
        assert (pixels.dtype, pixels.ndim) == (np.uint8, 3)
        assert pixels.shape[2] in (1, 3)
