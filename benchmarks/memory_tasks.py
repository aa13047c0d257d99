"""How each cell remembers: the adding and the copying problem over growing lengths, success over some seeds.

    python -m benchmarks.memory_tasks [--cells lstm,gru] [--lengths 10,50] [--seeds 5] [--task adding] [--minutes 60]
                                      [--every_length]

A run trains one layer on one task (see `seqkeras.understanding.trainer`) until it is solved, or `--steps` are over. It
is written down as soon as it ends; the same command goes on where the last one was interrupted, and skips what is done
with the same settings. Lengths go from short to long, so that an early end leaves a table that is complete up to some
length. Where a cell has solved a task of some length with no seed, longer ones are not tried, which would take most of
the time: --every_length has them tried. The table says how many of the seeds solved a task, and in how many steps at
the median; a dash is what was not tried.
"""

import argparse
import collections
import json
import math
import os
import pathlib
import statistics
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from seqkeras.understanding import CELLS, TASKS, trainer  # noqa: E402

RESULTS = pathlib.Path(__file__).parent / "results"
LENGTHS = (10, 50, 100, 200, 300, 500, 750)
KEY = ("task", "cell", "length", "seed", "units", "steps", "batch_size", "learning_rate")


def run(**row):
    """One training, named by all of KEY, as a row for the results; loss and measure are None if it has exploded."""
    *_, progress = trainer(**row)
    exploded = not math.isfinite(progress.loss)
    return row | {
        "solved": progress.solved,
        "steps_taken": progress.step,
        "loss": None if exploded else progress.loss,
        "measure": None if exploded else progress.measure,
        "baseline": TASKS[row["task"]].baseline(row["length"]),
    }


def key(row):
    return tuple(row[name] for name in KEY)


def read(path):
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else []


def write(path, rows):
    """All or nothing: a run that is stopped here leaves the file of the run before."""
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_suffix(".new")
    new.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    new.replace(path)


def beyond(rows, what, seeds):
    """Whether a run, `what` of the values of KEY, is longer than one that none of so many seeds has solved."""
    task, cell, length, _, *settings = what
    solved = collections.defaultdict(list)
    for row in rows:
        of_task, of_cell, of_length, _, *of_settings = key(row)
        if (of_task, of_cell, of_settings) == (task, cell, settings) and of_length < length:
            solved[of_length].append(row["solved"])
    return any(len(runs) >= seeds and not any(runs) for runs in solved.values())


def table(rows, task, cells, lengths):
    """The lines of a table in Markdown: for each cell and length, solved runs of all, and the median of their steps."""
    lines = [f"| {task}, length | {' | '.join(map(str, lengths))} |", "| --- " * (len(lengths) + 1) + "|"]
    for cell in cells:
        fields, failed = [], False
        for length in lengths:
            here = [row for row in rows if (row["task"], row["cell"], row["length"]) == (task, cell, length)]
            steps = [row["steps_taken"] for row in here if row["solved"]]
            field = f"{len(steps)}/{len(here)}" if here else "–" if failed else ""
            fields.append(field + (f" ({statistics.median(steps):,.0f})" if steps else ""))
            failed |= bool(here) and not steps
        lines.append(f"| {cell} | {' | '.join(fields)} |")
    return lines


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cells", default=",".join(CELLS), help="joined by commas")
    parser.add_argument("--lengths", default=",".join(map(str, LENGTHS)), help="joined by commas")
    parser.add_argument("--seeds", type=int, default=5, help="runs of each cell and length")
    parser.add_argument("--task", default=",".join(TASKS), help="joined by commas")
    parser.add_argument("--minutes", type=float, help="no run begins later than that")
    parser.add_argument("--units", type=int, default=64)
    parser.add_argument("--steps", type=int, default=10_000, help="of a run, at most")
    parser.add_argument("--batch_size", type=int, default=64)
    parser.add_argument("--learning_rate", type=float, help="of Adam; by default the task's own")
    parser.add_argument("--every_length", action="store_true", help="also longer ones than no seed has solved")
    parser.add_argument("--out", default=str(RESULTS / "memory_tasks.json"))
    options = parser.parse_args()
    cells, tasks = options.cells.split(","), options.task.split(",")
    for names, known in ((cells, CELLS), (tasks, TASKS)):
        if unknown := set(names) - set(known):
            parser.error(f"unknown: {', '.join(sorted(unknown))}; there are {', '.join(known)}")
    try:
        lengths = sorted(int(length) for length in options.lengths.split(","))
    except ValueError:
        parser.error(f"--lengths are whole numbers joined by commas, not {options.lengths}")

    path = pathlib.Path(options.out)
    try:
        rows = read(path)
    except (OSError, ValueError) as error:
        parser.error(f"cannot read {path} as results of this program ({error}); move it away or give another --out")
    done = {key(row) for row in rows}

    def rate(task):
        return TASKS[task].learning_rate if options.learning_rate is None else options.learning_rate

    wanted = [
        (task, cell, length, seed, options.units, options.steps, options.batch_size, rate(task))
        for length in lengths
        for task in tasks
        for cell in cells
        for seed in range(options.seeds)
    ]
    left = [what for what in wanted if what not in done]
    print(f"{len(wanted) - len(left)} of {len(wanted)} runs are done.", flush=True)
    end = time.monotonic() + 60 * options.minutes if options.minutes is not None else float("inf")
    for what in left:
        if time.monotonic() > end:
            print(f"{options.minutes:g} minutes are over; the same command goes on from here.")
            break
        if not options.every_length and beyond(rows, what, options.seeds):
            continue
        try:
            row = run(**dict(zip(KEY, what)))
        except ValueError as error:
            parser.error(str(error))
        rows.append(row)
        write(path, rows)
        said = "exploded" if row["loss"] is None else "solved" if row["solved"] else "not solved"
        loss = "" if row["loss"] is None else f", loss {row['loss']:.4f} (baseline {row['baseline']:.4f})"
        print(
            f"{row['task']} {row['cell']:24}{row['length']:>5}  seed {row['seed']}  {said} after "
            f"{row['steps_taken']:,} steps{loss}",
            flush=True,
        )
    here = [row for row in rows if key(row) in set(wanted)]
    for task in tasks:
        print("\n".join(["", *table(here, task, cells, lengths)]))


if __name__ == "__main__":
    main()
