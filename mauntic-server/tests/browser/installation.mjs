// An installation of its own: the program that was built, with data in a folder that goes away.
import { spawn, execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

const program = process.env.MAUNTIC ?? "mauntic";

async function freePort() {
  const server = createServer();
  await new Promise((done) => server.listen(0, "127.0.0.1", done));
  const { port } = server.address();
  await new Promise((done) => server.close(done));
  return port;
}

export class Installation {
  /** `settings` makes variables of the environment from the address. */
  static async start({ settings } = {}) {
    const folder = await mkdtemp(join(tmpdir(), "mauntic-browser-"));
    const base = `http://127.0.0.1:${await freePort()}`;
    const installation = new Installation(folder, base, await settings?.(base));
    await installation.serve();
    return installation;
  }

  constructor(folder, base, settings = {}) {
    this.folder = folder;
    this.base = base;
    this.settings = settings;
    this.log = "";
  }

  environment() {
    const clean = Object.entries(process.env).filter(([name]) => !name.startsWith("MAUNTIC_") && name !== "DATABASE_URL");
    return { ...Object.fromEntries(clean), MAUNTIC_DATA: join(this.folder, "data"), MAUNTIC_LISTEN: this.base.slice(7), ...this.settings };
  }

  async serve() {
    this.process = spawn(program, ["serve"], { env: this.environment(), cwd: this.folder });
    for (const stream of [this.process.stdout, this.process.stderr]) stream.on("data", (text) => { this.log += text; });
    for (;;) {
      if (this.process.exitCode !== null) throw new Error(`mauntic serve ended:\n${this.log}`);
      const answer = await fetch(`${this.base}/readyz`).catch(() => null);
      if (answer?.ok) return;
      await new Promise((done) => setTimeout(done, 50));
    }
  }

  /** Runs a command on the same data and returns what it prints. */
  async command(...parts) {
    const { stdout } = await promisify(execFile)(program, parts, { env: this.environment(), cwd: this.folder });
    return stdout;
  }

  async stop() {
    this.process.kill("SIGTERM");
    if (this.process.exitCode === null) await new Promise((done) => this.process.once("exit", done));
    await rm(this.folder, { recursive: true, force: true });
  }
}
