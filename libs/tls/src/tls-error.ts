/**
 * The one error of libs/tls: certificate material that must not be used. One code a check, so that a caller (and a
 * test) can tell a key that others may read from one that belongs to another certificate.
 *
 * Fate: at start the process stops (it has no identity to run with); on a renewal the old material stays in use and
 * the next look tries again. That is why the error carries no fate of its own.
 */
export type TlsErrorCode =
  | 'tls.unreadable' // missing, not a file, no permission
  | 'tls.too-large' // more than 256 KiB: not a certificate bundle
  | 'tls.key-exposed' // group or others may read or write the private key
  | 'tls.certificate-malformed'
  | 'tls.key-malformed'
  | 'tls.authority-malformed'
  | 'tls.key-mismatch' // the key is not the certificate's: often a pair caught in the middle of a renewal
  | 'tls.not-yet-valid'
  | 'tls.expired'
  | 'tls.purpose' // extended key usage is not exactly what the place needs
  | 'tls.names'; // subject alternative names break the identity rule

export class TlsError extends Error {
  constructor(
    readonly code: TlsErrorCode,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
    this.name = 'TlsError';
  }
}
