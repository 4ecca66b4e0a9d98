// "Copy as Python": code that computes the same number with the package.

const listOf = (values) => `[${values.join(", ")}]`;

/** A Python program that prints the loss, and its gradient in the points. */
export function toPython({ points, labels, temperature, distance }, loss) {
  const rows = points
    .map((point) => `        ${listOf(point.map(decimal))},`)
    .join("\n");
  const classes = wrap(labels.map(String), 4);
  return `import torch

from snnl_tutorial import soft_nearest_neighbor_loss

points = torch.tensor(
    [
${rows}
    ],
    dtype=torch.float64,
    requires_grad=True,
)
labels = torch.tensor([
${classes}
])  # -100: unlabeled
loss = soft_nearest_neighbor_loss(
    points, labels, temperature=${decimal(temperature)}, distance="${distance}"
)
loss.backward()
print(loss.item())  # ${loss}
print(points.grad)
`;
}

/** A number as Python's float: every digit that it has, and a point. */
function decimal(x) {
  const text = String(Object.is(x, -0) ? 0 : x);
  return /[.e]/.test(text) ? text : `${text}.0`;
}

/** Values in lines of at most 74 columns. */
function wrap(values, indent) {
  const lines = [];
  let line = "";
  for (const value of values) {
    if (line.length + value.length + 2 > 74 - indent) {
      lines.push(line);
      line = "";
    }
    line += `${line ? " " : ""}${value},`;
  }
  return [...lines, line].map((text) => " ".repeat(indent) + text).join("\n");
}
