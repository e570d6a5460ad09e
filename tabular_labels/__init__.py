"""Pose-tracking labels as tables: load, scan, query and keep SLEAP projects of any size."""

from tabular_labels.data_cache import LabelsDataCache
from tabular_labels.errors import TabularLabelsError, TabularLabelsWarning
from tabular_labels.exchange import read_analysis, read_csv, read_json, read_ndjson
from tabular_labels.exporting import (
    write_analysis,
    write_analysis_csv,
    write_csv,
    write_json,
    write_ndjson,
    write_parquet_table,
)
from tabular_labels.labels import Labels
from tabular_labels.labels_reader import LabelsReader, VideoReader, split_labels_reader
from tabular_labels.merge_many import merge
from tabular_labels.merge_match import Match
from tabular_labels.merge_report import MergePlan, MergeReport
from tabular_labels.model.backends import (
    HDF5Video,
    ImageSequenceVideo,
    ImgStoreVideo,
    MediaVideo,
    NumpyVideo,
)
from tabular_labels.model.pixels import set_opener
from tabular_labels.model.ranges import RangeList
from tabular_labels.model.skeleton import Edge, Node, Skeleton
from tabular_labels.model.suggestion import SuggestionFrame
from tabular_labels.model.tables import LabelTables
from tabular_labels.model.track import Track
from tabular_labels.model.video import Video
from tabular_labels.pixels import open_video_pixels
from tabular_labels.points import Point, PredictedPoint
from tabular_labels.projects import (
    load_file,
    read_parquet,
    read_slp,
    scan_parquet,
    scan_slp,
    write_parquet,
    write_slp,
)
from tabular_labels.splitting import leakage_report, split_labels, split_labels_train_val
from tabular_labels.training.key_mapper import KeyMapper
from tabular_labels.versions import compact, history, vacuum
from tabular_labels.views import Instance, LabeledFrame, PredictedInstance

__all__ = [
    "Edge",
    "HDF5Video",
    "ImageSequenceVideo",
    "ImgStoreVideo",
    "Instance",
    "KeyMapper",
    "LabelTables",
    "LabeledFrame",
    "Labels",
    "LabelsDataCache",
    "LabelsReader",
    "Match",
    "MediaVideo",
    "MergePlan",
    "MergeReport",
    "Node",
    "NumpyVideo",
    "Point",
    "PredictedInstance",
    "PredictedPoint",
    "RangeList",
    "Skeleton",
    "SuggestionFrame",
    "TabularLabelsError",
    "TabularLabelsWarning",
    "Track",
    "Video",
    "VideoReader",
    "compact",
    "history",
    "leakage_report",
    "load_file",
    "merge",
    "read_analysis",
    "read_csv",
    "read_json",
    "read_ndjson",
    "read_parquet",
    "read_slp",
    "scan_parquet",
    "scan_slp",
    "split_labels",
    "split_labels_reader",
    "split_labels_train_val",
    "vacuum",
    "write_analysis",
    "write_analysis_csv",
    "write_csv",
    "write_json",
    "write_ndjson",
    "write_parquet",
    "write_parquet_table",
    "write_slp",
]

__version__ = "0.1.0"

set_opener(open_video_pixels)  # `Video` is below the layer that can
