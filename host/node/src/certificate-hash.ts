// Hash of a certificate for SCRAM channel binding: that of its signature (RFC 5929, "tls-server-end-point").
//
// `pg` parses the certificate again without checking lengths. TLS has checked those of the structure, but not those in
// the parameters of the signature algorithm.

import signatures from "pg/lib/crypto/cert-signatures.js";

const SEQUENCE = 0x30;
const OBJECT_IDENTIFIER = 0x06;
/** Tag of the first parameter of RSASSA-PSS: its hash algorithm. */
const FIRST = 0xa0;
const RSASSA_PSS = "2a864886f70d01010a";

/** Hash algorithms that can be computed here. */
const HASHES = ["MD5", "SHA-1", "SHA-256", "SHA-384", "SHA-512"];

/** Returns true if the certificate's hash for channel binding can be computed. */
export function canBind(certificate: Buffer | undefined): boolean {
  try {
    if (!certificate || !isWellFormed(certificate)) return false;
    return HASHES.includes(signatures.signatureAlgorithmHashFromCertificate(certificate));
  } catch {
    return false;
  }
}

/** Returns true if every length on the path to the hash algorithm is within its container. */
function isWellFormed(certificate: Buffer): boolean {
  const [whole] = element(certificate, SEQUENCE);
  const [, behind] = element(whole, SEQUENCE);
  const [algorithm] = element(behind, SEQUENCE);
  const [identifier, parameters] = element(algorithm, OBJECT_IDENTIFIER);
  if (identifier.toString("hex") !== RSASSA_PSS) return true;
  const [first] = element(element(parameters, SEQUENCE)[0], FIRST);
  return element(element(first, SEQUENCE)[0], OBJECT_IDENTIFIER)[0].length > 0;
}

/** Returns the contents of a DER element with this tag, and the bytes after it. */
function element(bytes: Buffer, tag: number): [contents: Buffer, behind: Buffer] {
  const short = bytes.readUInt8(1);
  const size = short < 0x80 ? 0 : short & 0x7f;
  const length = size === 0 ? short : bytes.readUIntBE(2, size);
  const end = 2 + size + length;
  if (bytes[0] !== tag || end > bytes.length) throw new Error("an element ends before its contents");
  return [bytes.subarray(2 + size, end), bytes.subarray(end)];
}
