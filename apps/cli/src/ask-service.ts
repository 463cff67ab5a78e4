/**
 * Asks a service what operators ask it: /live, /ready, /metrics over HTTPS, TLS 1.3, with the operator's certificate. A
 * service that does not answer is a finding, not an exception.
 */
import { readFileSync } from 'node:fs';
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
export function askService(
  url: string,
  path: string,
  { certFile, keyFile, caFile }: OpsSettings,
): Promise<ServiceAnswer> {
  return new Promise((resolve) => {
    const failed = (problem: string): void => resolve({ status: 0, body: '', problem });
    try {
      const tls = { cert: readFileSync(certFile), key: readFileSync(keyFile), ca: readFileSync(caFile) };
      const options = { ...tls, minVersion: 'TLSv1.3' as const, agent: false, timeout: WITHIN_MS };
      const request = get(new URL(path, url), options, (response) => {
        let body = '';
        response.setEncoding('utf8').on('data', (text: string) => {
          body += text;
          if (body.length > MOST_BYTES) request.destroy(new Error('the answer is too long'));
        });
        response.on('end', () => resolve({ status: response.statusCode ?? 0, body, problem: '' }));
      });
      request.on('timeout', () => request.destroy(new Error(`no answer within ${WITHIN_MS} ms`)));
      request.on('error', (error) => failed(REASONS[codeOf(error) ?? ''] ?? error.message));
    } catch (error) {
      failed(error instanceof Error ? error.message : String(error));
    }
  });
}
