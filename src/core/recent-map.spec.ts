import { RecentMap } from './recent-map.js';

test('keeps what is used, and never more than two generations', () => {
  const map = new RecentMap<number>(100);
  map.set('used', -1);
  for (let i = 0; i < 10_000; i++) {
    map.set(`key ${i}`, i);
    expect(map.get('used')).toBe(-1);
    expect(map.size).toBeLessThanOrEqual(200);
  }
  expect(map.get('key 9999')).toBe(9999);
  expect(map.get('key 0')).toBeUndefined();
});

test('holds one value per key', () => {
  const map = new RecentMap<number>(2);
  map.set('a', 1);
  map.set('b', 2);
  map.set('c', 3);
  map.set('a', 4);
  expect(map.get('a')).toBe(4);
  expect(map.size).toBe(3);
  map.set('a', 5);
  expect(map.get('a')).toBe(5);
});

test('forgets what is deleted, in whichever generation it is', () => {
  const map = new RecentMap<number>(1);
  map.set('old', 1);
  map.set('young', 2);
  map.delete('old');
  map.delete('young');
  expect([map.get('old'), map.get('young'), map.size]).toEqual([undefined, undefined, 0]);
  map.set('old', 1);
  map.set('young', 2);
  map.clear();
  expect([map.get('old'), map.get('young'), map.size]).toEqual([undefined, undefined, 0]);
});
