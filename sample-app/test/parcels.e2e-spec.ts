import { CarrierApi } from '../src/parcels/carrier-api.js';
import { type SampleApp, startSampleApp, times } from './sample-app.js';

const CALLS = 25;

describe('GET /parcels/:id', () => {
  let api: CarrierApi;
  let app: SampleApp;
  beforeEach(async () => {
    api = new CarrierApi();
    await api.onModuleInit();
    // With the clock of the machine: the carrier has one of its own, too.
    app = await startSampleApp({ carrierUrl: api.url });
  });
  afterEach(async () => {
    await app.close();
    api.onApplicationShutdown();
  });

  it('answers with the parcel', async () => {
    const { status, body } = await app.send('get', '/parcels/A%201');
    expect([status, body]).toEqual([200, { id: 'A%201', state: 'on its way' }]);
  });

  it('never makes the carrier answer 429, however many ask at once, and has an answer for all of them', async () => {
    const answers = await Promise.all(Array.from({ length: CALLS }, (_, i) => app.send('get', `/parcels/${i}`)));
    expect(answers.map(({ status }) => status)).toEqual(times(CALLS, 200));
    expect(answers.map(({ body }) => (body as { id: string }).id)).toEqual(answers.map((_, i) => String(i)));
    expect(api.calls).toEqual({ answered: CALLS, refused: 0 });
  });
});

describe('an application that is not told where the carrier is', () => {
  it('has a carrier of its own', async () => {
    const app = await startSampleApp({});
    expect((await app.send('get', '/parcels/42')).body).toEqual({ id: '42', state: 'on its way' });
    await app.close();
  });
});

describe('the carrier', () => {
  it('answers 429 to whoever asks without waiting', async () => {
    const api = new CarrierApi();
    await api.onModuleInit();
    const answers = await Promise.all(Array.from({ length: 100 }, () => fetch(`${api.url}/parcels/1`)));
    const refused = answers.filter(({ status }) => status === 429).length;
    expect(refused).toBeGreaterThan(0);
    expect(api.calls).toEqual({ answered: 100 - refused, refused });
    api.onApplicationShutdown();
  });
});
