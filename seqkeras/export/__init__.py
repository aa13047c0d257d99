"""SavedModels that load anywhere."""

from seqkeras.export.saved_model import operations, save

__all__ = ["operations", "save"]
