// Size check of values that pass from a component's thread to the host's, before they are copied.

/** Approximate size of a number, and of an object without its contents, bytes. */
const NUMBER = 8;
const OBJECT = 32;

/** Returns true if a value takes at most `bytes`, including nested texts, lists and records. */
export function isWithin(value: unknown, bytes: number): boolean {
  return left(value, bytes) >= 0;
}

/** Returns the room left after a value; negative when it does not fit, where counting stops. */
function left(value: unknown, room: number): number {
  if (typeof value === "string") return room - value.length;
  if (typeof value !== "object" || value === null) return room - NUMBER;
  if (ArrayBuffer.isView(value)) return room - OBJECT - value.byteLength;
  let rest = room - OBJECT;
  for (const inner of Array.isArray(value) ? value : Object.values(value)) {
    if (rest < 0) break;
    rest = left(inner, rest);
  }
  return rest;
}
