"""Every notebook in two processes, as `nbdev-test --n-workers 2` runs them; each must show what is stored in it.

The collector looks rarely: objects by the hundred thousand live as long as a process, to look through them for circles took a tenth of the time.
And scikit-learn reads the signature of a class four times for each tree that it grows, a quarter of the fit of a forest: here once a class."""

import gc
import multiprocessing
from functools import cache

from nbdev import test
from sklearn.base import BaseEstimator
from stored_outputs import same_outputs

if __name__ == "__main__":  # the two processes are forks of this one, where there are forks
    gc.set_threshold(200_000, 20, 20)
    names = cache(BaseEstimator._get_param_names.__func__)
    BaseEstimator._get_param_names = classmethod(lambda cls: list(names(cls)))
    forks = multiprocessing.get_start_method() == "fork"
    if not forks:
        print("stored outputs are not compared: that needs processes that are forks")
    test.write_nb = same_outputs  # the outputs of a notebook that ran are compared and not saved
    test.nbdev_test(n_workers=2, save=forks)
