// A page of rows from its two buffers: columns one behind the other, then the texts as offsets and UTF-8 (LAYOUT in rows.py).
const OUTCOME_NAMES = ["passed", "changed", "local", "denied", "limited", "error"];
const FLOATS = ["time", "filter_ns", "host_ns"];
const INTS = ["index", "up", "down", "outcome", "hostcalls", "callbacks", "logs", "path_cut", "del", "add", "chg", "more"];
const TEXTS = ["method", "host", "path", "reason", "name0", "name1", "name2"];
const KINDS = { d: "del", a: "add", c: "chg" };

// A copy, since typed arrays want their bytes aligned.
const own = (view) => view.buffer.slice(view.byteOffset, view.byteOffset + view.byteLength);

/** The rows of an answer to `rows` as objects. */
export const rowsOf = ({ count, data }) => {
  const [numbers, pool] = data.map(own);
  const utf8 = new TextDecoder();
  const offsets = new Uint32Array(pool, 0, count * TEXTS.length + 1);
  const begin = offsets.byteLength;
  const rows = [];
  for (let at = 0; at < count; at += 1) {
    const row = {};
    FLOATS.forEach((name, column) => (row[name] = new Float64Array(numbers, 8 * column * count, count)[at]));
    INTS.forEach((name, column) => (row[name] = new Int32Array(numbers, 8 * FLOATS.length * count + 4 * column * count, count)[at]));
    TEXTS.forEach((name, column) => {
      const place = at * TEXTS.length + column;
      row[name] = utf8.decode(new Uint8Array(pool, begin + offsets[place], offsets[place + 1] - offsets[place]));
    });
    row.outcome = OUTCOME_NAMES[row.outcome];
    row.changes = [row.name0, row.name1, row.name2].filter(Boolean).map((name) => [KINDS[name[0]], name.slice(1)]);
    rows.push(row);
  }
  return rows;
};
