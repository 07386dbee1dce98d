"""A picture -> the same as PNG or JPEG, which every provider takes. Run in a process of its own.

What reads strangers' bytes in C is not let into the server: this file is the script of a child that
is bounded in memory and time, reads one picture and ends. The first byte that it writes tells
whether the picture moved: `1` where only its first frame is left.
"""

from __future__ import annotations

import contextlib
import io
import sys
from typing import Any

FORMATS = ("GIF", "WEBP", "BMP", "TIFF", "HEIF", "AVIF")
"""No other reader of Pillow's gets to see the bytes."""
MAX_PIXELS = 100_000_000
MOST_PIXELS = 16_000_000
"""What is larger is made smaller: no model looks at so much."""
MAX_PNG_BYTES = 4 * 1024 * 1024
MAX_MEMORY = 2 * 1024**3
MAX_CPU_S = 15
QUALITY = 92


def main() -> None:
    """Standard input -> standard output."""
    _bound()
    sys.stdout.buffer.write(repainted(sys.stdin.buffer.read()))


def repainted(data: bytes) -> bytes:
    """The first frame, upright. Raises what Pillow raises for what is no picture, or too large."""
    from PIL import Image, ImageOps

    with contextlib.suppress(ImportError):
        import pi_heif

        pi_heif.register_heif_opener()
    Image.MAX_IMAGE_PIXELS = MAX_PIXELS // 2  # Pillow raises above twice that
    with Image.open(io.BytesIO(data), formats=FORMATS) as image:
        moves = bool(getattr(image, "is_animated", False))
        image.seek(0)
        upright = ImageOps.exif_transpose(image)
    if (pixels := upright.width * upright.height) > MOST_PIXELS:
        part = (MOST_PIXELS / pixels) ** 0.5
        upright.thumbnail((int(upright.width * part), int(upright.height * part)))
    return (b"1" if moves else b"0") + _written(upright)


def _written(image: Any) -> bytes:
    """As PNG what may have been drawn, if that is not too much; as JPEG what is a photograph."""
    is_drawn = image.has_transparency_data or image.mode in ("1", "L", "LA", "P", "PA")
    if is_drawn or image.width * image.height <= MOST_PIXELS // 16:
        png = _as(image.convert("RGBA" if image.has_transparency_data else "RGB"), "PNG")
        if len(png) <= MAX_PNG_BYTES:
            return png
    if image.has_transparency_data:
        from PIL import Image

        ground = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(ground, image.convert("RGBA"))
    return _as(image.convert("RGB"), "JPEG", quality=QUALITY, subsampling=0)


def _as(image: Any, form: str, **how: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, form, **how)
    return out.getvalue()


def _bound() -> None:
    """Where the system can: a picture that wants more ends its reader, and nothing else."""
    with contextlib.suppress(ImportError, OSError, ValueError):
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (MAX_MEMORY, MAX_MEMORY))
        resource.setrlimit(resource.RLIMIT_CPU, (MAX_CPU_S, MAX_CPU_S))
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))


if __name__ == "__main__":
    main()
