// One step down the loss, as torch.optim.SGD and torch.optim.Adam take it.
import { evaluate } from "./loss.js";

const DECAY = [0.9, 0.999];
const TINY = 1e-8;

/** The learning rate that an optimizer starts with here. */
export const FIRST_RATE = { descent: 1, adam: 0.05 };

/** The annealed temperature of chapter 6. */
export function annealedTemperature(step) {
  return (1 + step) ** -0.55;
}

/**
 * The state after one step, and the optimizer's memory for the next.
 * `memory` is null at first, and of no use to plain gradient descent.
 */
export function descend(state, memory) {
  const { gradient } = evaluate(state);
  const step = state.step + 1;
  const moved = state.optimizer === "adam" ? adamStep : plainStep;
  const next = moved(state.points, gradient, state.rate, memory);
  const temperature = state.annealed ? annealedTemperature(step) : state.temperature;
  return {
    state: { ...state, points: next.points, step, temperature },
    memory: next.memory,
  };
}

function plainStep(points, gradient, rate) {
  return {
    points: points.map((point, i) => point.map((x, k) => x - rate * gradient[i][k])),
    memory: null,
  };
}

function adamStep(points, gradient, rate, memory) {
  const count = (memory?.count ?? 0) + 1;
  const blend = (old, now, decay) => decay * old + (1 - decay) * now;
  const mean = gradient.map((row, i) =>
    row.map((g, k) => blend(memory?.mean[i][k] ?? 0, g, DECAY[0])),
  );
  const square = gradient.map((row, i) =>
    row.map((g, k) => blend(memory?.square[i][k] ?? 0, g * g, DECAY[1])),
  );
  const [first, second] = DECAY.map((decay) => 1 - decay ** count);
  const moved = points.map((point, i) =>
    point.map(
      (x, k) =>
        x - (rate * mean[i][k]) / first / (Math.sqrt(square[i][k] / second) + TINY),
    ),
  );
  return { points: moved, memory: { count, mean, square } };
}
