// An authenticator app (RFC 6238).
import { createHmac } from "node:crypto";

const STEP_SECONDS = 30;
const LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

export class Authenticator {
  constructor(secret) {
    const bits = [...secret.replace(/\s/g, "")].map((letter) => LETTERS.indexOf(letter).toString(2).padStart(5, "0")).join("");
    this.key = Buffer.from(bits.match(/.{8}/g).map((byte) => parseInt(byte, 2)));
    this.given = 0;
  }

  /** What the app shows, or will show next if that was given already: no code is taken twice. */
  code() {
    this.given = Math.max(this.given + 1, Math.floor(Date.now() / 1000 / STEP_SECONDS));
    const counter = Buffer.alloc(8);
    counter.writeBigUInt64BE(BigInt(this.given));
    const hash = createHmac("sha1", this.key).update(counter).digest();
    const number = hash.readUInt32BE(hash.at(-1) & 15) & 0x7fffffff;
    return `${number % 1_000_000}`.padStart(6, "0");
  }
}
