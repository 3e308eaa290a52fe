/* The page's one object of state, and everything that changes it.

   Whoever shows the state sets `model.onChange`, called after every change, and `model.onMessage`,
   called with a sentence about it, or with "". */

"use strict";

const model = (() => {
  const given = JSON.parse(document.getElementById("network-data").textContent);
  const PLAY_INTERVAL = 900; // milliseconds

  const state = {
    net: structuredClone(given),
    pass: null,
    all: [], // the steps of a pass
    order: new Map(), // key of a step -> how many steps until it is known
    position: 0, // so many steps have been taken
    stepping: false, // whether the panel shows the step, or else the selection
    selected: null,
    path: null, // the path under the pointer
    paths: [], // those that the panel lists
    unfolded: new Set(),
    colour: "weight",
    compare: false,
    logarithm: false,
    run: null,
    playing: 0,
    running: 0,
  };

  const listeners = { onChange: () => {}, onMessage: () => {} };
  const changed = () => listeners.onChange();
  const say = (message) => listeners.onMessage(message);

  /* A change of the network or the example: descent begins anew from the present weights. */
  function edit(change, message = "") {
    pause();
    change(state.net);
    state.run = descent.begin(state.net);
    compute();
    say(message);
  }

  function begin() {
    state.run = descent.begin(state.net);
    compute();
  }

  function compute() {
    const before = state.all.length;
    state.pass = network.pass(state.net);
    state.all = steps.list(state.net);
    if (state.all.length !== before) {
      state.order = new Map(state.all.map(({ key }, k) => [key, k + 1]));
      showAll();
    }
    changed();
  }

  function setWeight(l, i, j, value) {
    edit((net) => {
      net.W = structuredClone(net.W);
      net.W[l][i][j - 1] = value;
    });
  }

  function setInput(i, value) {
    edit((net) => {
      net.x = net.x.with(i - 1, value);
    });
  }

  function setTarget(j, value) {
    const y = fields.withTarget(state.net, j, value);
    const others = y.some((target, k) => k !== j - 1 && target !== state.net.y[k]);
    const bounded = y[j - 1] !== value;
    edit(
      (net) => {
        net.y = y;
      },
      others
        ? "The other targets were changed, so that their sum is 1."
        : bounded
          ? "Targets of this loss lie between 0 and 1."
          : "",
    );
  }

  function setActivation(l, name) {
    edit((net) => {
      net.activations = net.activations.with(l, name);
      const needed = network.LOSSES[net.loss].output;
      if (l === net.W.length - 1 && needed && needed !== name) net.loss = "sse";
    });
  }

  function setLoss(name) {
    const y = fields.fitted(state.net.y, name);
    const others = y.some((target, k) => target !== state.net.y[k]);
    edit(
      (net) => {
        net.loss = name;
        net.y = y;
        const { output } = network.LOSSES[name];
        if (output) net.activations = net.activations.with(-1, output);
      },
      others ? "The targets were changed: this loss is not defined for others." : "",
    );
  }

  function setEta(value) {
    edit((net) => {
      net.eta = value;
    });
  }

  function reset() {
    edit((net) => Object.assign(net, structuredClone(given)), "The network is as it was.");
  }

  function select(key) {
    state.selected = key;
    if (state.stepping) showAll();
    state.path = null;
    state.unfolded.clear();
    changed();
  }

  /* All but the update is known, and the panel shows the selection. */
  function showAll() {
    state.position = steps.end(state.all, "backward");
    state.stepping = false;
  }

  /* The quantities up to this position are known, the one before it is explained. */
  function goTo(position) {
    state.position = Math.max(0, Math.min(state.all.length, position));
    state.stepping = true;
    state.path = null;
    changed();
  }

  /* Beyond the update the next pass begins, with the new weights; before it the last one ends. */
  function move(by) {
    const target = state.position + by;
    if (target > state.all.length) {
      descend(1);
      goTo(0);
    } else if (target < 0 && state.run.losses.length > 1) {
      rewind(state.run.losses.length - 2);
      goTo(state.all.length);
    } else {
      goTo(target);
    }
  }

  function descend(count) {
    descent.advance(state.run, state.net, count);
    state.net.W = state.run.W;
    if (state.run.stopped) pause();
    compute();
    say(state.run.stopped);
  }

  function rewind(count) {
    pause();
    state.run = descent.replayed(state.run, state.net, count);
    state.net.W = state.run.W;
    compute();
  }

  function pause() {
    clearInterval(state.playing);
    cancelAnimationFrame(state.running);
    state.playing = 0;
    state.running = 0;
  }

  function play() {
    const wasPlaying = state.playing;
    pause();
    if (!wasPlaying) {
      if (state.position === state.all.length) goTo(0);
      state.playing = setInterval(() => {
        move(1);
        if (state.position === state.all.length) pause();
        changed();
      }, PLAY_INTERVAL);
    }
    changed();
  }

  function runOrPause() {
    const wasRunning = state.running;
    pause();
    const frame = () => {
      state.running = requestAnimationFrame(frame);
      descend(1);
    };
    if (!wasRunning) state.running = requestAnimationFrame(frame);
    changed();
  }

  /* What the lines show: "weight", "gradient" or "difference", for which both runs are needed. */
  function colour(name) {
    state.colour = name;
    if (name === "difference") state.compare = true;
    changed();
  }

  /* Whether the mistaken run is shown. */
  function compare(wanted) {
    state.compare = wanted;
    if (!wanted && state.colour === "difference") state.colour = "weight";
    changed();
  }

  function everything() {
    pause();
    showAll();
    changed();
  }

  const known = (key) => (state.order.get(key) ?? 0) <= state.position;

  const stepNow = () => (state.stepping && state.position ? state.all[state.position - 1] : null);

  return Object.assign(listeners, {
    state,
    begin,
    edit,
    setWeight,
    setInput,
    setTarget,
    setActivation,
    setLoss,
    setEta,
    reset,
    select,
    goTo,
    move,
    play,
    everything,
    descend,
    rewind,
    runOrPause,
    colour,
    compare,
    known,
    stepNow,
  });
})();
