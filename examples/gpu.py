"""The same training on a CPU and, where PyTorch finds one, on a GPU: images per second."""

import sys
import time

import matplotlib.pyplot as plt
import numpy as np
import torch
from sklearn.datasets import load_digits

from hpoe import BernoulliRBM

PASSES = 3
SIZES = (10, 30, 100, 300, 1000)

X = np.tile(load_digits().data / 16, (3, 1))
devices = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]
figure, axis = plt.subplots(figsize=(7, 4), layout="constrained")
for device in devices:
    speeds = []
    for batch_size in SIZES:
        rbm = BernoulliRBM(500, batch_size=batch_size, n_iter=PASSES, device=device)
        start = time.perf_counter()
        rbm.fit(X)
        speeds.append(PASSES * len(X) / (time.perf_counter() - start))
    axis.plot(SIZES, speeds, marker="o", label=device)
axis.set(xscale="log", xlabel="images per minibatch", ylabel="images per second", ylim=(0, None))
axis.set_title('500 hidden units, trained with device="cpu" or "cuda"')
axis.legend()
figure.savefig(sys.argv[1], dpi=120)
