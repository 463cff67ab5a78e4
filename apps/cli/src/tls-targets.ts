/**
 * What `everseal tls scan` looks at, and as whom: the endpoints that are named, or every endpoint that the settings know.
 * One that is named and known is looked at with the roots and the certificate that the settings have for it.
 */
import { readFileSync } from 'node:fs';
import { rootCertificates } from 'node:tls';
import { parseCertificates, parseEndpoint, type ClientIdentity, type Endpoint } from '@everseal/tls-posture';
import { usage } from './cli-failure.js';
import type { CliSettings } from './config.js';

type Roots = ReturnType<typeof parseCertificates>;

/** One endpoint with what it takes to look at it. */
export interface Target {
  endpoint: Endpoint;
  roots: Roots;
  /** A certificate that it lets in: with one, more can be seen. */
  identity?: ClientIdentity | undefined;
}

export interface TargetOptions {
  ca?: string | undefined;
  cert?: string | undefined;
  key?: string | undefined;
}

interface Certificate {
  certFile: string;
  keyFile: string;
  caFile: string;
}

/**
 * @param named as on the command line; empty for all that the settings know
 * @param settings null where there are none
 * @throws CliFailure; system errors of the files
 */
export function targetsOf(named: readonly string[], settings: CliSettings | null, options: TargetOptions): Target[] {
  const own = overridden(options);
  const known = settings ? knownTargets(settings) : [];
  if (named.length === 0) {
    if (known.length === 0) throw usage('no settings name an endpoint here: name one, or settings with --config');
    return known.map((target) => ({ ...target, ...own }));
  }
  return named.map((text) => {
    const endpoint = endpointOf(text);
    const { roots, identity } = known.find(({ endpoint: one }) => isAt(one, endpoint)) ?? {
      roots: own.roots ?? known[0]?.roots ?? parseCertificates(rootCertificates.join('\n')),
      identity: undefined,
    };
    return { endpoint, roots, identity, ...own };
  });
}

/** As the settings name them: the broker, the database, the operations port of each service, and further ones. */
function knownTargets(settings: CliSettings): Target[] {
  const { nats, postgres, services, endpoints } = settings;
  const ops = settings.ops ?? settings.producers[0];
  if (ops === undefined) return [];
  const as = (certificate: Certificate, url: string): Target => ({
    endpoint: endpointOf(url),
    ...materialOf(certificate),
  });
  const targets = [
    ...nats.servers.map((server) => as(ops, server.replace(/^tls:/, 'nats+tlsfirst:'))),
    ...(postgres
      ? [as(postgres, `postgres+direct://${postgres.user}@${postgres.host}:${postgres.port}/${postgres.database}`)]
      : []),
    ...services.map(({ url }) => as(ops, url.replace(/^https:/, 'https+mtls:'))),
    ...endpoints.map((url) => as(ops, url)),
  ];
  return targets.filter(({ endpoint }, i) => targets.findIndex((one) => one.endpoint.url === endpoint.url) === i);
}

function overridden({ ca, cert, key }: TargetOptions): Partial<Target> {
  if ((cert === undefined) !== (key === undefined)) throw usage('--cert and --key go together');
  return {
    ...(ca === undefined ? {} : { roots: parseCertificates(readFileSync(ca, 'utf8')) }),
    ...(cert === undefined || key === undefined
      ? {}
      : { identity: { cert: readFileSync(cert), key: readFileSync(key) } }),
  };
}

function materialOf({ certFile, keyFile, caFile }: Certificate): Pick<Target, 'roots' | 'identity'> {
  return {
    roots: parseCertificates(readFileSync(caFile, 'utf8')),
    identity: { cert: readFileSync(certFile), key: readFileSync(keyFile) },
  };
}

function isAt(one: Endpoint, other: Endpoint): boolean {
  return one.host === other.host && one.port === other.port;
}

function endpointOf(text: string): Endpoint {
  try {
    return parseEndpoint(text);
  } catch (cause) {
    throw usage(cause instanceof Error ? cause.message : String(cause));
  }
}
