/** Protocol versions as they stand on the wire (RFC 6101, 2246, 4346, 5246, 8446), oldest first. */
export const TLS_VERSIONS = {
  SSLv3: 0x0300,
  'TLS 1.0': 0x0301,
  'TLS 1.1': 0x0302,
  'TLS 1.2': 0x0303,
  'TLS 1.3': 0x0304,
} as const;

export type TlsVersion = keyof typeof TLS_VERSIONS;

export const VERSION_NAMES = Object.keys(TLS_VERSIONS) as TlsVersion[];

/** Null for a number that is none of ours. */
export function versionName(number: number): TlsVersion | null {
  return VERSION_NAMES.find((name) => TLS_VERSIONS[name] === number) ?? null;
}
