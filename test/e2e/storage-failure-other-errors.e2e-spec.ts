import { Controller, type ExecutionContext, Get, HttpException, ImATeapotException } from '@nestjs/common';
import {
  afterAuthentication,
  header,
  MemoryStorage,
  RateLimit,
  RateLimitModule,
  StorageFailureError,
  type StorageReply,
} from 'nestjs-token-bucket';
import { ManualClock } from 'nestjs-token-bucket/testing';
import { PLATFORMS } from './support/app.js';
import { limitFields, remaining } from './support/fields.js';
import { LANES, makeStorage, useApps } from './support/lanes.js';

const askedFor = (context: ExecutionContext): string | undefined =>
  context.switchToHttp().getRequest<{ headers: Record<string, string | undefined> }>().headers['x-subject'];

function whoever(context: ExecutionContext): string | undefined {
  const asked = askedFor(context);
  if (asked === 'teapot') throw new ImATeapotException('Not with me.');
  if (asked === 'bug') throw new Error('a bug');
  return asked === 'nobody' ? undefined : asked;
}

@Controller()
@RateLimit(9, 3600, { name: 'address' })
class SubjectsController {
  @Get('at-once')
  @RateLimit(9, 3600, { by: whoever })
  atOnce(): string {
    return 'at once';
  }

  @Get('later')
  @RateLimit(9, 3600, { by: async (context) => whoever(context) })
  later(): string {
    return 'later';
  }

  @Get('after-authentication')
  @RateLimit(9, 3600, { by: afterAuthentication(whoever) })
  afterAuthentication(): string {
    return 'after authentication';
  }

  @Get('after-authentication-later')
  @RateLimit(9, 3600, { by: afterAuthentication(async (context) => whoever(context)) })
  afterAuthenticationLater(): string {
    return 'after authentication, later';
  }

  @Get('two-errors')
  @RateLimit(9, 3600, { name: 'late', by: async (context) => whoever(context) })
  @RateLimit(9, 3600, { name: 'sooner', by: header('x-api-key') })
  twoErrors(): string {
    return 'two errors';
  }

  @Get('key')
  @RateLimit(9, 3600, { by: header('x-api-key') })
  key(): string {
    return 'key';
  }
}

const PATHS = ['/at-once', '/later', '/after-authentication', '/after-authentication-later'] as const;
const BEFORE_AUTHENTICATION: readonly string[] = PATHS.slice(0, 2);

describe.each(LANES)('Errors of subjects on $platform with $storage', ({ platform, storage }) => {
  const start = useApps();
  const startSubjects = () =>
    start({
      platform,
      imports: [RateLimitModule.forRoot({ storage: makeStorage(storage) })],
      controllers: [SubjectsController],
    });

  describe.each(PATHS)('at %s', (path) => {
    it.each([
      ['an exception for the client', 'teapot', 418, 'Not with me.'],
      ['a bug', 'bug', 500, 'Internal server error'],
      ['nobody', 'nobody', 500, 'Internal server error'],
    ])('stay what they are: %s', async (_what, subject, status, message) => {
      const { get } = await startSubjects();
      const response = await get(path, '203.0.113.1', { headers: { 'X-Subject': subject } });
      expect(response.status).toBe(status);
      expect(limitFields(response)).toEqual({});
      expect(await response.json()).toMatchObject({ statusCode: status, message });

      const after = await get(path, '203.0.113.1', { headers: { 'X-Subject': 'ada' } });
      expect(after.status).toBe(200);
      // The limit by address, charged in the same question before authentication and on its own after it.
      expect(remaining(after, 'address')).toBe(BEFORE_AUTHENTICATION.includes(path) ? 8 : 7);
      expect(remaining(after)).toBe(8);
    });
  });

  // The run of this spec fails for a rejection that nobody hears, as a process would end.
  it('that come late while another was thrown at once are heard', async () => {
    const { get } = await startSubjects();
    expect((await get('/two-errors', '203.0.113.1', { headers: { 'X-Subject': 'bug' } })).status).toBe(400);
  });

  it('that find a header missing are 400', async () => {
    const { get } = await startSubjects();
    const response = await get('/key');
    expect(response.status).toBe(400);
    expect(limitFields(response)).toEqual({});
    expect(await response.json()).toMatchObject({
      message: 'Header "x-api-key" is missing; requests are limited by it.',
    });
    expect(remaining(await get('/key', '203.0.113.1', { headers: { 'X-API-Key': 'k' } }))).toBe(8);
  });
});

/** What an application may write by itself. */
class BrokenStorage extends MemoryStorage {
  constructor(private readonly error: Error) {
    super();
  }

  override consume(): StorageReply {
    throw this.error;
  }
}

class UnreturningStorage extends MemoryStorage {
  constructor(private readonly error: Error) {
    super({ clock: new ManualClock() });
  }

  override refund(): void {
    throw this.error;
  }
}

/** As it is thrown by a storage that comes from another copy of the package. */
function failureOfAnotherCopy(): Error {
  let error = new Error();
  jest.isolateModules(() => {
    const other = jest.requireActual<typeof import('../../src/core/errors.js')>('../../src/core/errors.js');
    error = new other.StorageFailureError('gone');
  });
  expect(error).not.toBeInstanceOf(StorageFailureError);
  return error;
}

@Controller()
class TwoPhasesController {
  @Get()
  @RateLimit(9, 3600, { name: 'address' })
  @RateLimit(1, 3600, { by: afterAuthentication(() => 'somebody') })
  both(): string {
    return 'both';
  }
}

describe.each(PLATFORMS)('Errors of a storage on %s', (platform) => {
  const start = useApps();
  const startWith = (storage: MemoryStorage) =>
    start({ platform, imports: [RateLimitModule.forRoot({ storage })], controllers: [TwoPhasesController] });

  it.each([
    ['failures', new StorageFailureError('gone'), 503],
    ['failures of another copy', failureOfAnotherCopy(), 503],
    ['bugs', new TypeError('a bug'), 500],
    ['exceptions for the client', new HttpException('Pay first.', 402), 402],
  ])('are told apart when it answers at once: %s', async (_what, error, status) => {
    const { get } = await startWith(new BrokenStorage(error));
    const response = await get('/');
    expect(response.status).toBe(status);
    expect(limitFields(response)).toEqual(status === 503 ? { 'Retry-After': '1' } : {});
  });

  it.each([
    ['', new StorageFailureError('gone')],
    [', by a storage of another copy', failureOfAnotherCopy()],
  ])('do not change a refusal whose earlier charge cannot be given back%s', async (_what, error) => {
    const { get } = await startWith(new UnreturningStorage(error));
    expect((await get('/')).status).toBe(200);
    const refused = await get('/');
    expect(refused.status).toBe(429);
    expect(limitFields(refused)).toMatchObject({ RateLimit: '"default";r=0;t=3600', 'Retry-After': '3600' });
  });
});
