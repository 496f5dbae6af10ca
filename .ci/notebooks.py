"""Every notebook in two processes, as `nbdev-test --n-workers 2` runs them, with a collector that looks rarely.

Objects by the hundred thousand live as long as a process: to look through them for circles took a tenth of the time."""

import gc

from nbdev.test import nbdev_test

if __name__ == "__main__":
    gc.set_threshold(200_000, 20, 20)  # the two processes are forks of this one, where there are forks
    nbdev_test(n_workers=2)
