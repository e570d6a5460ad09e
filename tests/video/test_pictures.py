"""Pictures that are encoded one by one."""

import io
from pathlib import Path

import numpy as np
import pytest

from tabular_labels.errors import FileFormatError, MissingFrameError, MissingVideoError
from tabular_labels.video.pictures import PictureDecoder, encode_picture, format_of
from tabular_labels.video.sequence import PictureFrames
from tests.video.movies import Picture

RNG = np.random.default_rng(3)
COLOUR = RNG.integers(0, 256, (31, 47, 3)).astype(np.uint8)
GREY = RNG.integers(0, 256, (31, 47, 1)).astype(np.uint8)


def decode(data: bytes, *, grey: bool | None = None, swapped: bool = False) -> Picture:
    return PictureDecoder().decode(data, "a.png", "the file", grey=grey, swapped=swapped)


@pytest.mark.parametrize("image", [COLOUR, GREY], ids=["colour", "grey"])
def test_png_keeps_every_pixel(image: Picture) -> None:
    data = encode_picture(image, "png")
    assert format_of(data) == "png"
    assert np.array_equal(decode(data), image)
    assert PictureDecoder().size(data, "a", "b") == image.shape


def test_jpeg_keeps_colours_nearly() -> None:
    flat = np.full((32, 48, 3), (200, 40, 30), np.uint8)
    data = encode_picture(flat, "jpg")
    assert format_of(data) == "jpg"
    assert np.abs(decode(data).astype(int) - flat).max() <= 3
    ramp = np.tile(np.arange(0, 192, 4, dtype=np.uint8), (32, 1))[..., np.newaxis]
    assert np.abs(decode(encode_picture(ramp, "jpg"), grey=True).astype(int) - ramp).max() <= 3


def test_colours_become_brightness_and_back() -> None:
    grey = np.repeat(GREY, 3, axis=2)
    assert np.array_equal(decode(encode_picture(grey, "png"), grey=True), GREY)
    assert np.array_equal(decode(encode_picture(GREY, "png"), grey=False), grey)


def test_swapped_colours_are_put_right() -> None:
    data = encode_picture(np.ascontiguousarray(COLOUR[..., ::-1]), "png")
    assert np.array_equal(decode(data, swapped=True), COLOUR)
    right, wrong = (decode(encode_picture(COLOUR, "png"), grey=True), decode(data, grey=True))
    assert np.array_equal(decode(data, grey=True, swapped=True), right)
    assert not np.array_equal(wrong, right)
    assert np.array_equal(decode(encode_picture(GREY, "png"), swapped=True), GREY)


def test_a_decoder_takes_sizes_and_formats_in_turn() -> None:
    decoder = PictureDecoder()
    for image in (COLOUR, 255 - COLOUR, GREY, COLOUR[:5, :7], GREY[:2, :2]):
        data = encode_picture(np.ascontiguousarray(image), "png")
        assert np.array_equal(decoder.decode(data, "a", "b", grey=None), image)
        decoder.decode(encode_picture(np.ascontiguousarray(image), "jpg"), "a", "b", grey=None)


@pytest.mark.parametrize("form", ["png", "jpg"])
def test_a_cut_picture_is_refused(form: str) -> None:
    data = encode_picture(COLOUR, form)
    with pytest.raises(FileFormatError, match="Restore it from a copy"):
        decode(data[: len(data) // 2])


def test_a_changed_byte_in_a_png_is_noticed() -> None:
    data = bytearray(encode_picture(COLOUR, "png"))
    data[len(data) // 2] ^= 0x55
    with pytest.raises(FileFormatError, match="damaged picture"):
        decode(bytes(data))


def test_a_decoder_works_after_a_damaged_picture() -> None:
    decoder, data = PictureDecoder(), encode_picture(COLOUR, "png")
    with pytest.raises(FileFormatError):
        decoder.decode(data[:200], "a", "b", grey=None)
    assert np.array_equal(decoder.decode(data, "a", "b", grey=None), COLOUR)


@pytest.mark.parametrize("data", [b"", b"<html>", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff"])
def test_what_is_no_picture_is_refused(data: bytes) -> None:
    with pytest.raises(FileFormatError, match=r"a\.png: the file: found"):
        decode(data)


def test_a_picture_that_claims_to_be_huge_is_refused() -> None:
    data = bytearray(encode_picture(GREY, "png"))
    data[16:24] = (2**30).to_bytes(4, "big") * 2
    with pytest.raises(FileFormatError):
        decode(bytes(data))


@pytest.mark.parametrize("form", ["png", "bmp", "tiff", "webp"])
def test_other_programs_pictures_are_read(tmp_path: Path, form: str) -> None:
    pillow = pytest.importorskip("PIL.Image")
    options = {"lossless": True} if form == "webp" else {}
    for i, image in enumerate((COLOUR, np.repeat(GREY, 3, axis=2))):
        pillow.fromarray(image).save(tmp_path / f"{i}.{form}", **options)
    frames = PictureFrames([tmp_path / f"{i}.{form}" for i in (0, 1)])
    assert np.array_equal(frames.read_one(0), COLOUR)
    assert np.array_equal(frames.read([1], grayscale=True)[0], GREY)


def test_palettes_transparency_and_sixteen_bits_become_rgb_and_grey() -> None:
    pillow = pytest.importorskip("PIL.Image")
    deep = GREY[..., 0].astype(np.uint16) * 257
    palette = pillow.fromarray(np.repeat(GREY, 3, axis=2)).quantize(16)
    clear = pillow.fromarray(np.dstack([COLOUR, GREY]))
    shown = {"palette": palette, "clear": clear, "deep": pillow.fromarray(deep)}
    files = {name: io.BytesIO() for name in shown}
    for name, image in shown.items():
        image.save(files[name], "png")
    found = {name: decode(file.getvalue()) for name, file in files.items()}
    assert np.array_equal(found["palette"], np.asarray(palette.convert("RGB")))
    assert np.array_equal(found["clear"], COLOUR)
    assert np.abs(found["deep"].astype(int) - GREY).max() <= 1


def write_sequence(folder: Path, n: int = 4) -> list[Path]:
    paths = [folder / f"{k}.png" for k in range(n)]
    for k, path in enumerate(paths):
        path.write_bytes(encode_picture(np.full((8, 6, 3), 10 * k, np.uint8), "png"))
    return paths


def test_a_sequence_reads_its_files(tmp_path: Path) -> None:
    frames = PictureFrames(write_sequence(tmp_path))
    assert frames.shape == (4, 8, 6, 3)
    assert frames.read([3, 0, 3]).max(axis=(1, 2, 3)).tolist() == [30, 0, 30]
    assert [k for k, _ in frames.iterate()] == [0, 1, 2, 3]


def test_a_missing_picture_names_file_and_frame(tmp_path: Path) -> None:
    paths = write_sequence(tmp_path)
    paths[2].unlink()
    with pytest.raises(MissingVideoError, match=r"2\.png: frame 2: found no such file"):
        PictureFrames(paths).read([0, 1, 2])
    with pytest.raises(MissingFrameError, match="frame 4: found no such frame"):
        PictureFrames(paths).read_one(4)


def test_pictures_of_another_size_are_read_one_by_one(tmp_path: Path) -> None:
    paths = write_sequence(tmp_path)
    paths[1].write_bytes(encode_picture(np.zeros((5, 6, 3), np.uint8), "png"))
    frames = PictureFrames(paths)
    assert frames.read_one(1).shape == (5, 6, 3)
    with pytest.raises(FileFormatError, match="frame 1: found 6 x 5 pixels"):
        frames.read([0, 1])


def test_an_empty_sequence_has_no_frames() -> None:
    frames = PictureFrames([])
    assert frames.n_frames == 0
    assert list(frames.iterate()) == []
    with pytest.raises(MissingFrameError):
        frames.read_one(0)
    with pytest.raises(MissingFrameError):
        _ = frames.shape


def test_a_device_is_no_picture() -> None:
    with pytest.raises(MissingVideoError):
        PictureFrames(["/dev/zero"]).read_one(0)
