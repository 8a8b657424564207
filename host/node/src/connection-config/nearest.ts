// Nearest known name, for error messages.

/** Maximum edit distance of a suggestion. */
const MOST = 2;

/** Returns the known name with the smallest edit distance, if that is small. */
export function nearest(name: string, known: readonly string[]): string | undefined {
  const ranked = known.map((it) => ({ it, distance: distance(name.toLowerCase(), it.toLowerCase()) }));
  ranked.sort((a, b) => a.distance - b.distance);
  const [best] = ranked;
  return best && best.distance <= Math.min(MOST, name.length / 3) ? best.it : undefined;
}

/** Returns the Levenshtein distance. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const change = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(change, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}
