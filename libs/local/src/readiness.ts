/** Asks a service whether it is ready, over HTTPS with a client certificate, as an operator would. */
import { readFileSync } from 'node:fs';
import { get } from 'node:https';
import type { CertificateFiles } from '@everseal/pki';

const WITHIN_MS = 2_000;

export interface Readiness {
  ready: boolean;
  /** Why not, in the service's own words; '' when ready or when it does not answer yet. */
  reason: string;
}

/** Never throws: a service that does not answer (yet) is not ready. */
export function askReady(port: number, { certFile, keyFile, caFile }: CertificateFiles): Promise<Readiness> {
  return new Promise((resolve) => {
    const none = (): void => resolve({ ready: false, reason: '' });
    const request = get(
      {
        host: 'localhost',
        port,
        path: '/ready',
        cert: readFileSync(certFile),
        key: readFileSync(keyFile),
        ca: readFileSync(caFile),
        minVersion: 'TLSv1.3',
        agent: false,
        signal: AbortSignal.timeout(WITHIN_MS),
      },
      (response) => {
        let body = '';
        response.setEncoding('utf8').on('data', (text: string) => (body += text));
        response.on('end', () => resolve({ ready: response.statusCode === 200, reason: reasonIn(body) }));
        response.on('error', none).on('close', none);
        request.off('close', none);
      },
    );
    // Nothing but 'close' comes of a request that is answered with 101 Switching Protocols.
    request.on('error', none).on('close', none);
  });
}

/** `{"conditions":[{"name":…,"ok":false,"reason":"…"}]}` */
function reasonIn(body: string): string {
  try {
    const { conditions = [] } = JSON.parse(body) as { conditions?: { ok: boolean; reason: string }[] };
    return conditions
      .filter(({ ok }) => !ok)
      .map(({ reason }) => reason)
      .join('; ');
  } catch {
    return '';
  }
}
