/** Reads DER as one of the library's types; whatever it says about bytes that are none becomes one FormatError. */
import { FormatError } from '@everseal/audit-core';
import { AsnConvert } from '@peculiar/asn1-schema';

/** @throws FormatError `code` */
export function readAsn<T>(code: string, bytes: ArrayBuffer | Uint8Array, type: new () => T): T {
  try {
    return AsnConvert.parse(bytes, type);
  } catch (cause) {
    throw new FormatError(code, `it is not what RFC 3161 has there (${type.name})`, { cause });
  }
}
