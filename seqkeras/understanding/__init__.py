"""What goes on inside a network, as data: its gates, units and gradients, how long it remembers. Screens draw it."""

from seqkeras.understanding.gradient_flow import GradientFlow, gradient_flow, gradients_through_time, relu_experiment
from seqkeras.understanding.memory_tasks import CELLS, TASKS, Progress, adding_problem, copying_problem, trainer
from seqkeras.understanding.traces import trace
from seqkeras.understanding.units import (
    Tracking,
    character_properties,
    correlations,
    search_units,
    word_properties,
)

__all__ = [
    "CELLS",
    "GradientFlow",
    "Progress",
    "TASKS",
    "Tracking",
    "adding_problem",
    "character_properties",
    "copying_problem",
    "correlations",
    "gradient_flow",
    "gradients_through_time",
    "relu_experiment",
    "search_units",
    "trace",
    "trainer",
    "word_properties",
]
