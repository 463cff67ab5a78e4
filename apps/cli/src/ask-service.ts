/**
 * Asks a service what operators ask it: /live, /ready, /metrics over HTTPS, TLS 1.3, with the operator's certificate. A
 * service that does not answer is a finding, not an exception.
 */
import { readFileSync } from 'node:fs';
import type { IncomingMessage } from 'node:http';
import { get } from 'node:https';
import { codeOf } from '@everseal/process';
import type { OpsSettings } from './config.js';

export interface ServiceAnswer {
  /** 0 when there was no answer. */
  status: number;
  body: string;
  /** Why there was no answer; '' otherwise. */
  problem: string;
}

const WITHIN_MS = 5_000;
const MOST_BYTES = 4 * 1024 * 1024;

const REASONS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'nothing listens there: is the service running?',
  ENOTFOUND: 'the host name is not known',
  CERT_HAS_EXPIRED: 'its certificate has expired',
  ERR_TLS_CERT_ALTNAME_INVALID: 'its certificate does not carry this host name',
};

/** Never rejects. @param path `/live` */
export async function askService(url: string, path: string, ops: OpsSettings): Promise<ServiceAnswer> {
  const inTime = AbortSignal.timeout(WITHIN_MS);
  try {
    return await answerOf(new URL(path, url), ops, inTime);
  } catch (error) {
    const late = inTime.aborted ? `no answer within ${WITHIN_MS} ms` : null;
    const said = error instanceof Error ? error.message : String(error);
    return { status: 0, body: '', problem: late ?? REASONS[codeOf(error) ?? ''] ?? said };
  }
}

async function answerOf(
  url: URL,
  { certFile, keyFile, caFile }: OpsSettings,
  signal: AbortSignal,
): Promise<ServiceAnswer> {
  const tls = { cert: readFileSync(certFile), key: readFileSync(keyFile), ca: readFileSync(caFile) };
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    const request = get(url, { ...tls, minVersion: 'TLSv1.3', agent: false, signal }, resolve);
    request.on('error', reject);
    // Nothing else is said of a request that is answered with 101 Switching Protocols.
    request.once('close', () => reject(new Error('the connection was closed without an answer')));
  });
  let body = '';
  for await (const text of response.setEncoding('utf8') as AsyncIterable<string>) {
    body += text;
    if (body.length > MOST_BYTES) throw new Error('the answer is too long');
  }
  return { status: response.statusCode ?? 0, body, problem: '' };
}
