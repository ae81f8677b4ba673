import { encodePart } from '../../core/bucket-key.js';

/** Slots of a cluster, each of which is on one node; a call may touch keys of one slot only. */
const SLOTS = 16_384;
const POLYNOMIAL = 0x1021;
const CRC16 = Uint16Array.from({ length: 256 }, (_, byte) => {
  let crc = byte << 8;
  for (let bit = 0; bit < 8; bit++) crc = (crc << 1) ^ (crc & 0x8000 ? POLYNOMIAL : 0);
  return crc;
});

/** The slot of every bucket of a subject: see `bucketKey`, whose hash tag is the encoded subject and nothing else. */
export function slotOf(subject: string): number {
  const tag = encodePart(subject);
  let crc = 0;
  // An encoded part is ASCII, so that its characters are its bytes.
  for (let i = 0; i < tag.length; i++) {
    crc = ((crc << 8) & 0xffff) ^ CRC16[(crc >> 8) ^ tag.charCodeAt(i)]!;
  }
  return crc % SLOTS;
}
