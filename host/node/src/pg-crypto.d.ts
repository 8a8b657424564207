// Types of the parts of `pg` that this host uses: SCRAM and its password hashes.

declare module "pg/lib/crypto/sasl.js" {
  import type { Socket } from "node:net";

  interface SaslSession {
    mechanism: string;
    response: string;
  }
  const sasl: {
    /** `stream`: the TLS socket to bind to. */
    startSession(mechanisms: string[], stream: Socket | undefined, mostIterations: number): SaslSession;
    continueSession(session: SaslSession, password: string, data: string, stream: Socket | undefined): Promise<void>;
    finalizeSession(session: SaslSession, data: string): void;
  };
  export default sasl;
}

declare module "pg/lib/crypto/utils.js" {
  const utils: { postgresMd5PasswordHash(user: string, password: string, salt: Buffer): Promise<string> };
  export default utils;
}

declare module "pg/lib/crypto/cert-signatures.js" {
  const signatures: { signatureAlgorithmHashFromCertificate(certificate: Buffer): string };
  export default signatures;
}
