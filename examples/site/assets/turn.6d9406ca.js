// A loop to step through: the same five phases as the real one, on names instead of work.
"use strict";

(() => {
  const PHASES = ["select", "dispatch", "expire", "run_ready", "flush"];
  const byId = (id) => document.getElementById(id);
  const track = [...document.querySelectorAll(".track li")];
  const list = [...document.querySelectorAll("#list > li")];

  let world;
  let playing = 0;

  function reset() {
    world = { turn: 1, time: 0, phase: -1, made: 0, system: [], timers: [], ready: [], running: null, written: 0 };
    add("soon");
    add("later");
    add("bytes");
    show("Three things wait: a callback, a timer, and bytes on a connection. Press “Step”.");
  }

  function add(kind) {
    const number = ++world.made;
    if (kind === "soon") {
      world.ready.push({ name: `callback ${number}` });
    } else if (kind === "later") {
      world.timers.push({ name: `timer ${number}`, at: world.time + 30 });
      world.timers.sort((a, b) => a.at - b.at);
    } else {
      world.system.push({ name: `connection ${number}: readable`, connection: number });
    }
  }

  const count = (n, one) => `${n} ${n === 1 ? one : `${one}s`}`;

  // Each phase does its part and says what it did.
  const phases = {
    select() {
      const next = world.timers[0];
      if (world.ready.length > 0) {
        return "Something is ready, so the loop only asks the system what it has seen, and does not wait.";
      }
      if (world.system.length > 0) {
        return "The system has something already: no wait.";
      }
      if (next) {
        const slept = Math.max(next.at - world.time, 0);
        world.time = Math.max(world.time, next.at);
        return `Nothing is ready: the loop sleeps ${slept} ms, until ${next.name} is due.`;
      }
      world.idle = true;
      return "Nothing is ready and no timer is armed: the loop sleeps until the system, or another thread, wakes it. Give it something to do.";
    },
    dispatch() {
      const seen = world.system.splice(0);
      world.ready.push(...seen);
      return seen.length > 0 ? `${count(seen.length, "event")} of the system into the ready queue.` : "The system reported nothing.";
    },
    expire() {
      const due = world.timers.filter((timer) => timer.at <= world.time);
      world.timers = world.timers.filter((timer) => timer.at > world.time);
      world.ready.push(...due);
      return due.length > 0 ? `${count(due.length, "timer")} due: into the ready queue.` : "No timer is due.";
    },
    run_ready() {
      if (world.left === undefined) {
        world.left = world.ready.length;
      }
      if (world.left === 0) {
        world.left = undefined;
        return "Nothing to run.";
      }
      const entry = world.ready.shift();
      world.running = entry;
      world.left -= 1;
      world.time += 1;
      let what = `${entry.name} runs.`;
      if (entry.connection) {
        world.written += 1;
        what = `The transport of connection ${entry.connection} reads, and its protocol writes an answer.`;
      } else if (entry.name.startsWith("callback") && world.made < 9) {
        add("soon");
        what = `${entry.name} runs, and calls call_soon: what it adds waits for the next turn.`;
      }
      if (world.left === 0) {
        world.left = undefined;
      }
      return what;
    },
    flush() {
      const written = world.written;
      world.written = 0;
      return written > 0 ? `${count(written, "answer")} leave, one system call for each connection.` : "Nothing was written in this turn.";
    },
  };

  function step() {
    if (world.idle && world.ready.length + world.system.length + world.timers.length === 0) {
      show(phases.select());
      return;
    }
    world.running = null;
    if (world.idle) {
      world.idle = false;
    } else if (world.left === undefined) {
      world.phase += 1;
      if (world.phase === PHASES.length) {
        world.phase = 0;
        world.turn += 1;
      }
    }
    show(phases[PHASES[world.phase]]());
  }

  function item(entry, className) {
    const li = document.createElement("li");
    li.textContent = entry.at === undefined ? entry.name : `${entry.name} at ${entry.at} ms`;
    li.className = className;
    return li;
  }

  function show(text) {
    byId("turn").textContent = world.turn;
    byId("time").textContent = world.time;
    byId("says").textContent = text;
    byId("system").replaceChildren(...world.system.map((entry) => item(entry, "")));
    byId("timers").replaceChildren(...world.timers.map((entry) => item(entry, "")));
    const rest = world.ready.map((entry, at) => item({ name: entry.name }, PHASES[world.phase] === "run_ready" && at >= (world.left ?? 0) ? "next" : ""));
    byId("ready").replaceChildren(...(world.running ? [item({ name: world.running.name }, "running")] : []), ...rest);
    for (const [at, phase] of track.entries()) {
      if (at === world.phase) {
        phase.setAttribute("aria-current", "step");
      } else {
        phase.removeAttribute("aria-current");
      }
    }
    for (const [at, phase] of list.entries()) {
      phase.classList.toggle("now", at === world.phase);
    }
  }

  function play(on) {
    clearInterval(playing);
    playing = on ? setInterval(step, 1100) : 0;
    byId("play").setAttribute("aria-pressed", String(on));
    byId("play").textContent = on ? "Pause" : "Play";
  }

  byId("step").addEventListener("click", () => { play(false); step(); });
  byId("play").addEventListener("click", () => play(playing === 0));
  byId("reset").addEventListener("click", () => { play(false); reset(); });
  for (const button of document.querySelectorAll("[data-add]")) {
    button.addEventListener("click", () => { add(button.dataset.add); show("Added. It is taken up when its phase comes."); });
  }

  byId("lab").hidden = false;
  byId("list").classList.add("live");
  reset();
})();
