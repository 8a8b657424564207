// Numbers as the protocol has them: big-endian.

/** Two bytes. */
export function uint16(number: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16BE(number);
  return bytes;
}

/** Four bytes. */
export function int32(number: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(number);
  return bytes;
}

/** Four bytes, for what is never below zero, such as an OID. */
export function uint32(number: number): Buffer {
  return int32(number | 0);
}

/** Eight bytes. */
export function int64(number: bigint): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigInt64BE(number);
  return bytes;
}

/** Eight bytes. */
export function float64(number: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeDoubleBE(number);
  return bytes;
}
