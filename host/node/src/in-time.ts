// A bound on how long to wait.

import type { Fault } from "./fault.js";

/** Waits as long as it may take. What comes later is nobody's any more. */
export async function inTime<T>(work: Promise<T>, ms: number, late: () => Fault): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const alarm = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(late()), ms);
  });
  work.catch(() => {});
  try {
    return await Promise.race([work, alarm]);
  } finally {
    clearTimeout(timer);
  }
}
