"""Pictures, drawn with matplotlib."""

from tabular_labels.errors import MissingExtraError

try:
    import matplotlib  # noqa: F401  # said once for every module here
except ModuleNotFoundError:
    raise MissingExtraError(
        package="matplotlib", extra="plot", purpose="drawing pictures"
    ) from None
