// The size of what crosses from a component's thread to the host's, found out before it is copied there.

/** Rough size of a number, and of an object beside what is in it, bytes. */
const NUMBER = 8;
const OBJECT = 32;

/** True for a value that takes no more than so many bytes, texts, lists and records counted. */
export function isWithin(value: unknown, bytes: number): boolean {
  return left(value, bytes) >= 0;
}

/** Bytes that a value leaves of a room; below zero, and counted no further, where it does not fit. */
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
