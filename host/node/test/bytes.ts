// Messages of PostgreSQL's protocol, for clients and servers of a test's own.

/** A message with its letter. */
export function message(code: string, body: Buffer = Buffer.alloc(0)): Buffer {
  return Buffer.concat([Buffer.from(code), number(body.length + 4), body]);
}

/** A message without a letter, which begins a connection. */
export function packet(request: number, body: Buffer = Buffer.alloc(0)): Buffer {
  return Buffer.concat([number(body.length + 8), number(request), body]);
}

/** Four bytes. */
export function number(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(value);
  return bytes;
}

/** An ErrorResponse. */
export function errorResponse(severity: string, sqlstate: string, text: string): Buffer {
  const fields = [`S${severity}`, `V${severity}`, `C${sqlstate}`, `M${text}`];
  return message("E", Buffer.from(`${fields.join("\0")}\0\0`));
}
