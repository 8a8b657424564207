// Memory limit of a module. JavaScript cannot refuse a growth, so the limit is written into the module and enforced by
// the engine.

const PAGE = 65_536;
const SECTION = 5;

/** Returns the core module with each of its memories limited to `bytes`. */
export function limitMemory(module: Uint8Array, bytes: number): Uint8Array<ArrayBuffer> {
  const most = Math.floor(bytes / PAGE);
  // Eight bytes of magic and version, then sections: number, length, content.
  for (let at = 8; at < module.length; ) {
    const [length, start] = leb(module, at + 1);
    if (module[at] === SECTION) {
      const section = bounded(module.subarray(start, start + length), most);
      const parts = [
        module.subarray(0, at),
        [SECTION],
        toLeb(section.length),
        section,
        module.subarray(start + length),
      ];
      return Uint8Array.from(Buffer.concat(parts.map((part) => Uint8Array.from(part))));
    }
    at = start + length;
  }
  return Uint8Array.from(module);
}

function bounded(section: Uint8Array, most: number): number[] {
  const [count, first] = leb(section, 0);
  const out = [...toLeb(count)];
  let at = first;
  for (let left = count; left > 0; left--) {
    const flags = section[at] ?? 0;
    const [minimum, behind] = leb(section, at + 1);
    const [maximum, end] = flags & 1 ? leb(section, behind) : [Number.POSITIVE_INFINITY, behind];
    out.push(flags | 1, ...toLeb(minimum), ...toLeb(Math.max(minimum, Math.min(maximum, most))));
    at = end;
  }
  return out;
}

/** Reads an unsigned LEB128 number; returns it and the position after it. */
function leb(bytes: Uint8Array, at: number): [number, number] {
  let number = 0;
  for (let shift = 0; ; shift += 7) {
    const byte = bytes[at++] ?? 0;
    number += (byte & 0x7f) * 2 ** shift;
    if (byte < 0x80) return [number, at];
  }
}

function toLeb(number: number): number[] {
  const bytes: number[] = [];
  do {
    bytes.push((number % 128) + (number >= 128 ? 128 : 0));
    number = Math.floor(number / 128);
  } while (number > 0);
  return bytes;
}
