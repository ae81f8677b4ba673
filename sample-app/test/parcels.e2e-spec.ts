import { MemoryStorage } from 'nestjs-token-bucket';
import { CarrierApi } from '../src/parcels/carrier-api.js';
import { type SampleApp, startSampleApp, times } from './sample-app.js';

const CALLS = 25;

describe('GET /parcels/:id', () => {
  let app: SampleApp;
  beforeEach(async () => {
    // With the clock of the machine: the carrier has one of its own, too.
    app = await startSampleApp(new MemoryStorage());
  });
  afterEach(() => app.close());

  it('answers with the parcel', async () => {
    const { status, body } = await app.send('get', '/parcels/A%201');
    expect([status, body]).toEqual([200, { id: 'A%201', state: 'on its way' }]);
  });

  it('never makes the carrier answer 429, however many ask at once, and has an answer for all of them', async () => {
    const answers = await Promise.all(Array.from({ length: CALLS }, (_, i) => app.send('get', `/parcels/${i}`)));
    expect(answers.map(({ status }) => status)).toEqual(times(CALLS, 200));
    expect(answers.map(({ body }) => (body as { id: string }).id)).toEqual(answers.map((_, i) => String(i)));
  });
});

describe('the carrier', () => {
  it('answers 429 to whoever asks without waiting', async () => {
    const api = new CarrierApi();
    await api.onModuleInit();
    const answers = await Promise.all(Array.from({ length: 100 }, () => fetch(`${api.url}/parcels/1`)));
    expect(answers.some(({ status }) => status === 429)).toBe(true);
    api.onApplicationShutdown();
  });
});
