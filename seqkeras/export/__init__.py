"""SavedModels that load anywhere."""

from seqkeras.export.half import stored_in_half
from seqkeras.export.lite import to_lite
from seqkeras.export.saved_model import foreign_operations, operations, save

__all__ = ["foreign_operations", "operations", "save", "stored_in_half", "to_lite"]
