import time

import numpy as np
import polars as pl

from tabular_labels.model.tables import Structure
from tabular_labels.queries.split_tracks import group_pairs, group_tracks


def test_a_chain_of_tracks_joins_its_frames() -> None:
    # Frame k holds tracks k and k + 1; frame 5_000 holds none, and cuts the chain.
    n = 10_000
    frames = pl.DataFrame({"frame_id": np.arange(n, dtype=np.uint32)})
    held = np.delete(np.arange(n), 5_000)
    track = np.stack([held, np.where(held == 4_999, held, held + 1)], axis=1).ravel()
    instances = pl.DataFrame(
        {"frame_id": np.repeat(held, 2).astype(np.uint32), "track_id": track.astype(np.uint32)}
    )
    tracks = pl.DataFrame({"track_id": np.arange(n + 1, dtype=np.uint32)})
    leaders = group_tracks(Structure(frames, instances, np.array([1])), tracks)
    assert np.unique(leaders).tolist() == [0, 5_000, 5_001]
    assert np.bincount(leaders)[[0, 5_000, 5_001]].tolist() == [5_000, 1, 4_999]


def test_a_frame_may_come_in_several_pieces_and_out_of_order() -> None:
    pieces = [([5, 1], [0, 0]), ([2, 0], [2, 3]), ([5], [3])]
    arrays = [(np.array(frame), np.array(track)) for frame, track in pieces]
    assert group_pairs(7, 9, arrays).tolist() == [0, 0, 2, 3, 4, 0, 6]
    assert group_pairs(3, 0, []).tolist() == [0, 1, 2]


def test_many_tracks_in_many_pieces_are_connected_in_linear_time() -> None:
    # A chain of tracks of two frames each, in pieces that are few beside all tracks.
    n = 400_000
    frame = np.repeat(np.arange(n), 2)
    track = frame + np.tile([0, 1], n)
    began = time.process_time()
    leaders = group_pairs(
        n, n + 1, ((frame[a : a + 2_000], track[a : a + 2_000]) for a in range(0, 2 * n, 2_000))
    )
    assert not leaders.any()
    assert time.process_time() - began < 5
