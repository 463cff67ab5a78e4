/** How to connect to an installation as anybody that its policy names: certificate files, connection parameters for NATS and Postgres. */
import path from 'node:path';
import { DEPLOY, identityOf, type Policy, type Service } from '@everseal/policy';
import { type CertificateFiles, filesIn } from '@everseal/pki';
import { type NatsTlsOptions, natsTlsOptions } from '@everseal/tls';
import type { ClientConfig } from 'pg';
import { type DatabasePlace, type Login, postgresLogin } from './deploy.js';
import type { InstallationLayout, Ports } from './installation-layout.js';

export const DATABASE = 'everseal';

/** What a NATS client connects with; spread it into `connect()`. */
export interface NatsLogin {
  servers: string[];
  name: string;
  tls: NatsTlsOptions;
  inboxPrefix: string;
}

export class InstallationLogins {
  constructor(
    private readonly policy: Policy,
    private readonly layout: InstallationLayout,
    private readonly ports: Ports,
  ) {}

  /** For `pg`, as the database's superuser. */
  superuser(database: string = DATABASE): Promise<ClientConfig> {
    return postgresLogin({ ...this.place(), database }, this.of('admin', DEPLOY));
  }

  /** For `pg`, as the role of a service; `ops` reads. */
  postgres(service: Service, name: string): Promise<ClientConfig> {
    return postgresLogin(this.place(), this.of(service, name));
  }

  /** For NATS: `producer` `billing`, `ops` `ops`, … */
  nats(service: Service, name: string): NatsLogin {
    const { identity, files } = this.of(service, name);
    return {
      servers: [`tls://localhost:${this.ports.nats}`],
      name: identity.commonName,
      tls: natsTlsOptions(files),
      inboxPrefix: identity.inboxPrefix ?? '',
    };
  }

  /** Certificate files of an identity. */
  certificate(service: Service, name: string): CertificateFiles {
    return this.of(service, name).files;
  }

  /** The database, as a client on this machine sees it. */
  place(): DatabasePlace {
    return { host: 'localhost', port: this.ports.postgres, database: DATABASE };
  }

  of(service: Service, name: string): Login {
    const identity = identityOf(this.policy.domain, service, name);
    return { identity, files: filesIn(path.join(this.layout.pki, 'client', identity.commonName)) };
  }
}
