"""Every frame is the one that was asked for, whatever the container does to timestamps."""

import shutil
from pathlib import Path

import av
import numpy as np
import pytest

from tabular_labels.errors import FileFormatError
from tabular_labels.video.index import index_video
from tabular_labels.video.media import MediaFile
from tabular_labels.video.reader import iterate_frames, read_frame, read_frames
from tests.video.movies import draw_number, encode, numbered, read_number

N = 60


@pytest.fixture(scope="module")
def movie(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return encode(tmp_path_factory.mktemp("movie") / "a.mp4", N, bf=3, g=20)


def test_a_frame_past_the_end_names_file_frame_and_length(movie: Path) -> None:
    with pytest.raises(FileFormatError) as caught:
        read_frame(movie, N)
    assert str(movie) in str(caught.value)
    assert f"frame {N}" in str(caught.value)
    assert f"{N} frames" in str(caught.value)


def test_a_negative_index_is_refused(tmp_path: Path) -> None:
    movie = encode(tmp_path / "a.mp4", 5)
    with pytest.raises(FileFormatError, match="frame -1"):
        read_frames(movie, [2, -1])


def test_no_indices_give_no_frames(tmp_path: Path) -> None:
    movie = encode(tmp_path / "a.mp4", 5)
    assert read_frames(movie, []).shape == (0, 64, 192, 3)
    assert list(iterate_frames(movie, [])) == []


def test_a_file_cut_in_front_of_a_key_frame_begins_at_the_key_frame(tmp_path: Path) -> None:
    whole = encode(tmp_path / "a.ts", 60, bf=0, g=20, sc_threshold=0)
    packets = whole.read_bytes()
    with av.open(str(whole)) as container:
        position = [p.pos for p in container.demux(video=0) if p.size][12]
    assert position is not None
    # Keep the tables at the start, drop a dozen frames.
    cut = tmp_path / "cut.ts"
    cut.write_bytes(packets[: 188 * 3] + packets[position - position % 188 :])
    assert index_video(cut).n_frames == 40
    assert [read_number(image) for image in read_frames(cut, [0, 21, 39])] == [20, 41, 59]


def test_frames_that_are_not_to_be_shown_do_not_count(tmp_path: Path) -> None:
    whole, hidden = encode(tmp_path / "a.webm", 30, "libvpx", g=30, b=400_000), {4, 11, 12}
    path = tmp_path / "b.webm"
    with av.open(str(whole)) as source, av.open(str(path), "w") as copy:
        stream = copy.add_stream_from_template(source.streams.video[0])
        for k, packet in enumerate(source.demux(video=0)):
            if not packet.size:
                continue
            data = bytearray(bytes(packet))
            data[0] &= ~0x10 if k in hidden else 0xFF  # "show this frame" in VP8
            other = av.Packet(bytes(data))
            other.pts, other.dts, other.time_base = packet.pts, packet.dts, packet.time_base
            other.is_keyframe, other.stream = packet.is_keyframe, stream
            copy.mux(other)
    shown = [k for k in range(30) if k not in hidden]
    assert index_video(path).n_frames == len(shown)
    assert [read_number(read_frame(path, k)) for k in range(len(shown))] == shown


def test_seeking_that_lands_late_falls_back_to_counting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    movie = encode(tmp_path / "a.mp4", 60, bf=2, g=20)
    monkeypatch.setattr(MediaFile, "_land", lambda *_: False)
    assert [read_number(image) for image in read_frames(movie, [45, 7])] == [45, 7]


def test_a_replaced_file_is_indexed_again(tmp_path: Path) -> None:
    movie = encode(tmp_path / "a.mp4", 12)
    assert index_video(movie).n_frames == 12
    encode(tmp_path / "b.mp4", 31).replace(movie)
    assert index_video(movie).n_frames == 31
    assert read_number(read_frame(movie, 30)) == 30


def test_the_index_knows_size_and_rate(tmp_path: Path) -> None:
    index = index_video(encode(tmp_path / "a.mp4", 40, g=10, bf=0, sc_threshold=0))
    assert (index.n_frames, index.height, index.width, index.fps) == (40, 64, 192, 30.0)
    assert index.keys.tolist() == [0, 10, 20, 30]


def test_portrait_videos_are_shown_upright(tmp_path: Path) -> None:
    movie = encode(tmp_path / "a.mp4", 5)
    data = bytearray(movie.read_bytes())
    matrix = data.index(b"tkhd") + 44
    # x' = -y, y' = x: stored pictures are shown turned a quarter clockwise.
    turned = [0, 1 << 16, 0, -(1 << 16), 0, 0, 0, 0, 1 << 30]
    data[matrix : matrix + 36] = b"".join(v.to_bytes(4, "big", signed=True) for v in turned)
    movie.write_bytes(data)
    image = read_frame(movie, 3)
    assert image.shape == (192, 64, 3)
    assert read_number(np.rot90(image)) == 3
    assert read_frames(movie, [1, 2]).shape == (2, 192, 64, 3)


def test_a_missing_file_says_so(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"gone\.mp4: frame 7: found no such file"):
        read_frame(tmp_path / "gone.mp4", 7)


@pytest.mark.parametrize("content", [b"", b"not a video at all" * 50])
def test_a_file_that_is_no_video_says_so(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.mp4"
    path.write_bytes(content)
    with pytest.raises(FileFormatError, match=r"a\.mp4: .*expected a video"):
        read_frame(path, 0)


def test_a_truncated_file_says_so(tmp_path: Path) -> None:
    movie = encode(tmp_path / "a.mp4", 60, bf=0)
    movie.write_bytes(movie.read_bytes()[:-3000])  # the table of contents is at the end
    with pytest.raises(FileFormatError, match="expected a video"):
        read_frame(movie, 0)


def test_sound_without_pictures_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=8000)
        assert isinstance(stream, av.AudioStream)
        frame = av.AudioFrame.from_ndarray(
            np.zeros((1, 1024), np.float32), format="fltp", layout="mono"
        )
        frame.sample_rate = 8000
        container.mux([*stream.encode(frame), *stream.encode(None)])
    with pytest.raises(FileFormatError, match="no video stream"):
        read_frame(path, 0)


def test_a_play_list_does_not_lead_to_other_files(tmp_path: Path) -> None:
    encode(tmp_path / "secret.ts", 10)
    lists = {
        "a.m3u8": "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nsecret.ts\n#EXT-X-ENDLIST\n",
        "b.ffconcat": "ffconcat version 1.0\nfile secret.ts\n",
    }
    for name, text in lists.items():
        (tmp_path / name).write_text(text)
        with pytest.raises(FileFormatError, match="FFmpeg cannot read"):
            read_frame(tmp_path / name, 0)


def test_a_name_that_looks_like_an_address_is_a_name(tmp_path: Path) -> None:
    movie = tmp_path / "concat:a|b.mp4"
    shutil.copy(encode(tmp_path / "a.mp4", 5), movie)
    assert read_number(read_frame(movie, 4)) == 4


def test_a_change_of_size_is_reported(tmp_path: Path) -> None:
    first = encode(tmp_path / "a.h264", 10, bf=0)
    other = tmp_path / "b.h264"
    with av.open(str(other), "w") as container:
        stream = container.add_stream("libx264", rate=30)
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        for image in numbered(5):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image[:, :96]), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    joined = tmp_path / "c.h264"
    joined.write_bytes(first.read_bytes() + other.read_bytes())
    assert read_number(read_frames(joined, [9])[0]) == 9
    with pytest.raises(FileFormatError, match="96 x 64 pixels"):
        read_frames(joined, [9, 12])


def test_numbers_survive_drawing() -> None:
    assert [read_number(draw_number(k)) for k in (0, 1, 2047, 4095)] == [0, 1, 2047, 4095]


def test_real_videos_match_decoding_from_the_start(shared_data: Path) -> None:
    path = shared_data / "small_robot.mp4"
    with av.open(str(path)) as container:
        truth = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    assert index_video(path).n_frames == len(truth)
    for frame_idx in (0, 7, len(truth) // 2, len(truth) - 1):
        assert np.array_equal(read_frame(path, frame_idx), truth[frame_idx])


def count_seeks(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Note each seek, by the timestamp that was wanted."""
    seen: list[int] = []
    original = MediaFile._land

    def land(self: MediaFile, target: int, wanted: int) -> bool:
        seen.append(wanted)
        return original(self, target, wanted)

    monkeypatch.setattr(MediaFile, "_land", land)
    return seen


def test_reading_on_does_not_seek_again(movie: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seeks = count_seeks(monkeypatch)
    assert [read_number(read_frame(movie, k)) for k in range(N)] == list(range(N))
    assert len(seeks) <= 2


def test_each_group_of_pictures_is_sought_once(
    movie: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seeks = count_seeks(monkeypatch)
    asked = [59, 1, 58, 2, 57]
    assert [read_number(image) for image in read_frames(movie, asked)] == asked
    assert len(seeks) == 2


def test_a_damaged_middle_names_the_frame(tmp_path: Path) -> None:
    movie = encode(tmp_path / "a.mp4", N, bf=0, g=20, sc_threshold=0)
    with av.open(str(movie)) as container:
        packets = [p for p in container.demux(video=0) if p.size]
        position, size = packets[30].pos, packets[30].size
    assert position is not None
    data = bytearray(movie.read_bytes())
    data[position : position + size] = b"\xff" * size
    movie.write_bytes(data)
    assert read_number(read_frame(movie, 19)) == 19
    assert read_number(read_frame(movie, 45)) == 45
    with pytest.raises(FileFormatError, match=r"a\.mp4: frame 30: ") as caught:
        read_frame(movie, 30)
    assert "Restore the file" in str(caught.value)
