/**
 * The one error of audit-core: bytes that do not follow their format. The code says which check failed (one code a
 * check, `<format>.<check>`); callers decide by code, never by the message, which is for people.
 */
export class FormatError extends Error {
  constructor(
    readonly code: string,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
    this.name = 'FormatError';
  }
}
