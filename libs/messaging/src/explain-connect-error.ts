/**
 * Why a connection to NATS could not be made, in words that say what to do. Node and OpenSSL give codes that name the TLS
 * alert or check; each was seen with nats-server 2.15 and the client library in use (connect.spec.ts has the frequent ones).
 */
import { errors } from '@nats-io/transport-node';

const REASONS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'nothing listens there: is nats-server running, on this address and port?',
  ENOTFOUND: 'the host name is not known: correct it, or the name service',
  EAI_AGAIN: 'the name service does not answer',
  ETIMEDOUT: 'no answer: is the address right, and not behind a firewall?',
  ECONNRESET: 'the server ended the connection before it was made: see its log',
  EHOSTUNREACH: 'the host cannot be reached from here',
  ENETUNREACH: 'the network cannot be reached from here',
  ERR_SSL_WRONG_VERSION_NUMBER:
    'the port does not speak TLS first: set handshake_first in nats-server, or correct the port',
  ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED: 'the server wants a client certificate: set certFile and keyFile',
  ERR_SSL_TLSV1_ALERT_UNKNOWN_CA:
    "the server does not trust our certificate's issuer: give it the clients' root as ca_file",
  'ERR_SSL_SSL/TLS_ALERT_CERTIFICATE_EXPIRED':
    'our certificate has expired or is not valid yet by the clock of the server',
  'ERR_SSL_SSL/TLS_ALERT_BAD_CERTIFICATE':
    'the server takes our certificate for no client certificate: check its key usage',
  ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION: 'the server does not offer TLS 1.3',
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: "caFile does not hold the root of the server's certificate",
  SELF_SIGNED_CERT_IN_CHAIN: "caFile does not hold the root of the server's certificate",
  DEPTH_ZERO_SELF_SIGNED_CERT: "caFile does not hold the server's certificate or its root",
  UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    "caFile does not hold the root of the server's certificate, or the server does not send its intermediates",
  CERT_HAS_EXPIRED: "the server's certificate has expired: renew it and reload nats-server",
  CERT_NOT_YET_VALID: "the server's certificate is not valid yet: check the clocks",
  ERR_TLS_CERT_ALTNAME_INVALID: "the server's certificate does not carry this host name: use the name that it carries",
};

export function explainConnectError(error: unknown): string {
  if (error instanceof errors.AuthorizationError) {
    return 'the server has no user for our certificate: render its config from the policy again and reload it';
  }
  if (error instanceof errors.TimeoutError) {
    return 'the server took the connection and said nothing: does it speak TLS first (handshake_first)?';
  }
  const known = REASONS[codeOf(error) ?? ''];
  if (known !== undefined) return known;
  return error instanceof Error ? error.message : String(error);
}

/** The library wraps some system errors in its own; theirs is the code that says something. */
function codeOf(error: unknown): string | undefined {
  if (typeof error !== 'object' || error === null) return undefined;
  if ('code' in error && typeof error.code === 'string') return error.code;
  return 'cause' in error ? codeOf(error.cause) : undefined;
}
