// Big-endian encoding of numbers, as in the protocol.

/** Encodes a number as two bytes. */
export function uint16(number: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16BE(number);
  return bytes;
}

/** Encodes a number as four bytes. */
export function int32(number: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(number);
  return bytes;
}

/** Encodes an unsigned number, such as an OID, as four bytes. */
export function uint32(number: number): Buffer {
  return int32(number | 0);
}

/** Encodes an integer as eight bytes. */
export function int64(number: bigint): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigInt64BE(number);
  return bytes;
}

/** Encodes a floating-point number as eight bytes. */
export function float64(number: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeDoubleBE(number);
  return bytes;
}
