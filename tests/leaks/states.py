"A hidden Markov model of two states with given parameters, and the three ways to read it."

import numpy as np

MOVES = np.array([[0.98, 0.02], [0.05, 0.95]])
SPREADS = np.array([0.007, 0.020])
STATE_ARGUMENTS = (MOVES, SPREADS)


def likelihoods(x: np.ndarray, spreads: np.ndarray) -> np.ndarray:
    "The density of each value in each state."
    return np.exp(-0.5 * (x[:, None] / spreads) ** 2) / spreads


def forward_backward(x: np.ndarray, moves: np.ndarray, spreads: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    "Probabilities of the states given the values so far (filtered), and given all values (smoothed)."
    seen = likelihoods(x, spreads)
    filtered, behind = np.empty((len(x), 2)), np.ones((len(x), 2))
    belief = np.array([0.5, 0.5])
    for t, density in enumerate(seen):
        belief = (belief @ moves) * density
        belief = filtered[t] = belief / belief.sum()
    for t in range(len(x) - 2, -1, -1):
        behind[t] = moves @ (seen[t + 1] * behind[t + 1])
        behind[t] /= behind[t].sum()
    both = filtered * behind
    return filtered, both / both.sum(axis=1, keepdims=True)


def viterbi(x: np.ndarray, moves: np.ndarray, spreads: np.ndarray) -> np.ndarray:
    "The likeliest sequence of states."
    seen, steps = np.log(likelihoods(x, spreads)), np.log(moves)
    best, came = seen[0], np.zeros((len(x), 2), dtype=int)
    for t in range(1, len(x)):
        paths = best[:, None] + steps
        came[t], best = paths.argmax(axis=0), paths.max(axis=0) + seen[t]
    path = [int(best.argmax())]
    for t in range(len(x) - 1, 0, -1):
        path.append(int(came[t][path[-1]]))
    return np.array(path[::-1])
