/* A run of gradient descent from given weights, and beside it the run that makes the mistake.

   A run is { start, W, wrong, losses, wrongLosses, stopped }: losses[t] is f after t steps. */

"use strict";

const descent = (() => {
  const MOST_STEPS = 10000;
  const notFinite = (step) =>
    `Step ${step} was not taken: a number would not be finite. A smaller η helps.`;

  function begin(net) {
    const { loss } = network.forward(net);
    return {
      start: net.W,
      W: net.W,
      wrong: net.W,
      losses: [loss],
      wrongLosses: [loss],
      stopped: "",
    };
  }

  function allFinite(W, loss) {
    return (
      Number.isFinite(loss) && W.every((rows) => rows.every((row) => row.every(Number.isFinite)))
    );
  }

  /* Takes so many steps, or fewer where a number would stop being finite. */
  function advance(run, net, steps) {
    for (let t = 0; t < steps && !run.stopped; t++) {
      const W = network.step({ ...net, W: run.W }, net.eta);
      const { loss } = network.forward({ ...net, W });
      const count = run.losses.length;
      if (!allFinite(W, loss)) {
        run.stopped = notFinite(count);
      } else {
        run.W = W;
        run.losses.push(loss);
        advanceWrong(run, net);
        if (count === MOST_STEPS) run.stopped = `Stopped after ${MOST_STEPS} steps.`;
      }
    }
  }

  function advanceWrong(run, net) {
    if (run.wrongLosses.length < run.losses.length - 1) return; // it has stopped being finite
    const W = network.mistakenStep({ ...net, W: run.wrong }, net.eta);
    const { loss } = network.forward({ ...net, W });
    if (!allFinite(W, loss)) return;
    run.wrong = W;
    run.wrongLosses.push(loss);
  }

  /* The run as it was after so many steps: the same steps give the same bits. */
  function replayed(run, net, steps) {
    const again = begin({ ...net, W: run.start });
    advance(again, net, steps);
    return again;
  }

  /* The weights in which the two runs differ, the largest difference first. */
  function differences(run) {
    const found = [];
    run.W.forEach((rows, l) =>
      rows.forEach((row, i) =>
        row.forEach((w, k) => {
          const wrong = run.wrong[l][i][k];
          if (w !== wrong) found.push({ l, i, j: k + 1, w, wrong, difference: wrong - w });
        }),
      ),
    );
    return found.sort((a, b) => Math.abs(b.difference) - Math.abs(a.difference));
  }

  return { begin, advance, replayed, differences };
})();
