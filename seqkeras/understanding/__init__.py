"""What goes on inside a network, as data: its gates, its gradients, how long it remembers. Screens draw it."""

from seqkeras.understanding.gradient_flow import GradientFlow, gradient_flow, relu_experiment
from seqkeras.understanding.memory_tasks import CELLS, TASKS, Progress, adding_problem, copying_problem, trainer
from seqkeras.understanding.traces import trace

__all__ = [
    "CELLS",
    "GradientFlow",
    "Progress",
    "TASKS",
    "adding_problem",
    "copying_problem",
    "gradient_flow",
    "relu_experiment",
    "trace",
    "trainer",
]
