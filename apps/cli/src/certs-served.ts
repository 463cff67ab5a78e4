/** What the servers of the settings serve, compared with the files: nats-server and Postgres say in their logs alone that a renewal did not work. */
import { setTimeout as sleep } from 'node:timers/promises';
import { servedCertificate } from '@everseal/tls';
import type { CliSettings } from './config.js';

/** A server certificate's name, and where it is served. */
interface Endpoint {
  name: string;
  host: string;
  port: number;
  protocol?: string;
}

export type Served = 'yes' | 'another' | 'silent' | 'unknown';

const LOOK_EVERY_MS = 250;

/** Where the server certificates of these settings are served, by the names of their folders. */
function endpointsOf({ nats, postgres, services }: CliSettings): Endpoint[] {
  return [
    ...nats.servers.map((server) => ({ name: 'nats', ...placeOf(server) })),
    ...(postgres === undefined
      ? []
      : [{ name: 'postgres', host: postgres.host, port: postgres.port, protocol: 'postgresql' }]),
    ...services.map(({ service, name, url }) => ({ name: `${service}-${name}`, ...placeOf(url) })),
  ];
}

function placeOf(url: string): { host: string; port: number } {
  const { hostname, port } = new URL(url);
  return { host: hostname, port: Number(port) };
}

/**
 * Whether every server of that name serves the certificate with this serial number.
 * @returns `silent` when one does not answer, `unknown` when the settings name none
 */
export async function isServed(settings: CliSettings | null, name: string, serial: string): Promise<Served> {
  const places = settings === null ? [] : endpointsOf(settings).filter((endpoint) => endpoint.name === name);
  if (places.length === 0) return 'unknown';
  const serials = await Promise.all(
    places.map((place) =>
      servedCertificate(place).then(
        (facts) => facts.serial,
        () => null,
      ),
    ),
  );
  if (serials.some((one) => one !== null && one !== serial)) return 'another';
  return serials.includes(null) ? 'silent' : 'yes';
}

/** Looks until it is served, or for so long. A server that is silent will read the files when it starts. */
export async function untilServed(
  settings: CliSettings | null,
  name: string,
  serial: string,
  withinMs: number,
): Promise<Served> {
  const deadline = performance.now() + withinMs;
  for (;;) {
    const served = await isServed(settings, name, serial);
    if (served !== 'another' || performance.now() > deadline) return served;
    await sleep(LOOK_EVERY_MS);
  }
}
