"""HDF5 files as data that anybody may have made."""
