/**
 * What operators and orchestrators ask a service over HTTPS: `/live` and `/ready` (200 or 503, with the reasons as JSON)
 * and `/metrics` (Prometheus text).
 */
import { Controller, Get, Header, HttpException, HttpStatus, Inject } from '@nestjs/common';
import { Health, Registry } from '@everseal/process';

@Controller()
export class OperationsController {
  constructor(
    @Inject(Health) private readonly health: Health,
    @Inject(Registry) private readonly registry: Registry,
  ) {}

  @Get('live')
  @Header('cache-control', 'no-store')
  live(): object {
    const { ok, loops } = this.health.live();
    return answer(ok, { status: ok ? 'live' : 'stuck', loops });
  }

  @Get('ready')
  @Header('cache-control', 'no-store')
  ready(): object {
    const { ok, conditions } = this.health.ready();
    return answer(ok, { status: ok ? 'ready' : 'not ready', conditions });
  }

  @Get('metrics')
  @Header('content-type', 'text/plain; version=0.0.4; charset=utf-8')
  metrics(): Promise<string> {
    return this.registry.metrics();
  }
}

function answer(ok: boolean, body: object): object {
  if (!ok) throw new HttpException(body, HttpStatus.SERVICE_UNAVAILABLE);
  return body;
}
