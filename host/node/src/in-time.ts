// Timeout for a promise.

import type { Fault } from "./fault.js";

/** Awaits `work` for at most `ms`; a later result is discarded. */
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
