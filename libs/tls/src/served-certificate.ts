/**
 * Which certificate a server shows now. nats-server and Postgres take a renewed one after a SIGHUP, and where they cannot (a key that others
 * may read, half a pair) they say so in their log alone and go on with the old one: so whoever has renewed a certificate asks.
 *
 * Nothing is believed here, and nothing sent: the handshake is enough, whatever the server thinks of a client without a certificate.
 */
import { X509Certificate } from 'node:crypto';
import { connect } from 'node:tls';
import { certificateFacts, type CertificateFacts } from './certificate-facts.js';

export interface ServerPlace {
  host: string;
  port: number;
  /** `postgresql` for Postgres, which insists on it where TLS comes first. */
  protocol?: string | undefined;
}

const ANSWER_WITHIN_MS = 5_000;

/** @throws Error when nothing answers, or what answers does not speak TLS */
export function servedCertificate({ host, port, protocol }: ServerPlace): Promise<CertificateFacts> {
  return new Promise((resolve, reject) => {
    // Looked at, not trusted: with its own check on, a certificate that is wrong could not be looked at.
    const socket = connect({
      host,
      port,
      rejectUnauthorized: false,
      minVersion: 'TLSv1.2',
      ...(protocol === undefined ? {} : { ALPNProtocols: [protocol] }),
    });
    const fail = (error: Error): void => {
      socket.destroy();
      reject(error);
    };
    socket.setTimeout(ANSWER_WITHIN_MS, () => fail(new Error(`${host}:${port} does not finish a TLS handshake`)));
    socket.once('error', fail);
    socket.once('close', () => fail(new Error(`${host}:${port} ended the TLS handshake`)));
    socket.once('secureConnect', () => {
      const { raw } = socket.getPeerCertificate();
      resolve(certificateFacts(new X509Certificate(raw)));
      socket.destroy();
    });
  });
}
